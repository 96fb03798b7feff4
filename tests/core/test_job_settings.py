"""Settings: ranges, sentences, defaults from the data, and what a command line may say."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.core.errors import UserError
from dpo_studio.core.recommended import MIN_STEPS, recommend
from dpo_studio.core.settings import (
    METHODS,
    SAMPLING_PRESETS,
    SamplingSettings,
    SettingsError,
    TrainingSettings,
    parse_assignments,
)


def test_defaults_and_presets_are_valid():
    SamplingSettings().validate()
    TrainingSettings().validate()
    for sentence, values in SAMPLING_PRESETS.values():
        assert sentence
        SamplingSettings.from_json({**SamplingSettings().to_json(), **values}).validate()


@pytest.mark.parametrize(
    ("settings", "field", "sentence"),
    [
        (SamplingSettings(k=1), "k", "K is 1; it can be from 2 to 9."),
        (SamplingSettings(temperature=-0.1), "temperature", "Temperature is -0.1; it can be from 0 to 5."),
        (SamplingSettings(top_p=0.0), "top_p", "Top p is 0; it can be from 1e-06 to 1."),
        (TrainingSettings(beta=math.nan), "beta", "Beta is nan; it can be from 0.0001 to 10."),
        (TrainingSettings(learning_rate=math.inf), "learning_rate", "Learning rate is inf;"),
        (TrainingSettings(batch_groups=0), "batch_groups", "Batch groups is 0; it can be from 1 to 4096."),
        (TrainingSettings(method="ppo"), "method", "Method is 'ppo'; use one of pl_dpo, dpo"),
        (TrainingSettings(device="tpu"), "device", "Device is 'tpu'; use one of auto, cpu, cuda, mps."),
    ],
)
def test_a_problem_names_its_field_and_what_is_allowed(settings, field, sentence):
    (problem,) = settings.problems()
    assert problem.field == field and problem.message.startswith(sentence)
    with pytest.raises(SettingsError) as caught:
        settings.validate()
    assert caught.value.problems == (problem,)


def test_all_problems_are_told_at_once():
    assert {p.field for p in TrainingSettings(beta=-1, epochs=0, dtype="int4").problems()} == {
        "beta",
        "epochs",
        "dtype",
    }


@given(groups=st.integers(1, 5000), parameters=st.integers(10**6, 10**11), ranked=st.booleans())
def test_recommended_settings_are_valid_and_move_the_model(groups, parameters, ranked):
    advice = recommend(groups, parameters=parameters, ranked=ranked)
    settings = advice.settings.validate()
    assert settings.epochs * math.ceil(groups / settings.batch_groups) >= MIN_STEPS
    assert settings.method == ("pl_dpo" if ranked else "dpo")
    assert settings.learning_rate <= 1e-3
    assert all(sentence for sentence in advice.reasons.values())
    assert set(advice.reasons) <= set(settings.to_json())


def test_recommended_for_thirty_rankings_by_hand():
    # 32 groups, 2 a step: 16 steps a pass, so 3 passes are the fewest with 40 steps; they make 48.
    settings = recommend(32).settings
    assert (settings.batch_groups, settings.epochs, settings.learning_rate) == (2, 3, 5e-4)
    assert (settings.beta, settings.max_kl, settings.evaluate_every) == (0.3, 10.0, 4)
    assert "48" in recommend(32).reasons["epochs"]
    # Four times the parameters: half the rate.
    assert recommend(32, parameters=540_000_000).settings.learning_rate == pytest.approx(2.5e-4)


def test_settings_go_through_json_unchanged():
    training = TrainingSettings(method="dpo", beta=0.25, epochs=2, dtype="float32")
    assert TrainingSettings.from_json(training.to_json()) == training
    sampling = SamplingSettings(k=3, seed=11, stop=("###", "\n\n"))
    assert SamplingSettings.from_json(json.loads(json.dumps(sampling.to_json()))) == sampling


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [
        ([""], "1 to 200 characters"),
        (["a" * 201], "1 to 200 characters"),
        (["a"] * 17, "17 texts"),
        ([1], "needs a list of texts"),
        (3, "needs a list of texts"),
    ],
)
def test_stop_strings_that_cannot_be_used_are_told(stop, sentence):
    with pytest.raises(SettingsError, match=sentence) as told:
        SamplingSettings.from_json({"stop": stop}).validate()
    assert [problem.field for problem in told.value.problems] == ["stop"]


def test_one_stop_string_may_stand_without_a_list():
    assert SamplingSettings.from_json({"stop": "User:"}).stop == ("User:",)


def test_json_of_an_earlier_version_gets_todays_defaults():
    assert TrainingSettings.from_json({"beta": 0.3}) == TrainingSettings(beta=0.3)


def test_assignments_of_the_command_line():
    settings = parse_assignments(TrainingSettings(), ["beta=0.2", " epochs = 3 ", "method=dpo", "batch_groups=8.0"])
    assert settings == TrainingSettings(beta=0.2, epochs=3, method="dpo", batch_groups=8)
    assert isinstance(settings.epochs, int) and isinstance(settings.batch_groups, int)


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("beta", "'beta' is not a setting."),
        ("gamma=1", "There is no setting called 'gamma'."),
        ("epochs=2.5", "Epochs needs a whole number, not '2.5'."),
        ("epochs=many", "Epochs needs a whole number, not 'many'."),
        ("beta=", "Beta needs a number, not ''."),
        ("epochs=inf", "Epochs needs a whole number, not 'inf'."),
        ("epochs=nan", "Epochs needs a whole number, not 'nan'."),
    ],
)
def test_an_assignment_that_means_nothing_is_a_sentence(assignment, sentence):
    with pytest.raises(UserError) as caught:
        parse_assignments(TrainingSettings(), [assignment])
    assert str(caught.value).startswith(sentence)


def test_methods_have_a_sentence_each():
    assert {"pl_dpo", "dpo"} <= set(METHODS) and all(METHODS.values())

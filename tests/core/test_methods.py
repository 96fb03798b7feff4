"""The methods: their words, the settings they read, and the data they refuse."""

from __future__ import annotations

import dataclasses

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.methods import MAIN_METHODS, METHOD_SETTINGS, METHODS, check_data, is_usable
from dpo_studio.core.recommended import recommend
from dpo_studio.core.settings import TrainingSettings, parse_assignments, with_method

WITH_TIES = ["rao_kupper", "davidson"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_words_and_valid_defaults(name):
    method = METHODS[name]
    assert method.title and method.sentence.endswith(".") and method.paper.startswith("arXiv ")
    assert set(method.uses) <= {field.name for field in dataclasses.fields(TrainingSettings)}
    assert set(method.defaults) <= set(method.uses)
    settings = with_method(TrainingSettings(), name).validate()
    assert settings.method == name
    for use in method.strength_uses:
        smoothing = {"label_smoothing": 0.1} if use == "smoothing" else {}
        dataclasses.replace(settings, strength_use=use, **smoothing).validate()


def test_the_main_methods_come_first_and_defaults_are_the_papers():
    assert tuple(METHODS)[:2] == MAIN_METHODS
    defaults = {name: with_method(recommend(30).settings, name) for name in METHODS}
    assert (defaults["hinge"].beta, defaults["simpo"].beta, defaults["ipo"].beta) == (0.05, 2.0, 0.1)
    assert (defaults["pl_dpo"].beta, defaults["dpo"].beta) == (0.3, 0.3)  # not the papers': measured here
    assert (defaults["rao_kupper"].nu, defaults["davidson"].nu) == (3.0, 1.0)
    assert (defaults["robust"].label_smoothing, defaults["dpo"].label_smoothing) == (0.1, 0.0)


def test_another_method_takes_its_own_defaults_and_keeps_what_was_chosen():
    hinge = with_method(TrainingSettings(beta=0.3, epochs=7, stage_reduction="sum"), "hinge")
    assert (hinge.beta, hinge.epochs, hinge.stage_reduction) == (0.05, 7, "mean")
    chosen = with_method(TrainingSettings(beta=0.2, nll_weight=0.5), "simpo")
    assert (chosen.beta, chosen.nll_weight) == (0.2, 0.5)
    assert with_method(hinge, "pl_dpo").beta == 0.3
    smoothed = TrainingSettings(method="dpo", label_smoothing=0.1, strength_use="smoothing")
    assert with_method(smoothed, "hinge").strength_use == "off"


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["method=orpo", "beta=0.2"], "Beta is not used by ORPO; leave it out."),
        (["label_smoothing=0.1"], "Label smoothing is not used by PL-DPO; leave it out."),
        (["strength_use=margin"], "Strength use is 'margin'; with PL-DPO use one of off, weight."),
        (["method=dpo", "strength_use=smoothing"], "Label smoothing has to be above 0"),
        (["method=rao_kupper", "nu=1"], "Nu is 1; with DPO with ties, Rao–Kupper it has to be above 1."),
        (["method=ld_dpo", "ld_alpha=2"], "Ld alpha is 2; it can be from 0 to 1."),
    ],
)
def test_what_does_not_fit_the_method_is_a_problem(assignments, message):
    (problem,) = parse_assignments(TrainingSettings(), assignments).problems()
    assert problem.message.startswith(message)


def test_rewards_are_shown_with_a_beta_that_weighs_ratios():
    assert TrainingSettings(method="hinge", beta=0.05).reward_beta == 0.05
    assert TrainingSettings(method="simpo", beta=2.0).reward_beta == 0.1
    assert TrainingSettings(method="orpo").reward_beta == 0.1


def test_advice_for_a_method_chosen_by_hand():
    advice = recommend(30).for_method("simpo")
    assert (advice.settings.method, advice.settings.beta) == ("simpo", 2.0)
    assert advice.settings.epochs == recommend(30).settings.epochs
    assert "beta" not in advice.reasons and "epochs" in advice.reasons


@pytest.mark.parametrize("name", METHODS)
def test_an_order_is_of_use_to_all_and_silence_to_none(name):
    assert is_usable(name, (1, 2)) and is_usable(name, (None, 1, None)) and is_usable(name, (2, 2, 1))
    assert not is_usable(name, (None, None)) and not is_usable(name, ())
    assert is_usable(name, (1, 1)) == (name in WITH_TIES)
    assert is_usable(name, (1, 1, 1)) == (name in WITH_TIES)


@pytest.mark.parametrize("name", METHODS)
def test_data_that_teaches_nothing_is_refused(name):
    check_data(name, [(1, 2), (2, 1, None)], prompts=2)
    with pytest.raises(UserError, match="nothing to train on"):
        check_data(name, [], prompts=0)
    with pytest.raises(UserError, match="every ranking is a complete tie"):
        check_data(name, [(1, 1), (1, 1, 1)], prompts=0)


def test_kto_needs_two_prompts():
    with pytest.raises(UserError, match="2 different prompts at least, and here is 1"):
        check_data("kto", [(1, 2), (1, 2)], prompts=1)
    assert [name for name in METHODS if METHODS[name].fewest_prompts > 1] == ["kto"]
    assert METHOD_SETTINGS >= {"beta", "nu", "penalty"}

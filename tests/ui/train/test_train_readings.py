"""The words and numbers of the Train page: series, readings, smoothing, estimates, sentences. No Qt."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.jobs.training import Outcome
from dpo_studio.store.runs import TrainingData
from dpo_studio.ui.train import estimates, readings, wording
from dpo_studio.ui.train.record import RunRecord, Series
from dpo_studio.ui.train.smoothing import smoothed

BETA = 0.1


def series(values, *, first: int = 1, every: int = 1) -> Series:
    made = Series()
    for index, value in enumerate(values):
        made.add(first + index * every, value)
    return made


def codes(train, held_out=None, fresh=None, *, steps: int = 32) -> list[str]:
    return [r.code for r in readings.read(train, held_out or {}, fresh or {}, steps=steps, beta=BETA)]


# -- the record ----------------------------------------------------------------------------------


def test_a_value_that_is_not_finite_is_a_gap():
    made = series([1.0, None, 3.0])
    assert list(made.steps) == [1, 2, 3]
    assert math.isnan(made.values[1])
    assert made.at(2) is None and made.at(3) == 3.0 and made.last() == 3.0
    assert series([1.0, None]).last() is None


def test_a_step_measured_again_replaces_what_followed():
    made = series([1.0, 2.0, 3.0, 4.0])
    made.add(3, 30.0)
    assert list(made.steps) == [1, 2, 3] and list(made.values) == [1.0, 2.0, 30.0]


def test_a_resume_forgets_what_was_measured_past_its_checkpoint():
    record = RunRecord()
    begun = events.RunStarted(30, 28, 4, "cpu", "float32", 100, 10)
    record.add([begun, events.Evaluated(0, {"loss": 1.0})])
    record.add(events.StepDone(step, 0.1, {"loss": 1.0 / step}) for step in range(1, 15))
    record.add([events.Sampled(9, {"kl": 1.0}), events.Sampled(12, {"kl": 2.0})])
    record.add([events.Evaluated(12, {"loss": 0.5}), events.Failed("The disk is full.")])
    assert record.failed is not None
    record.add([events.RunStarted(30, 28, 4, "cpu", "float32", 100, 10, first_step=10)])
    assert record.failed is None and record.step == 10
    assert list(record.train["loss"].steps) == list(range(1, 11))
    assert list(record.held_out["loss"].steps) == [0]
    assert list(record.fresh["kl"].steps) == [9]
    record.add([events.StepDone(11, 0.2, {"loss": 9.0})])
    assert record.train["loss"].last() == 9.0


def test_the_same_notice_is_kept_once():
    record = RunRecord()
    record.add([events.Notice("cut", "Two groups were too long."), events.Notice("cut", "Two groups were too long.")])
    assert len(record.notices) == 1


# -- readings ------------------------------------------------------------------------------------


def test_a_run_that_learns_well_says_nothing():
    rising = [0.16 * step for step in range(1, 33)]
    train = {
        "loss": series([1.0] * 32),
        "margin": series(rising),
        "logratio_best": series([0.2 * step for step in range(1, 33)]),
        "logratio_worst": series([-0.5 * step for step in range(1, 33)]),
        "accuracy": series([0.9] * 32),
    }
    held_out = {"accuracy": series([0.5, 0.6, 0.7, 0.8], first=0, every=8)}
    assert codes(train, held_out) == []


def test_best_answers_that_get_less_likely_while_the_margin_grows():
    train = {
        "margin": series([0.05 * step for step in range(1, 21)]),
        "logratio_best": series([-0.3 * step for step in range(1, 21)]),
    }
    (found,) = readings.read(train, {}, {}, steps=32, beta=BETA)
    assert (found.code, found.curve, found.step) == ("displacement", "rewards", 20)
    # The mean of the last fifth, steps 17 to 20, is -0.3 * 18.5.
    assert "5.5 nats" in found.sentence
    assert "DPO-Positive" in found.offer and "imitate the best" in found.offer
    rising = {**train, "logratio_best": series([0.3 * step for step in range(1, 21)])}
    flat_margin = {**train, "margin": series([0.8] * 20)}
    assert codes(rising) == [] and codes(flat_margin) == []


def test_learning_by_heart():
    train = {"accuracy": series([0.6, 0.8] + [1.0] * 14)}
    flat = {"accuracy": series([0.5, 0.7, 0.7, 0.7, 0.65], first=0, every=4)}
    rising = {"accuracy": series([0.5, 0.6, 0.7, 0.8, 0.9], first=0, every=4)}
    perfect = {"accuracy": series([1.0] * 5, first=0, every=4)}
    (found,) = readings.read(train, flat, {}, steps=16, beta=BETA)
    assert (found.code, found.curve, found.step) == ("memorising", "accuracy", 16)
    assert "65%" in found.sentence
    assert codes(train, rising) == [] and codes(train, perfect) == []
    assert codes({"accuracy": series([0.9] * 16)}, flat) == []


def test_nothing_moves_is_said_only_after_half_the_steps():
    still = {"margin": series([0.01, -0.01] * 8)}
    assert codes(still, steps=32) == ["nothing_moves"]
    assert codes(still, steps=40) == []
    assert codes({"margin": series([0.01 * step for step in range(1, 17)])}, steps=32) == []


def test_far_from_the_start_is_measured_in_nats():
    assert codes({"logratio_worst": series([-100.0] * 5)}) == ["far"]
    assert codes({"logratio_worst": series([-30.0] * 5)}) == []


@pytest.mark.parametrize(("name", "word"), [("loss", "loss"), ("grad_norm", "gradient")])
def test_a_loss_that_is_no_number_is_told_with_its_step(name, word):
    (found,) = readings.read({name: series([0.5, 0.4, None, 0.3])}, {}, {}, steps=32, beta=BETA)
    assert (found.code, found.step) == ("not_finite", 3)
    assert f"the {word} was not a number" in found.sentence


def fresh(kl, variety, length) -> dict[str, Series]:
    names = {"kl": kl, "distinct_2": variety, "mean_length": length}
    return {name: series(values, first=0, every=8) for name, values in names.items()}


def test_fresh_answers_that_stay_themselves_say_nothing():
    assert codes({}, fresh=fresh([0.0, 3.0, 9.9], [0.98, 0.95, 0.80], [50.0, 30.0, 26.0])) == []
    assert codes({}, fresh=fresh([0.0, None, 4.0], [None, 0.95, 0.94], [20.0, 60.0, 20.0])) == []


@pytest.mark.parametrize(
    ("kl", "variety", "length", "code", "curve"),
    [
        ([0.0, 6.0, 10.5], [0.98, 0.97, 0.96], [50.0, 50.0, 50.0], "drifted", "kl"),
        ([0.0, 2.0, 3.0], [0.98, 0.9, 0.5], [50.0, 50.0, 50.0], "repeating", "kl"),
        ([0.0, 2.0, 3.0], [0.98, 0.9, 0.9], [20.0, 40.0, 48.0], "length_runs", "length"),
        ([0.0, 2.0, 3.0], [0.98, 0.9, 0.9], [50.0, 20.0, 4.0], "length_runs", "length"),
    ],
)
def test_fresh_answers_that_drift_repeat_or_run_away(kl, variety, length, code, curve):
    found = readings.read({}, {}, fresh(kl, variety, length), steps=32, beta=BETA)
    assert [(r.code, r.curve, r.step) for r in found] == [(code, curve, 16)]


@pytest.mark.parametrize(("sign", "word"), [(1, "Longer"), (-1, "Shorter")])
def test_rewards_that_follow_length_are_told(sign, word):
    mild = {"length_correlation": series([0.9 * sign, 0.5 * sign, 0.4 * sign])}
    strong = {"length_correlation": series([0.1 * sign, 0.5 * sign, 0.9 * sign])}
    (found,) = readings.read({}, strong, {}, steps=32, beta=BETA)
    assert (found.code, found.step) == ("length_learnt", 3) and found.sentence.startswith(word)
    assert codes({}, mild) == []
    # What was held out is asked first.
    assert codes(strong, mild) == []
    assert codes(strong, {"length_correlation": series([None, 0.9])}) == ["length_learnt"]


@pytest.mark.parametrize(
    ("longer", "said"),
    [
        ((19, 26), "In your rankings the best answer is the longer one 19 times of 26"),
        ((3, 20), "In your rankings the best answer is the shorter one 17 times of 20"),
        ((0, 0), ""),
    ],
)
def test_a_reading_about_length_says_what_the_labels_say_of_it(longer, said):
    by_reward = {"length_correlation": series([0.9, 0.9, 0.9])}
    in_answers = fresh([0.0, 2.0, 3.0], [0.98, 0.9, 0.9], [20.0, 40.0, 48.0])
    found = readings.read({}, by_reward, in_answers, steps=32, beta=BETA, longer=longer)
    assert [one.code for one in found] == ["length_runs", "length_learnt"]
    for one in found:
        assert one.offer.startswith(said or "If you did not mean") and "LD-DPO or SimPO" in one.offer


def test_no_numbers_no_readings():
    assert codes({}) == []


# -- smoothing -----------------------------------------------------------------------------------


def test_smoothing_equals_the_weighted_mean_it_claims_to_be():
    values = np.array([2.0, 4.0, np.nan, 1.0, 8.0] * 60)
    weight = 0.7
    expected = []
    for end in range(len(values)):
        if math.isnan(values[end]):
            expected.append(math.nan)
            continue
        pairs = [(weight ** (end - k), values[k]) for k in range(end + 1) if not math.isnan(values[k])]
        expected.append(sum(w * v for w, v in pairs) / sum(w for w, _ in pairs))
    np.testing.assert_allclose(smoothed(values, weight), expected, rtol=1e-9)


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.95])
def test_smoothing_keeps_a_constant_and_stays_finite(weight):
    np.testing.assert_allclose(smoothed(np.full(500, 3.5), weight), 3.5)


def test_no_smoothing_is_the_curve_itself():
    values = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(smoothed(values, 0.0), values)


# -- estimates and sentences ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "parameters"),
    [
        ("starter", 135_000_000),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", 360_000_000),
        ("Qwen/Qwen2.5-0.5B", 500_000_000),
        ("/models/llama-3.2-1b-instruct.Q8_0.gguf", 1_000_000_000),
        ("meta-llama/Llama-3.1-8B", 8_000_000_000),
        ("gpt2", 135_000_000),
    ],
)
def test_a_models_size_is_read_off_its_name(base, parameters):
    assert estimates.parameters_of(base) == parameters


def test_a_measured_size_wins_over_the_name():
    run = estimates.Measured("Run 1", "my/model-7B", 60.0, 30, 4, parameters=6_700_000_000)
    assert estimates.parameters_of("my/model-7B", [run]) == 6_700_000_000


def test_time_scales_with_what_is_computed():
    # 60 s for 30 steps of 4 is half a second a ranking; 5 passes over 28 in steps of 4 are 35 steps of 4: 70 s.
    run = estimates.Measured("Run 1", "starter", 60.0, 30, 4)
    settings = TrainingSettings(epochs=5, batch_groups=4)
    assert estimates.time_sentence(settings, 28, "starter", [run]) == "about 70 s, going by Run 1"
    assert "first run measures" in estimates.time_sentence(settings, 28, "another", [run])


@pytest.mark.parametrize(
    ("epochs", "batch", "most", "groups", "steps"), [(5, 4, 0, 28, 35), (1, 8, 0, 9, 2), (5, 4, 6, 28, 6)]
)
def test_the_steps_of_a_run_take_the_last_partial_batch_in(epochs, batch, most, groups, steps):
    settings = TrainingSettings(epochs=epochs, batch_groups=batch, max_steps=most)
    assert settings.steps_over(groups) == steps


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (40, "40 s"), (150, "2 min"), (3600, "1 h"), (3900, "1 h 5 min")]
)
def test_durations(seconds, words):
    assert wording.duration(seconds) == words


def test_data_sentences():
    group = (None, None)
    data = TrainingData((group,) * 28, (group,) * 4, 2)
    assert (
        wording.data_sentence(data)
        == "28 rankings train it, 4 are held out to measure it; 2 complete ties teach nothing."
    )
    one = TrainingData((group,), (), 1)
    assert wording.data_sentence(one) == (
        "1 ranking trains it, none is held out, so the curves show training only; 1 complete tie teaches nothing."
    )


def test_every_empty_state_has_its_sentence():
    group = (None, None)
    assert wording.empty_state(None) == wording.EMPTY_NO_PROJECT
    assert wording.empty_state(TrainingData((), (), 0)) == wording.EMPTY_NO_LABELS
    assert wording.empty_state(TrainingData((), (group,), 1)) == wording.EMPTY_ALL_HELD_OUT
    sentence, _, page = wording.empty_state(TrainingData((), (), 5))
    assert "All 5 rankings are ties" in sentence and page == "label"
    assert wording.empty_state(TrainingData((group,), (), 0)) is None


def test_endings_name_what_was_measured():
    record = RunRecord()
    record.add([events.RunStarted(8, 28, 4, "cpu", "float32", 100, 10)])
    record.add([events.Evaluated(0, {"accuracy": 0.5}), events.Evaluated(8, {"accuracy": 0.75})])
    record.add([events.RunDone("finished", 8, 200.0, "adapter")])
    text = wording.ending("Run 1", Outcome("finished"), record)
    assert text.startswith("Run 1 is trained: 8 steps. It took 3 min.")
    assert "75% of the pairs" in text and "50% at the start" in text and "few" in text
    record.add([events.RunDone("stopped", 0, 3.0, "adapter")])
    assert "before its first step" in wording.ending("Run 1", Outcome("stopped"), record)
    failed = wording.ending("Run 1", Outcome("failed", "The disk is full. Free some space."), record)
    assert failed == "Run 1 could not go on. The disk is full. Free some space."


@pytest.mark.parametrize(("kept", "what"), [(4, "by then is kept"), (8, "in Generate too")])
def test_an_ending_names_the_best_step_where_it_is_not_the_last(kept, what):
    record = RunRecord()
    record.add([events.RunStarted(8, 28, 40, "cpu", "float32", 100, 10)])
    measured = {0: (0.9, 0.5), 4: (0.41, 0.8), 8: (0.52, 0.7)}
    record.add([events.Evaluated(step, {"loss": loss, "accuracy": a}) for step, (loss, a) in measured.items()])
    record.add([events.RunDone("finished", 8, 200.0, "adapter", {}, kept, 4)])
    text = wording.ending("Run 1", Outcome("finished"), record)
    assert "lowest at step 4 (0.41; 0.52 at the end)" in text and what in text
    assert ("80%" if kept == 4 else "70%") in text
    record.add([events.RunDone("finished", 8, 200.0, "model", {}, 8, 4)])
    assert "Keep set to the best step" in wording.ending("Run 1", Outcome("finished"), record), "none lies beside it"
    record.add([events.RunDone("finished", 8, 200.0, "adapter", {}, 8, 8)])
    assert "lowest" not in wording.ending("Run 1", Outcome("finished"), record)


def test_an_ending_says_that_a_run_passed_its_bound_and_what_is_kept():
    record = RunRecord()
    record.add([events.RunStarted(8, 28, 40, "cpu", "float32", 100, 10)])
    measured = ((0, 0.5, 0.9), (2, 0.6, 0.3), (4, 0.8, 0.4), (6, 0.7, 0.2))
    record.add([events.Evaluated(step, {"accuracy": a, "loss": loss}) for step, a, loss in measured])
    record.add([events.RunDone("drifted", 6, 200.0, "adapter", {}, 4, 4)])
    text = wording.ending("Run 1", Outcome("stopped"), record)
    assert "past its bound by step 6" in text and "learnt by step 4 is kept" in text
    assert "lowest" not in text, "the loss of the step past the bound was lower still"
    record.add([events.RunDone("drifted", 6, 200.0, "adapter", {}, 4, 2)])
    assert "Within the bound their loss was lowest at step 2:" in wording.ending("Run 1", Outcome("stopped"), record)
    assert "80%" in text and "70%" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.47512, "0.475"),
        (1500.4, "1,500"),
        (1e-3, "1.0e-03"),
        (0.0, "0"),
        (-0.5, "-0.5"),
        (12.34, "12.3"),
    ],
)
def test_numbers_for_the_eye(value, text):
    assert wording.number(value) == text

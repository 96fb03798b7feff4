"""An estimate before a run: its arithmetic, and what it says of a real small run."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import replace

import pytest

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.training import engine, estimate, memory, samples
from dpo_studio.training.batches import Example
from dpo_studio.training.engine import train
from dpo_studio.training.estimate import Costs
from dpo_studio.training.saved import read_spec


def test_every_part_of_a_run_is_counted():
    costs = Costs(setting_up=1.0, scoring=0.01, training=0.1, answers=5.0, fresh=2.0, memory_gb=3.0)
    settings = TrainingSettings(epochs=2, batch_groups=2, evaluate_every=3)
    found = estimate.predict(settings, costs, train=[100, 200, 300], held_out=[50])
    # Two steps an epoch make four: looks at 0, 3 and the end. 600 tokens an epoch are 300 a step.
    assert found.steps == 4
    assert found.step_seconds == pytest.approx(30.0)
    assert found.seconds == pytest.approx(1.0 + 6.0 + 0.5 + 3 * 0.5 + 4 * 30.0 + 2 * 5.0 + 3 * 2.0)
    assert found.memory_gb == 3.0
    # Without a pass over the held-out groups and those of the first step, which is half the training groups.
    shorter = estimate.predict(settings, replace(costs, starts_as_reference=True), train=[100, 200, 300], held_out=[50])
    assert found.seconds - shorter.seconds == pytest.approx(3.0 + 0.5)


def test_a_run_cut_short_with_nothing_held_out_measures_what_it_trained_on():
    costs = Costs(setting_up=0.0, scoring=0.01, training=0.1, answers=0.0, fresh=0.0, memory_gb=1.0)
    settings = TrainingSettings(epochs=2, batch_groups=1, max_steps=3, evaluate_every=0)
    found = estimate.predict(settings, costs, train=[100, 300], held_out=[])
    assert found.seconds == pytest.approx(3 * 20.0 + 4.0 + 4.0)


def example(words: int, *, prompt: int = 1, ranks=(1, 2)) -> Example:
    return Example(f"g{words}", False, tuple(range(prompt, prompt + 2)), ((1,) * words, (2,)), ranks)


def picked(examples, count: int) -> list[int]:
    return [found.tokens - 3 for found in estimate.representative(examples, count=count)]


def test_the_longest_group_is_among_the_measured_ones():
    examples = [example(words, prompt=words) for words in (5, 40, 10, 30, 20, 60, 50, 70)]
    assert picked(examples, 4) == [70, 50, 30, 10]
    assert picked(examples[:1], 2) == [5]


def test_the_measured_groups_are_enough_for_any_method():
    """KTO needs two prompts, and a method that reads ties something that is none."""
    examples = [example(9), example(8), example(7, prompt=5), example(10, prompt=8, ranks=(1, 1))]
    assert picked(examples, 2) == [9, 7]
    assert picked(examples[:2], 2) == [9]


def test_costs_are_read_off_the_times_of_the_events():
    def step(number, memory):
        return events.StepDone(number, 1.0, {"memory_gb": memory})

    answer = events.AnswerSampled("before", 1, "text", "stop")
    loaded = events.ModelLoaded("b", None, "cpu", "float32", 1, 1, "", 1.0)
    started = events.RunStarted(2, 2, 2, "cpu", "float32", 1, 1)
    times = [
        (10.0, loaded),
        (11.0, started),
        (11.0, events.ModelLoading("b", "scoring")),
        (20.0, answer),  # 2 × 1.5 s of scoring in these 9 s, so 6 s of answering
        (21.5, events.Evaluated(0, {})),
        (24.0, events.Sampled(0, {})),
        (28.0, step(1, 2.0)),
        (31.0, step(2, 2.5)),
    ]
    assert estimate.read_costs(times, 100) == Costs(1.0, 0.015, 0.03, 6.0, 2.5, 2.5)
    bare = [time for time in times if not isinstance(time[1], (events.AnswerSampled, events.Sampled))]
    costs = estimate.read_costs(bare, 100)
    assert (costs.answers, costs.fresh) == (0.0, 0.0)
    assert costs.scoring == pytest.approx(10.5 / 3 / 100)
    without_pass = [time for time in bare if not isinstance(time[1], events.ModelLoading)]
    costs = estimate.read_costs(without_pass, 100)
    assert costs.starts_as_reference and costs.scoring == pytest.approx(10.5 / 100)


def test_fresh_answers_are_timed_after_the_second_step_and_nothing_past_them(make_run, monkeypatch):
    said = [
        events.ModelLoaded("b", None, "cpu", "float32", 1, 1, "", 1.0),
        events.RunStarted(2, 2, 2, "cpu", "float32", 1, 1),
        events.Evaluated(0, {}),
        events.Sampled(0, {}),
        events.StepDone(1, 1.0, {"memory_gb": 2.0}),
        events.StepDone(2, 1.0, {"memory_gb": 2.5}),
        events.Evaluated(2, {}),
        events.AnswerSampled("step 2", 1, "text", "stop"),
        events.Sampled(2, {}),
        events.CheckpointSaved(2, "never reached"),
    ]
    at = iter([0.0, 1.0, 2.0, 3.0, 5.0, 9.0, 10.0, 13.0, 14.0])
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(at))
    monkeypatch.setattr(engine, "train", lambda folder: iter(said))
    monkeypatch.setattr(memory, "memory_gb", lambda: 3.0)
    costs = estimate._measure(make_run(), 1, 2, looks=True)
    assert (costs.training, costs.fresh, costs.memory_gb) == (4.0, 4.0, 3.0)


def test_a_real_run_is_estimated_and_left_as_it_was(make_run, monkeypatch):
    monkeypatch.setattr(samples, "MAX_NEW_TOKENS", 8)
    rng = random.Random(3)
    groups = [make_run.group(rng, number, held_out=number >= 6) for number in range(8)]
    run = make_run(groups=groups, epochs=1, batch_groups=2, evaluate_every=0, fresh_samples=2, fresh_tokens=8)
    before = sorted(path.name for path in run.iterdir())
    found = estimate.estimate(read_spec(run).settings, run)
    assert sorted(path.name for path in run.iterdir()) == before
    began = time.monotonic()
    said = list(train(run))
    took = time.monotonic() - began
    assert found.steps == sum(isinstance(event, events.StepDone) for event in said)
    assert 0 < found.seconds < 50 * took
    reported = [event.metrics["memory_gb"] for event in said if isinstance(event, events.StepDone)]
    assert found.memory_gb == pytest.approx(max(reported), rel=0.3)


def test_groups_that_the_run_leaves_out_are_not_measured(make_run, monkeypatch):
    rng = random.Random(3)
    groups = [make_run.group(rng, number) for number in range(4)]
    for group in groups[:2]:  # the two longest, which would be picked
        group["completions"][0]["text"] = "w7 " * 200
    # Two people on one group: the second says that all are as good.
    groups.append({**groups[3], "annotator": "another", "ranks": [1, 1, 1]})
    measured = []
    monkeypatch.setattr(estimate, "predict", lambda *_, train, held_out: measured.append((train, held_out)))
    run = make_run(groups=groups, batch_groups=4)

    def look(folder, tokens, steps, looks):
        said = list(itertools.takewhile(lambda event: not isinstance(event, events.StepDone), train(folder)))
        started = next(event for event in said if isinstance(event, events.RunStarted))
        measured.append((started.groups, started.held_out_groups, tokens))
        left_out = [event.code for event in said if isinstance(event, events.Notice) and "left_out" in event.code]
        assert left_out == []

    monkeypatch.setattr(estimate, "_measure", look)
    estimate.estimate(read_spec(run).settings, run)
    (count, held_out, tokens), (sizes, none_held_out) = measured
    assert count == held_out == len(sizes) == 2 and none_held_out == []
    assert tokens == sum(sizes)


def test_a_run_that_cannot_begin_says_why(make_run, capsys):
    run = make_run(base="/no/such/model")
    assert estimate.main(run) == 1
    assert isinstance(events.from_line(capsys.readouterr().out.splitlines()[-1]), events.Failed)

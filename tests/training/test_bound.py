"""The bound on drift: the run ends where fresh answers pass it, and keeps the last measurement within it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.jobs import training as jobs
from dpo_studio.training import fresh, samples, saved, worker
from dpo_studio.training.engine import train
from dpo_studio.training.fresh import FreshAnswers

SETTINGS = {"max_steps": 10, "evaluate_every": 2, "checkpoint_every": 3, "fresh_samples": 8}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def of_kind(said, kind):
    return [event for event in said if isinstance(event, kind)]


def drift(said) -> dict[int, float]:
    return {event.step: event.metrics["kl"] for event in of_kind(said, events.Sampled)}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def told_drift(monkeypatch):
    """Lets the fresh answers seem to have the KL given by step."""

    def tell(found: dict[int, float]) -> None:
        look = FreshAnswers.look

        def told(self, step):
            yield from look(self, step)
            self.kl = found.get(step, self.kl)

        monkeypatch.setattr(FreshAnswers, "look", told)

    return tell


def test_the_run_ends_at_the_first_measurement_past_the_bound_and_keeps_the_one_before(make_run, monkeypatch):
    settings = {**SETTINGS, "evaluate_every": 1}
    monkeypatch.setattr(fresh, "_ENOUGH", 8)  # as many as are drawn
    unbound = drift(train(make_run("free", **settings)))
    assert unbound[3] < unbound[5] < unbound[6]  # what is really measured on the tiny model
    bound = (unbound[5] + unbound[6]) / 2
    folder = make_run("bound", max_kl=bound, **settings)
    said = list(train(folder))
    assert drift(said) == {step: unbound[step] for step in range(7)}
    done = said[-1]
    assert (done.reason, done.steps, done.kept_step) == ("drifted", 6, 5)
    assert [event.step for event in of_kind(said, events.StepDone)] == [1, 2, 3, 4, 5, 6]
    (notice,) = [event for event in of_kind(said, events.Notice) if event.code == "drifted"]
    assert f"{unbound[6]:.3g} nats" in notice.message and "by step 5" in notice.message
    at_five = weights(folder / "checkpoints" / "step-000005" / "adapter")
    assert equal(weights(folder / "adapter"), at_five)
    assert saved.checkpoint_within_bound(folder)[1].fresh_kl == unbound[5]
    evaluated = {event.step: event.metrics for event in of_kind(said, events.Evaluated)}
    assert done.metrics["logp_best"] == evaluated[5]["logp_best"] != evaluated[6]["logp_best"]
    groups = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    logged = json.loads((folder / "final_logps.json").read_text())
    best = [logged[group["group"]][group["ranks"].index(1)] for group in groups if group["held_out"]]
    assert sum(best) / len(best) == pytest.approx(evaluated[5]["logp_best"], abs=1e-6)


def test_one_answer_that_is_far_off_does_not_end_a_run(make_run, monkeypatch):
    """Of the four that are drawn one says 40 nats; of sixteen the mean is 2.5, within the bound."""
    asked = []

    def told(model, frozen, drawn):
        asked.append(len(drawn))
        return [0.0] * len(drawn) if len(asked) == 1 else [40.0 if len(drawn) == 4 else 0.0, *[0.0] * (len(drawn) - 1)]

    monkeypatch.setattr(fresh, "responses_kl", told)
    settings = {"max_steps": 4, "evaluate_every": 2, "fresh_samples": 4}
    said = list(train(make_run("bound", max_kl=8, **settings)))
    assert asked == [4, *[4, 12] * 3]
    assert drift(said) == {0: 0.0, 2: 2.5, 3: 2.5, 4: 2.5}  # and one halfway
    assert (said[-1].reason, said[-1].steps, said[-1].kept_step) == ("finished", 4, 4)
    asked.clear()
    assert drift(train(make_run("free", **settings))) == {0: 0.0, 2: 10.0, 4: 10.0}
    assert asked == [4, 4, 4]  # nothing is decided by it, so no more are drawn


def test_the_answers_that_are_drawn_to_be_sure_are_others(make_run, monkeypatch):
    """Sixteen that are far off on the whole end the run, and no answer of the first draw is drawn again."""
    seen = []

    def told(model, frozen, drawn):
        seen.append([tuple(ids) for _, ids in drawn])
        return [0.0 if len(seen) == 1 else 12.0] * len(drawn)

    monkeypatch.setattr(fresh, "responses_kl", told)
    said = list(train(make_run(max_steps=4, evaluate_every=2, fresh_samples=4, fresh_tokens=16, max_kl=8)))
    assert (said[-1].reason, said[-1].steps) == ("drifted", 2)
    first, more = seen[1:]
    assert (len(first), len(more)) == (4, 12) and not set(first) & set(more)


def test_a_bound_that_is_not_reached_changes_no_number(make_run):
    free, folder = make_run("free", **SETTINGS), make_run("bound", max_kl=1e5, **SETTINGS)
    expected, said = list(train(free)), list(train(folder))
    for kind in (events.Evaluated, events.StepDone):
        losses, same = ([event.metrics["loss"] for event in of_kind(one, kind)] for one in (said, expected))
        assert losses == same and len(losses) > 3
    assert drift(said) == drift(expected)
    assert said[-1].reason == "finished" and said[-1].kept_step == 10
    assert equal(weights(folder / "adapter"), weights(free / "adapter"))


def test_the_last_within_the_bound_is_kept_through_later_checkpoints(make_run, told_drift):
    told_drift({0: 0.0, 5: 1.0, 10: 9.0})
    folder = make_run(max_steps=12, evaluate_every=5, checkpoint_every=1, max_kl=8)
    done = list(train(folder))[-1]
    assert (done.reason, done.steps, done.kept_step) == ("drifted", 10, 5)
    kept = {path.name for path in (folder / "checkpoints").iterdir()}
    assert {"step-000005", "step-000008", "step-000009"} <= kept and "step-000010" not in kept


def test_a_measurement_that_is_likely_to_be_past_the_bound_has_one_halfway(make_run, told_drift):
    told_drift({0: 0.0, 4: 1.2, 8: 4.5, 10: 7.0, 12: 10.3})
    folder = make_run(max_steps=16, evaluate_every=4, max_kl=10)
    said = list(train(folder))
    assert list(drift(said)) == [0, 4, 8, 10, 12]  # 1.2 · (8/4)³ is within the bound, 4.5 · (12/8)³ is not
    assert [event.step for event in of_kind(said, events.Evaluated)][:5] == [0, 4, 8, 10, 12]
    assert (said[-1].reason, said[-1].steps, said[-1].kept_step) == ("drifted", 12, 10)
    assert equal(weights(folder / "adapter"), weights(folder / "checkpoints" / "step-000010" / "adapter"))


def test_a_run_that_ends_halfway_says_so_once(make_run, told_drift):
    told_drift({0: 0.0, 4: 3.0, 6: 11.0})
    said = list(train(make_run(max_steps=16, evaluate_every=4, max_kl=10)))
    assert (said[-1].reason, said[-1].steps, said[-1].kept_step) == ("drifted", 6, 4)
    assert [event.code for event in of_kind(said, events.Notice)].count("drifted") == 1
    assert [event.step for event in of_kind(said, events.Evaluated)] == [0, 4, 6]


@pytest.mark.parametrize("drifted", [9.0, math.nan])
def test_the_end_of_a_run_is_measured_too(make_run, told_drift, drifted):
    told_drift({0: 0.0, 5: 1.0, 7: drifted})
    folder = make_run(max_steps=7, evaluate_every=5, max_kl=8)
    done = list(train(folder))[-1]
    assert (done.reason, done.steps, done.kept_step) == ("drifted", 7, 5)
    assert equal(weights(folder / "adapter"), weights(folder / "checkpoints" / "step-000005" / "adapter"))


def test_past_it_at_the_first_measurement_there_is_nothing_to_go_back_to(make_run, told_drift):
    told_drift({0: 0.0, 2: 9.0})
    said = list(train(make_run(max_kl=8, **{**SETTINGS, "checkpoint_every": 1})))
    assert (said[-1].reason, said[-1].steps, said[-1].kept_step) == ("drifted", 2, 2)
    (notice,) = [event for event in of_kind(said, events.Notice) if event.code == "drifted"]
    assert "lower learning rate" in notice.message


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("last", [5, 6])
@pytest.mark.parametrize("kind", [events.StepDone, events.Sampled, events.Evaluated, events.Notice])
def test_a_run_killed_about_the_bound_ends_with_the_same_bytes(make_run, told_drift, monkeypatch, kind, last):
    told_drift({0: 0.0, 2: 0.9, 4: 2.0 if last == 6 else 5.0, last: 9.0})
    whole, folder = make_run("whole", max_kl=8, **SETTINGS), make_run("killed", max_kl=8, **SETTINGS)
    assert worker.main(whole) == 0
    with monkeypatch.context() as patched:
        append = worker.EventLog.append

        def deadly(self, event):
            append(self, event)
            if isinstance(event, kind) and (event.code == "drifted" if kind is events.Notice else event.step == last):
                raise Died

        patched.setattr(worker.EventLog, "append", deadly)
        with pytest.raises(Died):
            worker.main(folder)
    assert worker.main(folder) == 0
    told, expected = ([*jobs.EventTail(one).read()] for one in (folder, whole))
    assert (told[-1].reason, told[-1].kept_step) == ("drifted", 4)
    assert drift(told) == drift(expected)
    assert [n.message for n in of_kind(told, events.Notice)] == [n.message for n in of_kind(expected, events.Notice)]
    for name in ("adapter/adapter_model.safetensors", "final_logps.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    names = [sorted(path.name for path in (one / "checkpoints").iterdir()) for one in (folder, whole)]
    assert names[0] == names[1]


def test_where_drift_cannot_be_measured_the_run_says_so_and_goes_on(make_run, monkeypatch):
    def short(*args, **kwargs):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(samples, "draw", short)
    said = list(train(make_run(max_steps=4, max_kl=1e-9)))
    codes = [event.code for event in of_kind(said, events.Notice)]
    assert codes.count("no_bound") == 1
    assert (said[-1].reason, said[-1].steps) == ("finished", 4)


@pytest.mark.parametrize("name", ["fresh_samples", "evaluate_every"])
def test_where_nothing_is_measured_on_the_way_no_bound_is_watched(make_run, name):
    said = list(train(make_run(max_steps=4, max_kl=1e-9, **{name: 0})))
    assert [event.code for event in of_kind(said, events.Notice)].count("no_bound") == 1
    assert (said[-1].reason, said[-1].steps) == ("finished", 4)


def test_a_bound_is_not_below_zero():
    assert [problem.field for problem in TrainingSettings(max_kl=-1).problems()] == ["max_kl"]

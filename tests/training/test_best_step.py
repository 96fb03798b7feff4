"""The best step on the held-out groups: its checkpoint is kept, and its adapter where the settings ask for it."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from dpo_studio.core import events
from dpo_studio.training import learner, saved
from dpo_studio.training.engine import train


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def told_losses(monkeypatch):
    """Lets the held-out groups seem to have the losses given by step; how far it came is known by the steps done."""

    def tell(losses: dict[int, float]) -> None:
        step, measure = learner.Learner.step, learner.Learner.measure

        def counted(self, *args, **kwargs):
            found = step(self, *args, **kwargs)
            self.steps_done = getattr(self, "steps_done", 0) + 1
            return found

        def measured(self, examples):
            found = measure(self, examples)
            found.metrics["loss"] = losses.get(getattr(self, "steps_done", 0), found.metrics["loss"])
            return found

        monkeypatch.setattr(learner.Learner, "step", counted)
        monkeypatch.setattr(learner.Learner, "measure", measured)

    return tell


LOSSES = {0: 0.9, 2: 0.5, 4: 0.3, 6: 0.4, 8: 0.35, 10: 0.6}
SETTINGS = {"max_steps": 10, "evaluate_every": 2, "checkpoint_every": 3}


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_last_two_checkpoints_and_the_best_are_kept(make_run, told_losses):
    told_losses(LOSSES)
    folder = make_run(**SETTINGS)
    said = list(train(folder))
    steps = [event.step for event in said if isinstance(event, events.CheckpointSaved)]
    assert steps == [2, 3, 4, 6, 9]  # every third, and those that were the best so far
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == ["step-000004", "step-000006", "step-000009"]
    best, state, loss = saved.best_checkpoint(folder)
    assert (best.name, state.step, loss) == ("step-000004", 4, 0.3)


def test_the_last_step_is_kept_and_the_best_lies_beside_it(make_run, told_losses):
    told_losses(LOSSES)
    folder = make_run(**SETTINGS)
    done = list(train(folder))[-1]
    assert (done.kept_step, done.best_step, done.steps) == (10, 4, 10)
    assert done.metrics["loss"] == 0.6
    best = weights(folder / "checkpoints" / "step-000004" / "adapter")
    assert equal(weights(folder / "adapter-best"), best)
    assert (folder / "adapter-best" / "adapter_config.json").is_file()
    assert not equal(weights(folder / "adapter"), best)


def test_or_the_best_is_kept_and_measured_and_answers(make_run, told_losses):
    told_losses(LOSSES)
    folder = make_run(keep="best", **SETTINGS)
    said = list(train(folder))
    done = said[-1]
    assert (done.kept_step, done.best_step, done.steps) == (4, 4, 10)
    assert equal(weights(folder / "adapter"), weights(folder / "checkpoints" / "step-000004" / "adapter"))
    assert not (folder / "adapter-best").exists()
    at_four = next(event for event in said if isinstance(event, events.Evaluated) and event.step == 4)
    assert done.metrics["logp_best"] == at_four.metrics["logp_best"]
    # What is logged at the end is of the adapter that was kept: the mean of the best answers says so.
    groups = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    logged = json.loads((folder / "final_logps.json").read_text())
    best = [logged[group["group"]][group["ranks"].index(1)] for group in groups if group["held_out"]]
    assert sum(best) / len(best) == pytest.approx(at_four.metrics["logp_best"], abs=1e-6)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_where_the_last_is_the_best_there_is_only_one(make_run, told_losses, keep):
    told_losses({**LOSSES, 10: 0.1})
    folder = make_run(keep=keep, **SETTINGS)
    done = list(train(folder))[-1]
    assert (done.kept_step, done.best_step) == (10, 10)
    assert not (folder / "adapter-best").exists()


def test_without_held_out_groups_nothing_is_the_best(make_run):
    import random

    groups = [make_run.group(random.Random(n), n) for n in range(6)]
    folder = make_run(groups=groups, keep="best", max_steps=3)
    done = list(train(folder))[-1]
    assert (done.kept_step, done.best_step) == (3, 0)
    assert saved.best_checkpoint(folder) is None


def test_a_loss_that_is_not_a_number_is_never_the_best(make_run, told_losses):
    told_losses({**LOSSES, 4: float("nan"), 10: float("nan")})
    folder = make_run(**SETTINGS)
    done = list(train(folder))[-1]
    assert (done.kept_step, done.best_step) == (10, 8)
    assert saved.best_checkpoint(folder)[2] == 0.35

"""Several processes at one run: the numbers of one, agreement on everything, and no process left waiting."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dpo_studio.core import events
from dpo_studio.training.engine import train
from tests.training.several_processes import in_processes


def whole_run(rank: int, folder: Path) -> list[events.Event]:
    return list(train(folder))


def of_kind(said, kind):
    return [event for event in said if isinstance(event, kind)]


def measured(said) -> list[dict]:
    """Everything measured at the steps and on held-out groups, but the clock and the memory.

    Before the first step all rewards are 0 up to rounding, so their order is of no meaning there.
    """
    return [
        {
            name: value
            for name, value in event.metrics.items()
            if name not in ("tokens_per_s", "memory_gb")
            and not (event.step == isinstance(event, events.StepDone) and name in ("accuracy", "kendall_tau"))
        }
        for event in said
        if isinstance(event, (events.StepDone, events.Evaluated))
    ]


def assert_same(one: list[dict], other: list[dict], *, tolerance: float = 1e-5) -> None:
    assert len(one) == len(other) > 0
    for mine, theirs in zip(one, other, strict=True):
        assert mine == pytest.approx(theirs, abs=tolerance, rel=tolerance)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def uneven_groups(make_run) -> list[dict]:
    """Nine groups to train on, in batches of 4, 4 and 1, and three held out; of two to four answers."""
    rng = random.Random(11)
    return [make_run.group(rng, n, k=2 + n % 3, held_out=n >= 9) for n in range(12)]


def test_two_processes_give_the_numbers_of_one(make_run):
    groups = uneven_groups(make_run)
    alone, together = (make_run(name, groups=groups, epochs=2) for name in ("alone", "together"))
    expected = list(train(alone))
    first, second = in_processes(2, whole_run, together)

    assert [step.step for step in of_kind(first, events.StepDone)] == list(range(1, 7))
    assert_same(measured(first), measured(expected))
    assert measured(second) == measured(first)  # both know the whole batch
    mine, theirs = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (alone, together))
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], atol=1e-4, rtol=1e-3)
    answers = of_kind(expected, events.AnswerSampled)
    assert of_kind(first, events.AnswerSampled) == answers and not of_kind(second, events.AnswerSampled)
    reference = [load_file(folder / "reference.safetensors") for folder in (alone, together)]
    assert reference[0].keys() == reference[1].keys() and len(reference[0]) == 12

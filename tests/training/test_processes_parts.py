"""What processes at one run do together, one operation at a time."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_studio.core.errors import UserError
from dpo_studio.training import processes
from tests.training.several_processes import in_processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the processes of these tests are forks")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 4000), max_size=40), st.integers(1, 9))
def test_items_are_dealt_out_once_in_order_and_evenly(sizes, count):
    items = [SimpleNamespace(tokens=size, place=place) for place, size in enumerate(sizes)]
    shares = processes.deal(items, count)
    assert len(shares) == count
    assert sorted(item.place for share in shares for item in share) == list(range(len(sizes)))
    for share in shares:
        assert [item.place for item in share] == sorted(item.place for item in share)
    # Otherwise the last item given to the heaviest share would have gone to the lightest.
    weights = [sum(item.tokens for item in share) for share in shares]
    heaviest = max(weights)
    assert heaviest - min(weights) <= max(sizes, default=0)


def parts(rank: int, folder: Path) -> dict:
    """Each operation once, on what differs by process."""
    here = processes.join("cpu")
    weights = [torch.nn.Parameter(torch.full((2, 3), float(rank))), torch.nn.Parameter(torch.zeros(4))]
    unused = torch.nn.Parameter(torch.ones(1))
    weights[0].grad = torch.full((2, 3), 1.0 + rank)
    if rank == 0:
        weights[1].grad = torch.arange(4.0)
    here.sum_gradients([*weights, unused])
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        here.begin_step(5, 7)
        draws.append(torch.rand(3).tolist())
    gathered = here.gather(lambda: {"rank": rank, "tensor": [torch.tensor(float(rank))]})
    told = here.first(lambda: "the first's" if rank == 0 else pytest.fail("only the first does this"))
    here.copy_weights(weights)
    return {
        "grads": [None if p.grad is None else p.grad.tolist() for p in (*weights, unused)],
        "draws": draws,
        "gathered": [(found["rank"], found["tensor"][0].item()) for found in gathered],
        "told": told,
        "own": here.in_step(lambda: rank * 10),
        "copied": weights[0].tolist(),
    }


def test_each_operation_between_two_processes(tmp_path):
    first, second = in_processes(2, parts, tmp_path)
    for found in (first, second):
        assert found["grads"] == [[[3.0] * 3] * 2, [0.0, 1.0, 2.0, 3.0], None]
        assert found["gathered"] == [(0, 0.0), (1, 1.0)]
        assert found["told"] == "the first's"
        assert found["copied"] == [[0.0] * 3] * 2
        assert found["draws"][0] == found["draws"][1]
    assert first["draws"] != second["draws"]
    assert (first["own"], second["own"]) == (0, 10)
    torch.manual_seed(0)
    assert first["draws"][0] == torch.rand(3).tolist()  # the first process keeps the run's own stream


def two_errors(rank: int, folder: Path) -> str:
    here = processes.join("cpu")

    def work():
        raise MemoryError("out of memory") if rank == 0 else UserError("Worse.", "Mend it.")

    try:
        here.gather(work)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def test_two_errors_at_once_are_the_same_one_in_all(tmp_path):
    found = in_processes(2, two_errors, tmp_path)
    assert found == ["UserError: Worse. Mend it."] * 2


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="3 processes were started, and this machine has 2 CUDA GPUs"):
        processes.join("auto")

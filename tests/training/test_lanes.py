"""Rows beside one another: the same numbers as one after the other, in their order, within their room."""

from __future__ import annotations

import random
import threading
import time
from functools import partial

import pytest
import torch

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.training import adapter, lanes
from dpo_studio.training.batches import balanced
from dpo_studio.training.forward import choose_scorer
from dpo_studio.training.lanes import Lanes, lanes_for
from dpo_studio.training.learner import Learner
from dpo_studio.training.processes import Alone
from dpo_studio.training.reference import Reference
from dpo_studio.training.short_memory import fitting


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def groups_of(make_example, count):
    rng = random.Random(5)
    return [make_example(rng, str(n), k=2 + n % 3, prompt=3 + n, longest=12) for n in range(count)]


def learner_of(build_model, make_example, tmp_path, count, *, dtype=torch.float32, budget=60, **settings):
    """A learner with the reference at hand, the scorer, and the groups."""
    wanted = TrainingSettings(lora_rank=3, lora_alpha=6, **settings)
    torch.manual_seed(4)
    model, _ = adapter.attach(build_model("llama").to(dtype), wanted)
    groups = groups_of(make_example, 11)
    scorer, _ = choose_scorer(model, groups)
    many = Lanes(count, threads=count)
    known = Reference(tmp_path / f"{dtype}{count}.safetensors", ["tiny"])
    known.compute(model, scorer, groups, token_budget=budget, adapter_is_new=True, processes=Alone(), lanes=many)
    return Learner(model, scorer, known, wanted, token_budget=budget, lanes=many), groups


def weights_of(learner):
    return torch.cat([weight.detach().flatten() for _, weight in adapter.trainable(learner._model)])


def test_training_in_lanes_is_training(build_model, make_example, tmp_path):
    found = {}
    for count in (1, 2, 3):
        learner, groups = learner_of(build_model, make_example, tmp_path, count)
        losses = [learner.step(groups, 1e-2)["loss"] for _ in range(6)]
        found[count] = torch.tensor(losses), weights_of(learner), learner.measure(groups)
    assert found[1][0][-1] < 0.5 * found[1][0][0]
    for count in (2, 3):
        assert torch.allclose(found[count][0], found[1][0], rtol=1e-4, atol=1e-5)
        assert torch.allclose(found[count][1], found[1][1], rtol=1e-3, atol=1e-4)
        assert found[count][2].metrics["loss"] == pytest.approx(found[1][2].metrics["loss"], rel=1e-3, abs=1e-5)
        assert list(found[count][2].logps) == list(found[1][2].logps)


def test_lanes_give_the_same_bits_again_whichever_row_is_done_first(build_model, make_example, tmp_path, monkeypatch):
    found = []
    for number in range(4):
        learner, groups = learner_of(build_model, make_example, tmp_path / str(number), 2)
        losses, rng = learner._losses, random.Random(number)

        def late(row, losses=losses, rng=rng):
            time.sleep(rng.random() / 100)
            return losses(row)

        monkeypatch.setattr(learner, "_losses", late)
        metrics = [learner.step(groups, 1e-2) for _ in range(3)]
        found.append((torch.tensor([m["loss"] for m in metrics]), weights_of(learner)))
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_rows_bits_do_not_depend_on_what_is_computed_beside_it(build_model, make_example, tmp_path, dtype):
    learner, groups = learner_of(build_model, make_example, tmp_path, 3, dtype=dtype)
    learner.step(groups, 1e-2)
    rows = [[group] for group in groups] * 4
    trained = [weight for _, weight in adapter.trainable(learner._model)]

    def values_and_gradients(row):
        (values,) = learner.scorer.logps(row)
        return [values.detach(), *torch.autograd.grad(values.sum(), trained)]

    torch.set_num_threads(1)
    one_by_one = list(Lanes(1).map(values_and_gradients, rows))
    together = list(learner.lanes.map(values_and_gradients, rows))
    assert all(torch.equal(a, b) for p, q in zip(one_by_one, together, strict=True) for a, b in zip(p, q, strict=True))


def test_the_first_margin_is_exactly_zero(build_model, make_example, tmp_path):
    learner, groups = learner_of(build_model, make_example, tmp_path, 2, dtype=torch.bfloat16)
    assert learner.measure(groups).metrics["margin"] == 0.0


@pytest.mark.parametrize(
    ("threads", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 3), (7, 3), (8, 4), (12, 4), (64, 4)]
)
def test_as_many_lanes_as_waste_the_fewest_threads(build_model, make_example, threads, count, monkeypatch):
    monkeypatch.setattr(lanes, "_pool", lambda *_: object())
    model, _ = adapter.attach(build_model("llama"), TrainingSettings())
    scorer, _ = choose_scorer(model, groups_of(make_example, 2))
    assert lanes_for(TrainingSettings(), scorer, threads).count == count
    assert lanes_for(TrainingSettings(lora_dropout=0.1), scorer, threads).count == 1
    assert lanes_for(TrainingSettings(trains="full"), scorer, threads).count == 1
    scorer.exact_in_company = False
    assert lanes_for(TrainingSettings(), scorer, threads).count == 1


def test_each_lane_has_its_share_of_the_threads():
    found = list(Lanes(2, threads=6).map(lambda _: torch.get_num_threads(), [[], [], []]))
    assert found == [3, 3, 3] and torch.get_num_threads() == 6


def test_results_come_in_order_with_gradients_on_where_they_were(make_example):
    rows = [[group] for group in groups_of(make_example, 9)]
    many = Lanes(3)

    def work(row):
        time.sleep(0.02 / (1 + int(row[0].group)))
        return row[0].group, torch.is_grad_enabled()

    assert list(many.map(work, rows)) == [(str(n), True) for n in range(9)]
    with torch.no_grad():
        assert list(many.map(work, rows)) == [(str(n), False) for n in range(9)]


@pytest.mark.parametrize(("room", "most"), [(None, 3), (10_000, 3), (0, 1), (1, 1), (90, 2)])
def test_rows_under_way_keep_within_the_room(make_example, room, most):
    example = make_example(random.Random(1), k=2, prompt=20, longest=12)
    tokens, lock, under_way, seen = example.tokens, threading.Lock(), 0, []
    assert 2 * tokens <= 90 < 3 * tokens
    many = Lanes(3)
    many.room = room

    def work(row):
        nonlocal under_way
        with lock:
            under_way += 1
            seen.append(under_way)
        time.sleep(0.03)
        with lock:
            under_way -= 1

    list(many.map(work, [[example]] * 7))
    assert max(seen) <= most
    assert most == 1 or max(seen) > 1


def test_an_error_ends_it_and_leaves_nothing_under_way(make_example):
    rows = [[group] for group in groups_of(make_example, 11)] * 3
    begun, ended = [], []

    def work(row):
        begun.append(row)
        time.sleep(0.01)
        ended.append(row)
        if len(begun) == 4:
            raise MemoryError("too much")

    many = Lanes(2)
    with pytest.raises(MemoryError, match="too much"):
        list(many.map(work, rows))
    assert len(begun) == len(ended) < 12
    assert len(list(many.map(lambda row: row, rows))) == 33


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("budget", [1, 40, 70, 200, 10_000])
def test_balanced_rows_hold_every_group_once_within_the_budget(make_example, count, budget):
    groups = groups_of(make_example, 11)
    rows = balanced(groups, budget, lanes=count)
    assert sorted(int(group.group) for row in rows for group in row) == list(range(11))
    filled = [sum(group.tokens for group in row) for row in rows]
    assert all(tokens <= budget or len(row) == 1 for row, tokens in zip(rows, filled, strict=True))
    if budget == 10_000:
        assert len(rows) == count and max(filled) < 1.3 * min(filled)
    assert balanced(groups[:1], budget, lanes=count) == [groups[:1]]


def test_many_groups_fill_their_rows(make_example):
    rng = random.Random(2)
    groups = [make_example(rng, str(n), k=2, prompt=rng.randint(5, 300), longest=100) for n in range(1000)]
    rows = balanced(groups, 640, lanes=2)
    assert sum(map(len, rows)) == len(groups)
    assert len(rows) < 1.3 * sum(group.tokens for group in groups) / 640


def test_memory_that_is_short_for_two_groups_in_a_row_is_enough_for_one(build_model, make_example, tmp_path):
    """Also of the reference, on fewer groups than there are lanes."""
    learner, groups = learner_of(build_model, make_example, tmp_path, 3)
    groups, score = groups[:2], learner.scorer.logps
    learner._reference._known.clear()
    learner.token_budget = 10_000

    def short(row):
        if len(row) > 1:
            raise MemoryError
        return score(row)

    learner.scorer.logps = short
    compute = partial(
        learner._reference.compute, learner._model, learner.scorer, groups, adapter_is_new=True, processes=Alone()
    )
    said = list(fitting(learner, groups, lambda: compute(token_budget=learner.token_budget, lanes=learner.lanes)))
    assert not said and not learner._reference.missing(groups)

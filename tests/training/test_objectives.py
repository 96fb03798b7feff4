"""The objectives against brute force, hand-worked values and TRL."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch

from dpo_studio.training.objectives import all_pairs, dpo, pl_dpo
from dpo_studio.training.objectives.plackett_luce import log_likelihood

D = torch.float64


def brute_force_log_likelihood(scores: list[float], ranks: list[int]) -> float:
    """Sums the probability of every strict order that agrees with the ranks (0 unranked, -1 absent)."""
    items = [i for i, rank in enumerate(ranks) if rank != -1]
    place = {i: (ranks[i] if ranks[i] > 0 else 10**6) for i in items}
    total = 0.0
    for order in itertools.permutations(items):
        if any(place[a] > place[b] for a, b in itertools.combinations(order, 2)):
            continue
        probability = 1.0
        for position in range(len(order)):
            rest = [math.exp(scores[i]) for i in order[position:]]
            probability *= rest[0] / sum(rest)
        total += probability
    return math.log(total)


def random_ranks(rng: random.Random, k: int) -> list[int]:
    """Ties, partial orders and padding, with two completions at least."""
    present = rng.randint(2, k)
    ranks = [rng.randint(0, 3) for _ in range(present)] + [-1] * (k - present)
    if not any(rank > 0 for rank in ranks):
        ranks[0] = 1
    used = sorted({rank for rank in ranks if rank > 0})
    ranks = [used.index(rank) + 1 if rank > 0 else rank for rank in ranks]
    rng.shuffle(ranks)
    return ranks


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_likelihood_equals_the_sum_over_strict_orders(k):
    rng = random.Random(k)
    rows = [[rng.gauss(0, 2) for _ in range(k)] for _ in range(25)]
    ranks = [random_ranks(rng, k) for _ in rows]
    found = log_likelihood(torch.tensor(rows, dtype=D), torch.tensor(ranks))
    expected = [brute_force_log_likelihood(row, rank) for row, rank in zip(rows, ranks, strict=True)]
    assert torch.allclose(found, torch.tensor(expected, dtype=D), atol=1e-12, rtol=1e-10)


def test_probabilities_of_all_strict_orders_sum_to_one():
    scores = torch.randn(1, 5, dtype=D, generator=torch.Generator().manual_seed(1))
    orders = torch.tensor(list(itertools.permutations(range(1, 6))))
    total = log_likelihood(scores.expand(len(orders), -1), orders).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("ranks", [[1, 2, 3, 4], [2, 1, 1, 3], [1, 0, 0, -1], [1, 1, 2, 0], [0, -1, 1, 1]])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_are_the_numerical_ones(ranks, reduction):
    generator = torch.Generator().manual_seed(3)
    policy = torch.randn(1, 4, dtype=D, generator=generator, requires_grad=True)
    reference = torch.randn(1, 4, dtype=D, generator=generator)
    order = torch.tensor([ranks])
    assert torch.autograd.gradcheck(
        lambda x: pl_dpo(x, reference, order, beta=0.7, stage_reduction=reduction), (policy,)
    )
    assert torch.autograd.gradcheck(lambda x: all_pairs(x, reference, order, beta=0.7, label_smoothing=0.1), (policy,))


def test_values_where_policy_is_reference():
    logps = torch.tensor([[-30.0, -41.0, -12.0, -55.0]])
    strict = torch.tensor([[2, 1, 4, 3]])
    expected = (math.log(4) + math.log(3) + math.log(2)) / 3
    assert pl_dpo(logps, logps, strict).item() == pytest.approx(expected, rel=1e-6)
    assert pl_dpo(logps, logps, strict, stage_reduction="sum").item() == pytest.approx(3 * expected, rel=1e-6)
    assert pl_dpo(logps, logps, torch.tensor([[0, 1, 0, 0]])).item() == pytest.approx(math.log(4), rel=1e-6)
    assert all_pairs(logps, logps, strict).item() == pytest.approx(math.log(2), rel=1e-6)
    pair = torch.tensor([[1, 2]])
    assert dpo(logps[:, :2], logps[:, :2], pair).item() == pytest.approx(math.log(2), rel=1e-6)
    assert pl_dpo(logps[:, :2], logps[:, :2], pair).item() == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("objective", [dpo, pl_dpo, all_pairs])
def test_the_worked_example(objective):
    policy = torch.tensor([[0.30, 0.25]], dtype=D).log()
    reference = torch.tensor([[0.20, 0.30]], dtype=D).log()
    assert objective(policy, reference, torch.tensor([[1, 2]]), beta=0.1).item() == pytest.approx(0.6642, abs=5e-5)
    swapped = objective(policy.flip(1), reference.flip(1), torch.tensor([[2, 1]]), beta=0.1).item()
    assert swapped == pytest.approx(0.6642, abs=5e-5)


def test_the_gradient_of_dpo_is_minus_beta_sigma_minus_d():
    policy = torch.tensor([[-10.0, -12.0]], dtype=D, requires_grad=True)
    reference = torch.tensor([[-11.0, -11.5]], dtype=D)
    dpo(policy, reference, torch.tensor([[1, 0]]), beta=0.3).sum().backward()
    weight = 0.3 / (1 + math.exp(0.3 * (1.0 + 0.5)))
    assert policy.grad[0].tolist() == pytest.approx([-weight, weight], rel=1e-12)


def test_label_smoothing_by_hand():
    policy, reference = torch.tensor([[3.0, 1.0]], dtype=D), torch.zeros(1, 2, dtype=D)
    d = 0.5 * 2.0
    expected = 0.8 * math.log(1 + math.exp(-d)) + 0.2 * math.log(1 + math.exp(d))
    found = dpo(policy, reference, torch.tensor([[1, 2]]), beta=0.5, label_smoothing=0.2)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_pairs_agree_in_all_three_objectives():
    generator = torch.Generator().manual_seed(5)
    policy, reference = torch.randn(2, 50, 2, dtype=D, generator=generator).mul(30).unbind(0)
    ranks = torch.tensor([[1, 2], [2, 1], [1, 0], [0, 1], [1, 2]]).repeat(10, 1)
    expected = dpo(policy, reference, ranks)
    assert torch.allclose(pl_dpo(policy, reference, ranks), expected, atol=1e-12)
    assert torch.allclose(all_pairs(policy, reference, ranks), expected, atol=1e-12)


def test_dpo_refuses_ties_and_larger_groups():
    logps = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="tie"):
        dpo(logps, logps, torch.tensor([[1, 1]]))
    with pytest.raises(ValueError, match="pairs"):
        dpo(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([[1, 2, 3]]))


@pytest.mark.parametrize("objective", [pl_dpo, all_pairs])
def test_an_all_tied_group_is_exactly_nothing(objective):
    policy = torch.randn(2, 4, requires_grad=True)
    losses = objective(policy, torch.zeros(2, 4), torch.tensor([[1, 1, 1, 1], [0, 0, 0, -1]]))
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0]
    assert policy.grad.abs().max().item() == 0.0


def test_stable_far_out():
    policy = torch.tensor([[1e4, -1e4, 0.0, 1e4], [-1e4, 1e4, 1e4, -1e4]], requires_grad=True)
    ranks = torch.tensor([[1, 2, 2, 1], [1, 2, 0, -1]])
    losses = pl_dpo(policy, torch.zeros(2, 4), ranks, beta=1.0, stage_reduction="sum")
    losses.sum().backward()
    assert torch.isfinite(policy.grad).all()
    # {0, 3} before {1, 2}: certain. Then -1e4 must be drawn before two rivals at 1e4, and again before one.
    assert losses[0].item() == pytest.approx(0.0, abs=1e-3)
    assert losses[1].item() == pytest.approx(2e4 + math.log(2) + math.log(2), rel=1e-5)


def test_ten_completions_with_wide_ties():
    policy = torch.randn(8, 10, dtype=D, requires_grad=True)
    ranks = torch.tensor([[1, 1, 1, 1, 1, 2, 2, 2, 3, 0]] * 8)
    losses = pl_dpo(policy, torch.zeros_like(policy), ranks)
    losses.sum().backward()
    assert torch.isfinite(policy.grad).all()
    equal = log_likelihood(torch.zeros(1, 10, dtype=D), ranks[:1]).item()
    # With equal scores every order has the same probability: 5!·3!·1!·1! agree, of 10!.
    assert equal == pytest.approx(math.log(120 * 6 / math.factorial(10)), rel=1e-12)


def test_padding_changes_nothing():
    policy, reference = torch.randn(2, 6, 3, dtype=D).unbind(0)
    ranks = torch.tensor([[1, 2, 3], [1, 1, 2], [1, 0, 0], [2, 1, 0], [3, 2, 1], [1, 2, 2]])
    pad = torch.full((6, 2), 123.0, dtype=D)
    padded = (
        torch.cat([policy, pad], 1),
        torch.cat([reference, -pad], 1),
        torch.nn.functional.pad(ranks, (0, 2), value=-1),
    )
    for objective in (pl_dpo, all_pairs):
        assert torch.allclose(objective(policy, reference, ranks), objective(*padded), atol=1e-12)


def test_all_pairs_is_the_mean_over_pairs():
    policy, reference = torch.tensor([[0.5, -0.2, 1.0]], dtype=D), torch.zeros(1, 3, dtype=D)
    pairs = [(2, 0), (2, 1)]  # ranks 2, 2, 1: the last is above both, which are tied
    expected = sum(math.log(1 + math.exp(-(policy[0, w] - policy[0, r]).item())) for w, r in pairs) / 2
    found = all_pairs(policy, reference, torch.tensor([[2, 2, 1]]), beta=1.0).item()
    assert found == pytest.approx(expected, rel=1e-12)

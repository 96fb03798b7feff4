"""ORPO, SimPO, unlikelihood, fine-tuning on the best, and the options, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from dpo_studio.training.objectives import (
    all_pairs,
    combined,
    dpo,
    margin_of_strength,
    orpo,
    pl_dpo,
    preferred_ft,
    simpo,
    unlikelihood,
)
from dpo_studio.training.objectives.reference_free import log_odds

D = torch.float64
WIN = torch.tensor([[1, 2]])
LENGTHS = torch.tensor([[2, 4]])
PAIRED = {
    "orpo": lambda p, k, n: orpo(p, k, lengths=n),
    "simpo": lambda p, k, n: simpo(p, k, lengths=n),
    "unlikelihood": lambda p, k, n: unlikelihood(p, k),
}
paired = pytest.mark.parametrize("objective", PAIRED.values(), ids=PAIRED.keys())


def test_by_hand():
    # Mean probabilities a half and a quarter for each token: odds 1 and 1/3, so σ(log 3) = 3/4.
    policy = torch.tensor([[2 * math.log(0.5), 4 * math.log(0.25)]], dtype=D)
    assert orpo(policy, WIN, lengths=LENGTHS).item() == pytest.approx(math.log(2) - 0.1 * math.log(0.75))
    # β·log 2 − γ = 2·(log 2 − 0.5): e^{−that} = e/4.
    assert simpo(policy, WIN, lengths=LENGTHS).item() == pytest.approx(math.log(1 + math.e / 4))
    assert unlikelihood(policy, WIN).item() == pytest.approx(2 * math.log(2) - 0.5 * 8 * math.log(2))
    assert preferred_ft(policy, WIN, lengths=LENGTHS).item() == pytest.approx(math.log(2))


def test_values_where_the_two_are_equally_likely():
    policy, lengths = torch.tensor([[-6.0, -12.0]], dtype=D), torch.tensor([[3, 6]])
    assert orpo(policy, WIN, lengths=lengths).item() == pytest.approx(2.0 + 0.1 * math.log(2))
    assert simpo(policy, WIN, lengths=lengths).item() == pytest.approx(math.log(1 + math.e))
    assert simpo(policy, WIN, lengths=lengths, gamma_beta_ratio=0.0).item() == pytest.approx(math.log(2))


@paired
def test_gradients_are_the_numerical_ones(objective):
    policy = (-5 * torch.rand(3, 2, dtype=D, generator=torch.Generator().manual_seed(3))).requires_grad_()
    ranks, lengths = torch.tensor([[1, 2], [2, 1], [1, 0]]), torch.tensor([[3, 1], [20, 40], [2, 2]])
    assert torch.autograd.gradcheck(lambda x: objective(x, ranks, lengths), (policy,))


@paired
def test_the_order_of_the_two_does_not_matter(objective):
    policy = torch.tensor([[-3.0, -4.5]], dtype=D)
    expected = objective(policy, WIN, LENGTHS)
    assert torch.equal(objective(policy.flip(1), WIN.flip(1), LENGTHS.flip(1)), expected)


@paired
def test_stable_far_out_and_at_certainty(objective):
    policy = torch.tensor([[-1e4, -1.0], [-1.0, -1e4], [0.0, -1e-9], [-1e4, 0.0], [0.0, 0.0]], requires_grad=True)
    losses = objective(policy, WIN.expand(5, 2), torch.ones(5, 2, dtype=torch.long))
    losses.sum().backward()
    assert torch.isfinite(losses).all() and torch.isfinite(policy.grad).all()


def test_log_odds_keep_their_digits_in_fp32():
    logps = torch.tensor([-1e-6, -1e-4, -0.1, -0.7, -5.0, -30.0])
    expected = [x - math.log(-math.expm1(x)) for x in logps.tolist()]
    assert log_odds(logps).tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@paired
def test_ties_and_larger_groups_are_refused(objective):
    with pytest.raises(ValueError, match="tie"):
        objective(torch.zeros(1, 2), torch.tensor([[1, 1]]), LENGTHS)
    with pytest.raises(ValueError, match="takes pairs"):
        objective(torch.zeros(1, 3), torch.tensor([[1, 2, 3]]), torch.ones(1, 3))


def test_preferred_ft_on_groups():
    policy = torch.tensor([[-4.0, -9.0, -6.0, 7.0], [-4.0, -9.0, -6.0, 7.0], [-4.0, -9.0, -6.0, -8.0]], dtype=D)
    policy.requires_grad_()
    ranks = torch.tensor([[2, 1, 1, -1], [0, 0, 1, -1], [1, 1, 1, 1]])
    lengths = torch.tensor([[2, 3, 3, 0]] * 3)
    losses = preferred_ft(policy, ranks, lengths=lengths)
    assert losses.tolist() == pytest.approx([(3.0 + 2.0) / 2, 2.0, 0.0])
    losses.sum().backward()
    expected = torch.tensor([[0, -1 / 6, -1 / 6, 0], [0, 0, -1 / 3, 0], [0, 0, 0, 0]], dtype=D)
    assert torch.allclose(policy.grad, expected)


@pytest.mark.parametrize("objective", [pl_dpo, all_pairs])
def test_weight_and_likelihood_combine_with_ranked_objectives(objective):
    policy, reference = torch.randn(2, 2, 3, dtype=D, generator=torch.Generator().manual_seed(2))
    ranks, lengths = torch.tensor([[3, 1, 2], [1, 0, 0]]), torch.tensor([[2, 4, 3], [5, 1, 1]])
    losses = objective(policy, reference, ranks)
    weight = torch.tensor([2.0, 1.0], dtype=D)
    found = combined(losses, policy, ranks, lengths=lengths, weight=weight, nll_weight=0.5)
    best = [-policy[0, 1].item() / 4, -policy[1, 0].item() / 5]
    assert found.tolist() == pytest.approx([2 * losses[0].item() + 0.5 * best[0], losses[1].item() + 0.5 * best[1]])
    assert torch.equal(combined(losses, policy, ranks, lengths=lengths), losses)


def test_strength_as_margin_and_as_weight():
    strength, zeros = torch.tensor([1.0, 2.0], dtype=D), torch.zeros(2, 2, dtype=D)
    ranks = WIN.expand(2, 2)
    # At d = 0, −log σ(−log(1 + m)) = log(2 + m).
    found = dpo(zeros, zeros, ranks, margin=margin_of_strength(strength))
    assert found.tolist() == pytest.approx([math.log(3), math.log(4)])
    lengths = torch.ones(2, 2)
    weighted = combined(dpo(zeros, zeros, ranks), zeros, ranks, lengths=lengths, weight=strength)
    assert weighted.tolist() == pytest.approx([math.log(2), 2 * math.log(2)])

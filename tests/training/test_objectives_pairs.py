"""The paired objectives by hand: values, gradients, ties, and scores far out."""

from __future__ import annotations

import math

import pytest
import torch

from dpo_studio.training.objectives import davidson, dpo, dpop, hinge, ipo, ld_dpo, rao_kupper, robust, shared_logps

D = torch.float64
LENGTHS = torch.tensor([[4, 5], [7, 2], [3, 3]])
#: Each paired objective with a reference, as a function of (policy, reference, ranks).
PAIRED = {
    "dpo": lambda p, r, k: dpo(p, r, k, beta=0.7),
    "dpo, ε and margin each its own": lambda p, r, k: dpo(
        p, r, k, beta=0.7, label_smoothing=torch.linspace(0, 0.4, len(p)), margin=torch.linspace(0, 1, len(p))
    ),
    "robust": lambda p, r, k: robust(p, r, k, beta=0.7),
    "hinge": lambda p, r, k: hinge(p, r, k, beta=0.7),
    "ipo": lambda p, r, k: ipo(p, r, k, beta=0.7, lengths=LENGTHS[: len(p)]),
    "dpop": lambda p, r, k: dpop(p, r, k, beta=0.7, penalty=5.0),
    "ld_dpo": lambda p, r, k: ld_dpo(p, r, k, beta=0.7, policy_shared_logps=p * 0.6, reference_shared_logps=r * 0.4),
    "rao_kupper": lambda p, r, k: rao_kupper(p, r, k, beta=0.7),
    "davidson": lambda p, r, k: davidson(p, r, k, beta=0.7),
}
paired = pytest.mark.parametrize("objective", PAIRED.values(), ids=PAIRED.keys())


def logps(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=D)


def test_values_where_policy_is_reference():
    same, win, tie = torch.tensor([[-30.0, -41.0]]), torch.tensor([[1, 2]]), torch.tensor([[1, 1]])
    assert dpo(same, same, win, label_smoothing=0.3).item() == pytest.approx(math.log(2))
    assert robust(same, same, win).item() == pytest.approx(math.log(2))
    assert hinge(same, same, win).item() == 1.0
    assert dpop(same, same, win).item() == pytest.approx(math.log(2))
    half = {"policy_shared_logps": same / 2, "reference_shared_logps": same / 2}
    assert ld_dpo(same, same, win, **half).item() == pytest.approx(math.log(2))
    assert ipo(same, same, win, beta=0.1, lengths=torch.tensor([[3, 9]])).item() == pytest.approx(25.0)
    for objective in (rao_kupper, davidson):
        assert objective(same, same, win).item() == pytest.approx(math.log(4))
        assert objective(same, same, tie).item() == pytest.approx(math.log(2))


def test_by_hand():
    policy, reference, win = logps([2.0, -1.0]), logps([0.0, 1.0]), torch.tensor([[1, 2]])
    up, down = math.log(1 + math.exp(-2.0)), math.log(1 + math.exp(2.0))  # β 0.5: d = 0.5·(2 + 2) = 2
    assert robust(policy, reference, win, beta=0.5, label_smoothing=0.2).item() == pytest.approx(
        (0.8 * up - 0.2 * down) / 0.6
    )
    assert hinge(policy, reference, win, beta=0.05).item() == pytest.approx(0.8)
    assert hinge(policy, reference, win, beta=0.5).item() == 0.0
    # a_w/4 − a_l/1 = 0.5 + 2, less 1/(2·0.5)
    assert ipo(policy, reference, win, beta=0.5, lengths=torch.tensor([[4, 1]])).item() == pytest.approx(1.5**2)
    # e^{−d} = e^{−2}: σ(d − log 3) = 1/(1 + 3e^{−2}); Davidson 1/(1 + e^{−2} + 2e^{−1})
    assert rao_kupper(policy, reference, win, beta=0.5).item() == pytest.approx(math.log(1 + 3 * math.exp(-2)))
    assert davidson(policy, reference, win, beta=0.5).item() == pytest.approx(
        math.log(1 + math.exp(-2) + 2 * math.exp(-1))
    )


def test_the_penalty_of_dpop_is_inside_the_sigma():
    win, zeros = torch.tensor([[1, 2]] * 2), torch.zeros(2, 2, dtype=D)
    # a_w = −0.5, a_l = −3: 0.1·(2.5 − 50·0.5) = −2.25. Then a_w = 0.5: no penalty, 0.1·3.5.
    found = dpop(logps([-0.5, -3.0], [0.5, -3.0]), zeros, win)
    assert found.tolist() == pytest.approx([math.log(1 + math.exp(2.25)), math.log(1 + math.exp(-0.35))])


def test_ld_dpo_by_hand():
    tokens = torch.tensor([[[-1.0, -2.0, -4.0], [-3.0, -5.0, 99.0]]], dtype=D)
    lengths, win, zeros = torch.tensor([[3, 2]]), torch.tensor([[1, 2]]), torch.zeros(1, 2, dtype=D)
    shared = shared_logps(tokens, lengths)
    assert shared.tolist() == [[-3.0, -8.0]]
    sums = {"policy_shared_logps": shared, "reference_shared_logps": zeros}
    whole = logps([-7.0, -8.0])
    # d = (−3 + 0.25·(−4)) − (−8) = 4
    assert ld_dpo(whole, zeros, win, beta=1.0, alpha=0.25, **sums).item() == pytest.approx(math.log(1 + math.exp(-4)))
    assert ld_dpo(whole, zeros, win, alpha=1.0, **sums).item() == pytest.approx(dpo(whole, zeros, win).item())


def test_margins_are_taken_from_d():
    policy, zeros, win = logps([2.0, -1.0]), torch.zeros(1, 2, dtype=D), torch.tensor([[1, 2]])
    shared = {"policy_shared_logps": policy, "reference_shared_logps": zeros}
    expected = math.log(1 + math.exp(-(0.5 * 3.0 - 0.7)))
    for found in (
        dpo(policy, zeros, win, beta=0.5, margin=0.7),
        robust(policy, zeros, win, beta=0.5, label_smoothing=0.0, margin=0.7),
        dpop(policy, zeros, win, beta=0.5, margin=0.7),
        ld_dpo(policy, zeros, win, beta=0.5, margin=0.7, **shared),
    ):
        assert found.item() == pytest.approx(expected)
    assert hinge(policy, zeros, win, beta=0.5, margin=0.7).item() == pytest.approx(1 - (1.5 - 0.7))


def test_smoothing_and_margin_of_each_example():
    policy, zeros = logps([2.0, 0.0], [0.0, 1.0]), torch.zeros(2, 2, dtype=D)
    found = dpo(
        policy,
        zeros,
        torch.tensor([[1, 2], [2, 1]]),
        beta=1.0,
        label_smoothing=torch.tensor([0.0, 0.25], dtype=D),
        margin=torch.tensor([0.5, 0.0], dtype=D),
    )
    second = 0.75 * math.log(1 + math.exp(-1.0)) + 0.25 * math.log(1 + math.exp(1.0))
    assert found.tolist() == pytest.approx([math.log(1 + math.exp(-1.5)), second])


@pytest.mark.parametrize("objective", [rao_kupper, davidson])
@pytest.mark.parametrize("nu", [1.5, 3.0])
def test_win_tie_and_loss_are_all_that_can_happen(objective, nu):
    policy = logps([1.3, -0.4]).expand(3, 2)
    ranks = torch.tensor([[1, 2], [2, 1], [1, 1]])
    chances = (-objective(policy, torch.zeros_like(policy), ranks, beta=1.0, nu=nu)).exp()
    assert chances.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert chances[0] > chances[1]


@paired
def test_gradients_are_the_numerical_ones(objective):
    generator = torch.Generator().manual_seed(3)
    policy = torch.randn(3, 2, dtype=D, generator=generator, requires_grad=True)
    reference = torch.randn(3, 2, dtype=D, generator=generator)
    assert torch.autograd.gradcheck(
        lambda x: objective(x, reference, torch.tensor([[1, 2], [2, 1], [1, 0]])), (policy,)
    )


@pytest.mark.parametrize("objective", [rao_kupper, davidson])
def test_gradients_of_ties_are_the_numerical_ones(objective):
    policy = torch.randn(2, 2, dtype=D, generator=torch.Generator().manual_seed(4), requires_grad=True)
    ties = torch.tensor([[1, 1], [2, 2]])
    assert torch.autograd.gradcheck(lambda x: objective(x, torch.zeros_like(x), ties, beta=0.7), (policy,))


@paired
def test_the_order_of_the_two_does_not_matter(objective):
    policy, reference = torch.randn(2, 3, 2, dtype=D, generator=torch.Generator().manual_seed(5))
    ranks = torch.tensor([[1, 2], [0, 1], [1, 0]])
    if objective is PAIRED["ipo"]:
        swapped = ipo(policy.flip(1), reference.flip(1), ranks.flip(1), beta=0.7, lengths=LENGTHS.flip(1))
    else:
        swapped = objective(policy.flip(1), reference.flip(1), ranks.flip(1))
    assert torch.allclose(objective(policy, reference, ranks), swapped)


@paired
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_stable_far_out(objective, sign):
    policy = (sign * torch.tensor([[1e4, -1e4], [0.0, 1e4]])).requires_grad_()
    losses = objective(policy, torch.zeros(2, 2), torch.tensor([[1, 2], [2, 1]]))
    losses.sum().backward()
    assert torch.isfinite(losses).all() and torch.isfinite(policy.grad).all()


@pytest.mark.parametrize("objective", [rao_kupper, davidson])
def test_a_tie_far_out_costs_what_it_should(objective):
    policy = torch.tensor([[5e3, -5e3], [-5e3, 5e3]], requires_grad=True)
    losses = objective(policy, torch.zeros(2, 2), torch.tensor([[1, 1], [1, 1]]), beta=1.0)
    losses.sum().backward()
    # Rao–Kupper: about |d|. Davidson: about |d|/2.
    assert losses.tolist() == pytest.approx([1e4 if objective is rao_kupper else 5e3] * 2, rel=1e-3)
    assert torch.isfinite(policy.grad).all()


@pytest.mark.parametrize("objective", [robust, hinge, dpo, dpop])
def test_ties_and_larger_groups_are_refused(objective):
    with pytest.raises(ValueError, match=f"{objective.__name__} cannot use a tie"):
        objective(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[1, 1]]))
    with pytest.raises(ValueError, match=f"{objective.__name__} takes pairs"):
        objective(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([[1, 2, 3]]))


@pytest.mark.parametrize("objective", [rao_kupper, davidson])
def test_a_pair_nobody_ranked_is_no_tie(objective):
    with pytest.raises(ValueError, match="not ranked"):
        objective(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[0, 0]]))


def test_settings_out_of_range_are_refused():
    same, win = torch.zeros(1, 2), torch.tensor([[1, 2]])
    with pytest.raises(ValueError, match="below 0.5"):
        robust(same, same, win, label_smoothing=0.5)
    with pytest.raises(ValueError, match="above 1"):
        rao_kupper(same, same, win, nu=1.0)
    with pytest.raises(ValueError, match="above 0"):
        davidson(same, same, win, nu=0.0)

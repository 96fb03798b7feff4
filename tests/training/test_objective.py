"""The settings' method on groups of any size, against the formula written out pair by pair with Python's floats."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dpo_studio.core.methods import METHODS
from dpo_studio.core.settings import TrainingSettings, with_method
from dpo_studio.training.objective import Scored, losses_of
from dpo_studio.training.objectives import all_pairs

#: A strict order, one with a tie, a best of three, and a padded pair.
RANKS = [[2, 1, 3], [1, 2, 2], [0, 1, 0], [2, 1, -1]]
D = torch.float64


def scored(ranks=RANKS, *, seed: int = 5, **changes) -> Scored:
    """Groups with random tokens; sums and lengths agree with them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(ranks), len(ranks[0]), 6)
    lengths = torch.randint(1, 7, shape[:2], generator=generator)
    tokens = -2 * torch.rand(2, *shape, dtype=D, generator=generator) * (torch.arange(6) < lengths[..., None])
    made = Scored(
        policy=tokens[0].sum(dim=2),
        reference=tokens[1].sum(dim=2),
        ranks=torch.tensor(ranks),
        lengths=lengths,
        strength=torch.tensor([1.0, 2.0] * len(ranks), dtype=D)[: len(ranks)],
        confidence=torch.full((len(ranks),), math.nan, dtype=D),
        policy_tokens=tokens[0],
        reference_tokens=tokens[1],
        mismatched_policy=torch.tensor([-3.0, -1.0], dtype=D),
        mismatched_reference=torch.tensor([-3.5, -2.1], dtype=D),
    )
    return replace(made, **changes)


def settings(method: str, **changes) -> TrainingSettings:
    """The method's own defaults, and the papers' β for DPO and PL-DPO."""
    own = with_method(TrainingSettings(beta=METHODS["pl_dpo"].defaults["beta"]), method)
    beta = 0.1 if method in ("dpo", "pl_dpo") else own.beta
    return replace(own, **{"beta": beta, **changes}).validate()


def above(first: int, second: int) -> bool:
    return first > 0 and (second == 0 or second > first)


def pairs(ranks: list[int]) -> list[tuple[int, int]]:
    return [(i, j) for i in range(len(ranks)) for j in range(len(ranks)) if above(ranks[i], ranks[j])]


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def odds(x: float) -> float:
    return x - math.log(1 - math.exp(x))


def by_hand(method: str, data: Scored, group: int, i: int, j: int) -> float:
    """The loss of completion i over completion j, from the table in the papers' words, at the method's defaults."""
    policy, reference, length = data.policy[group], data.reference[group], data.lengths[group]
    wins, loses = (policy[i] - reference[i]).item(), (policy[j] - reference[j]).item()
    mean_wins, mean_loses = (policy[i] / length[i]).item(), (policy[j] / length[j]).item()
    d = 0.1 * (wins - loses)
    match method:
        case "dpo":
            return -log_sigmoid(d)
        case "robust":
            return (-0.9 * log_sigmoid(d) + 0.1 * log_sigmoid(-d)) / 0.8
        case "hinge":
            return max(0.0, 1 - d / 2)
        case "ipo":
            return (wins / length[i].item() - loses / length[j].item() - 5.0) ** 2
        case "dpop":
            return -log_sigmoid(0.1 * (wins - loses - 50 * max(0.0, -wins)))
        case "ld_dpo":
            shared = min(length[i], length[j])
            weights = torch.where(torch.arange(6) < shared, 1.0, 0.5)
            ratios = (data.policy_tokens - data.reference_tokens)[group]
            return -log_sigmoid(0.1 * ((ratios[i] * weights).sum() - (ratios[j] * weights).sum()).item())
        case "rao_kupper":
            return -log_sigmoid(d - math.log(3))
        case "davidson":
            return math.log(1 + math.exp(-d) + 2 * math.exp(-d / 2))
        case "orpo":
            return -mean_wins - 0.1 * log_sigmoid(odds(mean_wins) - odds(mean_loses))
        case "simpo":
            return -log_sigmoid(2 * (mean_wins - mean_loses) - 1)
        case "unlikelihood":
            return -policy[i].item() + 0.5 * policy[j].item()
    raise AssertionError(method)


PAIRWISE = [name for name in METHODS if name not in ("pl_dpo", "kto", "preferred_ft")]


@pytest.mark.parametrize("method", PAIRWISE)
def test_a_pairwise_method_is_the_mean_over_a_groups_pairs(method):
    data = scored()
    expected = []
    for group, ranks in enumerate(RANKS):
        losses = [by_hand(method, data, group, i, j) for i, j in pairs(ranks)]
        if method in ("rao_kupper", "davidson") and group == 1:  # its second and third are ranked alike
            d = 0.1 * (data.policy - data.reference)[1]
            gap = (d[1] - d[2]).item()
            tie = {
                "rao_kupper": -math.log(8) - log_sigmoid(gap - math.log(3)) - log_sigmoid(-gap - math.log(3)),
                "davidson": math.log(math.exp(gap / 2) + math.exp(-gap / 2) + 2) - math.log(2),
            }
            losses.append(tie[method])
        expected.append(sum(losses) / len(losses))
    assert losses_of(settings(method), data).tolist() == pytest.approx(expected, rel=1e-9)


def test_pl_dpo_and_imitation_take_the_group_whole():
    data = scored()
    s = (0.1 * (data.policy - data.reference))[0][[1, 0, 2]]
    expected = -((s[0] - s.logsumexp(0)) + (s[1] - s[1:].logsumexp(0))) / 2
    assert losses_of(settings("pl_dpo"), data)[0].item() == pytest.approx(expected.item())
    imitated = -(data.policy / data.lengths)[torch.arange(4), torch.tensor([1, 0, 1, 1])]
    assert losses_of(settings("preferred_ft"), data).tolist() == pytest.approx(imitated.tolist())


def test_kto_weighs_best_and_last_alike_whatever_their_number():
    data = scored()
    # The mismatched log-ratios are 0.5 and 1.1, so z0 is 0.8.
    ratios = (data.policy - data.reference).tolist()

    def good(a):
        return 1 - 1 / (1 + math.exp(-0.1 * (a - 0.8)))

    def bad(a):
        return 1 - 1 / (1 + math.exp(-0.1 * (0.8 - a)))

    expected = [
        (good(ratios[0][1]) + bad(ratios[0][2])) / 2,
        (good(ratios[1][0]) + (bad(ratios[1][1]) + bad(ratios[1][2])) / 2) / 2,
        (good(ratios[2][1]) + (bad(ratios[2][0]) + bad(ratios[2][2])) / 2) / 2,
        (good(ratios[3][1]) + bad(ratios[3][0])) / 2,
    ]
    assert losses_of(settings("kto"), data).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_strength_weighs_and_likelihood_is_added(method):
    data = scored()
    plain = losses_of(settings(method), data)
    weighed = losses_of(settings(method, strength_use="weight"), data)
    assert weighed.tolist() == pytest.approx((plain * torch.tensor([1.0, 2.0, 1.0, 2.0])).tolist())
    if "nll_weight" in METHODS[method].uses:
        likely = losses_of(settings(method, nll_weight=0.5), data)
        imitated = losses_of(settings("preferred_ft"), data)
        assert likely.tolist() == pytest.approx((plain + 0.5 * imitated).tolist())


@pytest.mark.parametrize("method", [name for name in METHODS if "margin" in METHODS[name].strength_uses])
def test_strength_as_a_margin_is_taken_from_d(method):
    data = scored([[1, 2], [2, 1]])
    beta = settings(method).beta
    found = losses_of(settings(method, strength_use="margin", strength_alpha=0.5), data)
    # A margin is as if the reference had liked the better one so much more.
    shift = 0.5 * torch.tensor([2.0, 3.0], dtype=D).log() / beta
    if method == "dpop":  # but not in the penalty
        expected = [by_hand_dpop(data, 0, 0, 1, 0.5 * math.log(2)), by_hand_dpop(data, 1, 1, 0, 0.5 * math.log(3))]
    else:
        reference = data.reference.clone()
        reference[0, 1] -= shift[0]
        reference[1, 0] -= shift[1]
        tokens = data.reference_tokens.clone()
        tokens[0, 1, 0] -= shift[0]
        tokens[1, 0, 0] -= shift[1]
        expected = losses_of(settings(method), replace(data, reference=reference, reference_tokens=tokens)).tolist()
    assert found.tolist() == pytest.approx(expected)


def by_hand_dpop(data: Scored, group: int, i: int, j: int, margin: float) -> float:
    ratios = (data.policy - data.reference)[group].tolist()
    return -log_sigmoid(0.1 * (ratios[i] - ratios[j] - 50 * max(0.0, -ratios[i])) - margin)


def test_smoothing_follows_strength_and_the_annotators_confidence():
    data = scored([[1, 2], [1, 2], [1, 2]])
    data = replace(data, confidence=torch.tensor([math.nan, math.nan, 0.7], dtype=D))
    d = (0.1 * (data.policy - data.reference)) @ torch.tensor([1.0, -1.0], dtype=D)

    def smoothed(margin, epsilon):
        return -(1 - epsilon) * log_sigmoid(margin) - epsilon * log_sigmoid(-margin)

    found = losses_of(settings("dpo", label_smoothing=0.2, strength_use="smoothing"), data).tolist()
    expected = [smoothed(m, e) for m, e in zip(d.tolist(), [0.2, 0.1, 0.3], strict=True)]
    assert found == pytest.approx(expected)
    same = losses_of(settings("dpo", label_smoothing=0.2), data).tolist()
    assert same == pytest.approx([smoothed(m, 0.2) for m in d.tolist()])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_dpo_on_rankings_is_the_mean_over_all_pairs(smoothing):
    data = scored([*RANKS, [1, 1, 1], [2, 1, 1]])
    expected = all_pairs(data.policy, data.reference, data.ranks, label_smoothing=smoothing)
    assert torch.allclose(losses_of(settings("dpo", label_smoothing=smoothing), data), expected, atol=1e-12)

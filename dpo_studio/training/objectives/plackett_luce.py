"""Plackett–Luce DPO on weak orders: full and partial rankings, ties, best-of-k, pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor

from .orders import ABSENT, last_place, places

#: The logarithm of "impossible": finite, so that no gradient is ever infinity times zero.
_NEVER = -1e30


def pl_dpo(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    stage_reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of each group's weak order under the implicit rewards.

    Rafailov et al., arXiv 2305.18290, appendix A.3; a weak order's likelihood is the sum over the strict
    orders that agree with it, computed exactly. The last bucket contributes nothing, so a group whose
    items are all tied has loss 0 and gradient 0. At k = 2 this is DPO.

    Args:
        policy_logps, reference_logps: (batch, k).
        ranks: (batch, k) integers, see the package's docstring.
        stage_reduction: "sum" is the likelihood; "mean" divides it by the number of items placed before
            the last bucket.

    Returns:
        (batch,)

    Raises:
        ValueError: an unknown stage_reduction.
    """
    if stage_reduction not in ("mean", "sum"):
        raise ValueError(f"stage_reduction is {stage_reduction!r}; use mean or sum")
    rewards = beta * (policy_logps - reference_logps)
    losses = -log_likelihood(rewards, ranks)
    if stage_reduction == "mean":
        losses = losses / _placed(ranks).sum(dim=1).clamp(min=1)
    return losses


def log_likelihood(scores: Tensor, ranks: Tensor) -> Tensor:
    """Log P(weak order) under Plackett–Luce with these scores, (batch,).

    With f(S) the probability that the first |S| places are taken by the items S in some order that agrees with
    the ranks, f(∅) = 1 and f(S) = Σ_i f(S∖i)·e^{s_i} / Σ_{j ∉ S∖i} e^{s_j}, over those i in S that none of the
    items outside S∖i is ranked above. The answer is f(everything before the last bucket). In log space,
    2^k terms, for all groups of the batch at once: `training.batches` keeps k small.
    """
    size = scores.shape[1]
    table = _subsets(size, scores.device)
    present = ranks != ABSENT
    place = places(ranks)

    left = table.outside.unsqueeze(0) & present.unsqueeze(1)  # (batch, subsets, k): not yet placed
    log_total = torch.where(left, scores.unsqueeze(1), _NEVER).logsumexp(dim=2)  # (batch, subsets)
    far = torch.iinfo(place.dtype).max
    next_place = torch.where(left, place.unsqueeze(1), far).amin(dim=2)

    layer = scores.new_zeros((scores.shape[0], 1))
    layers = [layer]
    for step in table.steps:
        count, members = step.item.shape
        item, before = step.item.flatten(), step.before.flatten()
        term = layer.index_select(1, step.position.flatten()) + (
            scores.index_select(1, item) - log_total.index_select(1, before)
        )
        allowed = present.index_select(1, item) & (place.index_select(1, item) <= next_place.index_select(1, before))
        term = torch.where(allowed, term, _NEVER)
        layer = term.view(-1, count, members).logsumexp(dim=2)
        layers.append(layer)
    by_layer = torch.cat(layers, dim=1)
    weights = 2 ** torch.arange(size, device=scores.device)
    target = (_placed(ranks) * weights).sum(dim=1)
    return by_layer.gather(1, table.column.index_select(0, target).unsqueeze(1)).squeeze(1)


def _placed(ranks: Tensor) -> Tensor:
    """Mask of the items before the last bucket."""
    place = places(ranks)
    return (place != ABSENT) & (place < last_place(ranks))


@dataclass(frozen=True, slots=True)
class _Step:
    """How the subsets of one size are reached: (subsets, size) tensors, a column for each item placed last.

    Attributes:
        item: that item.
        before: the subset without it, as a bit mask.
        position: where that subset stands among those of its size.
    """

    item: Tensor
    before: Tensor
    position: Tensor


@dataclass(frozen=True, slots=True)
class _Subsets:
    """All subsets of k items. `outside` (2^k, k): the items not in it; `column` (2^k,): its place by size."""

    outside: Tensor
    column: Tensor
    steps: tuple[_Step, ...]


@lru_cache(maxsize=32)
def _subsets(size: int, device: torch.device) -> _Subsets:
    outside = [[not subset >> item & 1 for item in range(size)] for subset in range(2**size)]
    column, steps = [0] * 2**size, []
    position, start = {0: 0}, 1
    for count in range(1, size + 1):
        items, befores, positions, here = [], [], [], {}
        for number, chosen in enumerate(combinations(range(size), count)):
            subset = sum(1 << item for item in chosen)
            here[subset], column[subset] = number, start + number
            items.append(chosen)
            befores.append([subset & ~(1 << item) for item in chosen])
            positions.append([position[subset & ~(1 << item)] for item in chosen])
        steps.append(_Step(*(torch.tensor(rows, device=device) for rows in (items, befores, positions))))
        start += len(here)
        position = here
    return _Subsets(torch.tensor(outside, device=device), torch.tensor(column, device=device), tuple(steps))

"""Rankings taken apart into pairs, so that a pairwise objective trains on them, and put together again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .orders import better_than


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of some groups, group by group.

    Attributes:
        group: (pairs,) the group of each pair.
        places: (pairs, 2) the better and the worse completion of each pair, counted over all places of all groups.
        ranks: (pairs, 2) 1 and 2, or 1 and 1 for a tie.
        sizes: how many pairs each group has.
    """

    group: Tensor
    places: Tensor
    ranks: Tensor
    sizes: tuple[int, ...]

    def take(self, values: Tensor) -> Tensor:
        """The values (batch, k, …) of the better and the worse completions, (pairs, 2, …)."""
        # index_select: the gradient of fancy indexing adds up in an order that differs from run to run.
        taken = values.flatten(0, 1).index_select(0, self.places.flatten())
        return taken.unflatten(0, self.places.shape)

    def mean(self, losses: Tensor) -> Tensor:
        """The mean loss of each group's pairs, (batch,), so that every group counts once; 0 for one without pairs."""
        return torch.stack([part.mean() if len(part) else part.sum() for part in losses.split(self.sizes)])


def pairs_of(ranks: Tensor, *, ties: bool = False) -> Pairs:
    """All strictly ordered pairs of each group; with `ties` also the tied ones in which both were ranked.

    Args:
        ranks: (batch, k) integers, see the package's docstring.
    """
    wanted = better_than(ranks)
    if ties:
        tied = (ranks.unsqueeze(2) == ranks.unsqueeze(1)) & (ranks > 0).unsqueeze(2)
        wanted = wanted | tied.triu(diagonal=1)
    group, first, second = wanted.nonzero().unbind(dim=1)
    k = ranks.shape[1]
    strict = better_than(ranks)[group, first, second]
    return Pairs(
        group=group,
        places=torch.stack([group * k + first, group * k + second], dim=1),
        ranks=torch.stack([torch.ones_like(group), 1 + strict.to(group.dtype)], dim=1),
        sizes=tuple(wanted.sum(dim=(1, 2)).tolist()),
    )

"""Rank tensors taken apart: what the objectives and the diagnostics both need to know about an order."""

from __future__ import annotations

import torch
from torch import Tensor

#: What stands in `ranks` for "shown but unranked" and for "no such completion".
UNRANKED, ABSENT = 0, -1


def places(ranks: Tensor) -> Tensor:
    """Ranks (batch, k) with the unranked in a place of their own behind every rank; absent ones stay -1."""
    behind = ranks.amax(dim=1, keepdim=True) + 1
    return torch.where(ranks == UNRANKED, behind, ranks)


def last_place(ranks: Tensor) -> Tensor:
    """The place of the last bucket of each group, (batch, 1)."""
    return places(ranks).amax(dim=1, keepdim=True)


def in_best_bucket(ranks: Tensor) -> Tensor:
    """Mask (batch, k) of the completions in each group's first bucket."""
    place = places(ranks)
    first = place.masked_fill(place == ABSENT, torch.iinfo(place.dtype).max).amin(dim=1, keepdim=True)
    return place == first


def in_last_bucket(ranks: Tensor) -> Tensor:
    """Mask (batch, k) of the completions in each group's last bucket."""
    return places(ranks) == last_place(ranks)


def better_than(ranks: Tensor) -> Tensor:
    """Mask (batch, k, k): [b, i, j] says that completion i is ranked strictly above completion j."""
    place = places(ranks)
    present = place != ABSENT
    above = place.unsqueeze(2) < place.unsqueeze(1)
    return above & present.unsqueeze(2) & present.unsqueeze(1)

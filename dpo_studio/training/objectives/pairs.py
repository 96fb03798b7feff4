"""Pairs taken apart: which of two completions was chosen, and what belongs to it."""

from __future__ import annotations

from torch import Tensor

from .orders import better_than


def chosen_first(name: str, ranks: Tensor, *values: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Each of `values` (batch, 2) as (chosen, rejected), both (batch,).

    Raises:
        ValueError: a group is not a pair, or is a tie; `name` is the objective the message names.
    """
    better = _better_in_pair(name, ranks)
    first, second = better[:, 0, 1], better[:, 1, 0]
    if not bool((first | second).all()):
        raise ValueError(f"{name} cannot use a tie")
    return tuple((value[:, 0].where(first, value[:, 1]), value[:, 1].where(first, value[:, 0])) for value in values)


def chosen_first_or_tied(name: str, ranks: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`value` (batch, 2) as (chosen, rejected), a tie in the order it came, and the mask (batch,) of the ties.

    Raises:
        ValueError: a group is not a pair, or nothing in it was ranked: that is no evidence of equality.
    """
    better = _better_in_pair(name, ranks)
    if bool((ranks < 1).all(dim=1).any()) or bool((ranks < 0).any()):
        raise ValueError(f"{name} cannot use a pair that was not ranked")
    first, second = better[:, 0, 1], better[:, 1, 0]
    chosen, rejected = value[:, 1].where(second, value[:, 0]), value[:, 0].where(second, value[:, 1])
    return chosen, rejected, ~(first | second)


def _better_in_pair(name: str, ranks: Tensor) -> Tensor:
    if ranks.shape[1] != 2:
        raise ValueError(f"{name} takes pairs, not groups of {ranks.shape[1]}")
    return better_than(ranks)

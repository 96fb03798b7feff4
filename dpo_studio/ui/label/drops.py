"""Where a dragged answer can be dropped, and how that is said. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Insert:
    """Alone, before the placed bucket that is now at `place`; as many as there are: after all of them."""

    place: int


@dataclass(frozen=True, slots=True)
class Beside:
    """By another answer, which is placed too if it was not: better (-1), tied (0) or worse (1)."""

    other: int
    side: int = 0


@dataclass(frozen=True, slots=True)
class Out:
    """Out of the order again."""


Target = Insert | Beside | Out


def described(target: Target, buckets: Sequence[Sequence[int]]) -> str:
    """What a drop there would say of the answer: "best", "ties with 3".

    Args:
        buckets: the positions placed so far, best bucket first.
    """
    if isinstance(target, Out):
        return "not placed"
    if isinstance(target, Beside):
        return f"{ {-1: 'better than', 0: 'ties with', 1: 'worse than'}[target.side] } {target.other + 1}"
    if target.place == 0:
        return "best"
    above = f"{buckets[target.place - 1][-1] + 1}"
    if target.place == len(buckets):
        return f"after {above}"
    return f"between {above} and {buckets[target.place][0] + 1}"

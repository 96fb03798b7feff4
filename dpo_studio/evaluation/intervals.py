"""Confidence intervals for shares and win rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A share of n with its interval, all between 0 and 1."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.0%} (95 % interval {self.low:.0%} to {self.high:.0%}, n = {self.n})"


def wilson(successes: float, n: int, *, z: float = Z_95) -> Share:
    """The Wilson score interval of successes out of n (Wilson 1927).

    Args:
        successes: may hold halves, where a tie counts as half a win.
        n: independent trials; 0 gives the whole range.
        z: the normal quantile of the wanted confidence.
    """
    if n == 0:
        return Share(0.5, 0.0, 1.0, 0)
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Share(share, max(0.0, centre - half), min(1.0, centre + half), n)


def win_rate(after: Sequence[float], before: Sequence[float]) -> Share:
    """How often `after` scores above `before`, pairwise; a tie counts as half a win.

    Args:
        after: one score for each unit (a prompt, say).
        before: the scores of the same units.
    """
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(after, before, strict=True))
    return wilson(wins, len(after))

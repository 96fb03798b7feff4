"""The Wilson interval of a share, which the window and the reports both show."""

from __future__ import annotations

import math
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
        return f"{self.value:.0%} (95% interval {self.low:.0%} to {self.high:.0%}, n = {self.n})"


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

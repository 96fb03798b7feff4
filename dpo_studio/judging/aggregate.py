"""From what was said about pairs to a weak order over all answers.

A pair is asked in both orders. With l₁ the log-odds that the first answer is better when it is shown first, and l₂ the
same when it is shown second, the pair's log-odds are (l₁ + l₂)/2: a constant lean towards either place cancels, since
it adds to one and takes from the other (averaging: arXiv 2305.17926; they average scores, here it is log-odds, where
the lean is additive). Where the two orders name different answers there is no opinion, and the pair's log-odds are 0
(arXiv 2306.05685, section 3.4: better is only what is better in both orders).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pair:
    """What was said about two answers.

    Attributes:
        shown_first: log-odds (nats) that the first of the two is better, with it shown first; None without an answer.
        shown_second: the same, with it shown second.
    """

    shown_first: float | None
    shown_second: float | None

    @property
    def log_odds(self) -> float | None:
        """Both orders averaged, 0 where they disagree; None unless both were answered, for one alone keeps its lean."""
        if self.shown_first is None or self.shown_second is None:
            return None
        if self.disagrees:
            return 0.0
        return (self.shown_first + self.shown_second) / 2

    @property
    def disagrees(self) -> bool:
        """Whether the two orders named different answers."""
        if self.shown_first is None or self.shown_second is None:
            return False
        return self.shown_first * self.shown_second < 0

    @property
    def named_first_shown(self) -> int:
        """How many of the two questions were answered with what was shown first."""
        first = self.shown_first is not None and self.shown_first > 0
        second = self.shown_second is not None and self.shown_second < 0
        return int(first) + int(second)


def scores(log_odds: Mapping[tuple[int, int], float], size: int) -> list[float] | None:
    """Scores s with s_i − s_j as near to the pairs' log-odds as can be, in least squares; their mean is 0.

    The global part of the Hodge decomposition (HodgeRank, arXiv 0811.1067): with every pair there, the mean of an
    answer's log-odds against all (a Borda count in log-odds). What goes round in circles is averaged out.

    Args:
        log_odds: by pair (i, j), that i is better than j; a pair without an answer is not there.

    Returns:
        size numbers in nats; None where the pairs do not link all answers, so that no order follows from them.
    """
    laplacian = np.zeros((size, size))
    pulls = np.zeros(size)
    for (i, j), value in log_odds.items():
        laplacian[i, i] += 1
        laplacian[j, j] += 1
        laplacian[i, j] -= 1
        laplacian[j, i] -= 1
        pulls[i] += value
        pulls[j] -= value
    if size > 1 and np.linalg.matrix_rank(laplacian) < size - 1:
        return None
    found = np.linalg.lstsq(laplacian, pulls, rcond=None)[0]
    return [float(value) for value in found - found.mean()]


def weak_order(values: Sequence[float], *, tie_below: float) -> tuple[int, ...]:
    """Ranks of scores: best is 1, and what is not told apart ties.

    Neighbours are put together, the nearest first, as long as the best and the worst of what they become are less than
    logit(tie_below) apart (complete linkage), so that many small steps do not tie the first with the last.

    Args:
        values: scores in nats.
        tie_below: a probability from a half (only equal scores tie) to under 1.
    """
    margin = math.log(tie_below / (1 - tie_below))
    order = sorted(range(len(values)), key=lambda index: -values[index])
    buckets = [[index] for index in order]

    def spread(place: int) -> float:
        return values[buckets[place][0]] - values[buckets[place + 1][-1]]

    while len(buckets) > 1:
        nearest = min(range(len(buckets) - 1), key=spread)
        if not (spread(nearest) < margin or spread(nearest) <= 1e-9):
            break
        buckets[nearest : nearest + 2] = [buckets[nearest] + buckets[nearest + 1]]
    ranks = [0] * len(values)
    for place, bucket in enumerate(buckets, 1):
        for index in bucket:
            ranks[index] = place
    return tuple(ranks)


def confidence(values: Sequence[float], ranks: Sequence[int]) -> float | None:
    """How sure the scores are of the order: the mean probability of its strict pairs; None where all tie."""
    sure = [
        1 / (1 + math.exp(-abs(values[i] - values[j])))
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if ranks[i] != ranks[j]
    ]
    return min(1.0, max(0.5, sum(sure) / len(sure))) if sure else None

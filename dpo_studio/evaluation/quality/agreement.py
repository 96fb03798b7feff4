"""How far annotators agree with each other, and one with himself or herself, beyond chance where that is defined.

Kappa is on pairs of answers. Which answer of a pair comes first is nobody's choice, so each pair counts both ways
round: then kappa does not depend on the order in which the answers were written down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from . import bootstrap
from .bootstrap import Floats

#: A completion's id.
Key = TypeVar("Key", bound=int)
Ranks = Mapping[Key, int | None]
#: What two rankings say of one pair: -1 the first is better, 0 tied, 1 the second is.
Verdict = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95% interval; see `bootstrap`. The interval is None where it cannot be told."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its uncertainty.

    Attributes:
        low, high: its 95% interval.
        error: its standard error.
    """

    value: float
    low: float
    high: float
    error: float

    def p_below(self, level: float) -> float:
        """The chance of so low a kappa where it is really `level` or higher, one-sided, by the normal distribution."""
        if not self.error:
            return float(self.value >= level)
        return float(stats.norm.cdf((self.value - level) / self.error))


def places(ranks: Ranks[Key]) -> dict[Key, int]:
    """Ranks with the unranked ones tied in the place after the last, as they count in training."""
    last = max((rank for rank in ranks.values() if rank is not None), default=0)
    return {key: last + 1 if rank is None else rank for key, rank in ranks.items()}


def verdicts(first: Ranks[Key], second: Ranks[Key]) -> list[Verdict]:
    """What two rankings say of each pair on which both say something: -1 the lower id is better, 0 tied, 1 the higher.

    Of two answers that one of them left unranked, that one says nothing.
    """
    one, other = places(first), places(second)
    return [
        (_sign(one[a] - one[b]), _sign(other[a] - other[b]))
        for a, b in combinations(sorted(one.keys() & other.keys()), 2)
        if not any(ranks[a] is None and ranks[b] is None for ranks in (first, second))
    ]


def cohen_kappa(table: NDArray[Any]) -> float | None:
    """Agreement beyond chance (Cohen 1960) of two raters' counts (categories, categories).

    None without counts, or where chance alone would always agree.
    """
    value = float(_kappas(np.asarray(table, dtype=float)[None])[0])
    return None if np.isnan(value) else value


def kappa_of(groups: Iterable[Sequence[Verdict]]) -> Kappa | None:
    """Kappa on pairs, with an interval from drawing whole groups; see `bootstrap`.

    None where kappa is not defined, or hardly ever in such draws.
    """
    times = Counter(tuple(pairs) for pairs in groups if pairs)
    tables = np.array([_both_ways(pairs) for pairs in times], dtype=float).reshape(-1, 9)
    tables = np.repeat(tables, list(times.values()), axis=0)
    value = cohen_kappa(tables.sum(axis=0).reshape(3, 3))
    if value is None:
        return None
    kappas = _kappas(bootstrap.totals(tables).reshape(-1, 3, 3))
    ends = bootstrap.interval(kappas)
    return None if ends is None else Kappa(value, *ends, float(np.nanstd(kappas, ddof=1)))


def _both_ways(pairs: Sequence[Verdict]) -> NDArray[Any]:
    table = np.zeros((3, 3))
    for first, second in pairs:
        table[first + 1, second + 1] += 1
        table[1 - first, 1 - second] += 1
    return table


def _kappas(tables: NDArray[Any]) -> Floats:
    """Kappa of each of the tables (n, categories, categories); nan where it is not defined."""
    total = tables.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = tables / total[:, None, None]
        observed = np.trace(shares, axis1=1, axis2=2)
        expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
        return np.where(expected >= 1 - 1e-12, np.nan, (observed - expected) / (1 - expected))


def kendall_w(rankings: Sequence[Ranks[Key]]) -> float | None:
    """Concordance of rankings of the same items, corrected for ties (Kendall and Smith 1939), 0 to 1.

    None with fewer than two rankings or two items, or where every ranking ties everything.
    """
    if len(rankings) < 2 or len(rankings[0]) < 2:
        return None
    keys = sorted(rankings[0])
    value = float(concordances(np.array([[[places(ranks)[key] for key in keys] for ranks in rankings]]))[0])
    return None if np.isnan(value) else value


def concordances(placed: NDArray[np.int64]) -> Floats:
    """Kendall's W of each of n sets of m rankings of k items, given as places (n, m, k); nan where all is tied."""
    _, m, k = placed.shape
    before = (placed[..., None] > placed[..., None, :]).sum(axis=-1)
    tied = (placed[..., None] == placed[..., None, :]).sum(axis=-1)
    ranks = before + (tied + 1) / 2
    ties = (tied**2 - 1).sum(axis=(1, 2))  # of t tied ones each counts t² - 1: together t³ - t
    most = m**2 * (k**3 - k) - m * ties
    sums = ranks.sum(axis=1)
    spread = ((sums - sums.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(most == 0, np.nan, 12 * spread / most)


def mean_concordance(groups: Iterable[Sequence[Ranks[Any]]]) -> Figure | None:
    """The mean of Kendall's W over groups, each given as its rankings; those whose W is not defined are left out.

    Of two annotators who rank by chance W is a half on average, of m annotators 1 / m: chance is not taken off.
    """
    by_shape: dict[tuple[int, int], list[list[list[int]]]] = {}
    for rankings in groups:
        keys = sorted(rankings[0])
        if len(rankings) > 1 and len(keys) > 1:
            placed = [places(ranks) for ranks in rankings]
            by_shape.setdefault((len(rankings), len(keys)), []).append([[one[key] for key in keys] for one in placed])
    each = [concordances(np.array(found)) for found in by_shape.values()]
    known = np.concatenate(each) if each else np.zeros(0)
    known = known[~np.isnan(known)]
    if not len(known):
        return None
    return Figure(float(known.mean()), bootstrap.interval(bootstrap.totals(known[:, None])[:, 0] / len(known)))


def alpha_of(groups: Iterable[Sequence[Ranks[Any]]]) -> Figure | None:
    """Krippendorff's alpha of places, ordinal, over the answers of groups, each given as its rankings.

    None where no two rankings place the same answer, or there is one place only.
    """
    units: list[int] = []
    values: list[int] = []
    group: list[int] = []
    for number, rankings in enumerate(groups):
        placed = [places(ranks) for ranks in rankings]
        for key in sorted({key for one in placed for key in one}):
            rated = [one[key] for one in placed if key in one]
            if len(rated) > 1:
                units += [len(group)] * len(rated)
                values += rated
                group.append(number)
    if not group:
        return None
    _, codes = np.unique(values, return_inverse=True)
    added = _coincidences(np.array(units), codes, np.array(group))
    value = float(_alphas(added.sum(axis=0, keepdims=True))[0])
    if np.isnan(value):
        return None
    return Figure(value, bootstrap.interval(_alphas(bootstrap.totals(added))))


def _coincidences(units: NDArray[np.int64], codes: NDArray[np.int64], group: NDArray[np.int64]) -> Floats:
    """What each group adds to the matrix of coincidences (groups, values * values).

    Args:
        units, codes: of each rating what was rated, and its value.
        group: of each unit its group, in order.
    """
    size = int(codes.max()) + 1
    counts = np.bincount(units * size + codes, minlength=len(group) * size).reshape(-1, size).astype(float)
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(size))
    pairs /= (counts.sum(axis=1) - 1)[:, None, None]
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    return np.add.reduceat(pairs.reshape(-1, size * size), begins)


def _alphas(added: Floats) -> Floats:
    """Ordinal alpha (Krippendorff 2011, "Computing Krippendorff's alpha-reliability") of matrices (n, values * values).

    Two values are as far apart as there are ratings between them, half of their own included. nan where all are alike.
    """
    size = round(added.shape[1] ** 0.5)
    observed = added.reshape(-1, size, size)
    each = observed.sum(axis=2)
    total = each.sum(axis=1)
    middle = np.cumsum(each, axis=1) - each / 2
    apart = (middle[:, :, None] - middle[:, None, :]) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (each[:, :, None] * each[:, None, :] * apart).sum(axis=(1, 2))
        found = 1 - (total - 1) * (observed * apart).sum(axis=(1, 2)) / expected
    return np.where(expected > 0, found, np.nan)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)

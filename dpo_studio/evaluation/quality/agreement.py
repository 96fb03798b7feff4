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

import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: A completion's id.
Key = TypeVar("Key", bound=int)
Ranks = Mapping[Key, int | None]
#: What two rankings say of one pair: -1 the first is better, 0 tied, 1 the second is.
Verdict = tuple[int, int]

_RESAMPLES = 1000
_CELLS_AT_ONCE = 2_000_000
_LEAST_DEFINED = 0.9


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its uncertainty.

    Attributes:
        low, high: its 95 % interval.
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
    """Kappa on pairs, with an interval from drawing whole groups again and again (cluster bootstrap, Efron 1979).

    The pairs of one group hang together, so groups are drawn, not pairs. The draws are the same for the same groups.
    None where kappa is not defined, or hardly ever in such draws.
    """
    tables = np.array([_both_ways(pairs) for pairs in groups if pairs], dtype=float).reshape(-1, 9)
    value = cohen_kappa(tables.sum(axis=0).reshape(3, 3))
    if value is None:
        return None
    draws = np.random.default_rng(0)
    n = len(tables)
    drawn: list[NDArray[Any]] = []
    at_once = max(1, _CELLS_AT_ONCE // n)
    for start in range(0, _RESAMPLES, at_once):
        times = draws.multinomial(n, np.full(n, 1 / n), size=min(at_once, _RESAMPLES - start))
        drawn.append(_kappas((times @ tables).reshape(-1, 3, 3)))
    kappas = np.concatenate(drawn)
    kappas = kappas[~np.isnan(kappas)]
    if len(kappas) < _LEAST_DEFINED * _RESAMPLES:
        return None
    low, high = np.quantile(kappas, [0.025, 0.975])
    return Kappa(value, float(low), float(high), float(kappas.std(ddof=1)))


def _both_ways(pairs: Sequence[Verdict]) -> NDArray[Any]:
    table = np.zeros((3, 3))
    for first, second in pairs:
        table[first + 1, second + 1] += 1
        table[1 - first, 1 - second] += 1
    return table


def _kappas(tables: NDArray[Any]) -> NDArray[Any]:
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
    table = [[places(ranks)[key] for key in keys] for ranks in rankings]
    mean_ranks = np.array([stats.rankdata(row) for row in table])
    m, n = mean_ranks.shape
    ties = sum(t**3 - t for row in table for t in Counter(row).values())
    most = m**2 * (n**3 - n) - m * ties
    sums = mean_ranks.sum(axis=0)
    return None if most == 0 else float(12 * ((sums - sums.mean()) ** 2).sum() / most)


def krippendorff_alpha(rows: Sequence[Mapping[Any, int]]) -> float | None:
    """Ordinal alpha (Krippendorff 2011) of places by what was placed, one mapping for each annotator.

    None where no two annotators placed the same, or where there is only one value.
    """
    seen = Counter(unit for row in rows for unit in row)
    units = sorted(unit for unit, times in seen.items() if times > 1)
    table = np.array([[row.get(unit, np.nan) for unit in units] for row in rows], dtype=float)
    if not units or np.unique(table[~np.isnan(table)]).size < 2:
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal"))


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)

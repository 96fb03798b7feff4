"""How far annotators agree with each other, and one with himself or herself, beyond chance where that is defined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import krippendorff
import numpy as np
from scipy import stats

Ranks = Mapping[int, int | None]


def places(ranks: Ranks) -> dict[int, int]:
    """Ranks with the unranked ones tied in the place after the last, as they count in training."""
    last = max((rank for rank in ranks.values() if rank is not None), default=0)
    return {key: last + 1 if rank is None else rank for key, rank in ranks.items()}


def verdicts(first: Ranks, second: Ranks) -> list[tuple[int, int]]:
    """What two rankings say of each pair that both hold: -1 the lower id is better, 0 tied, 1 the higher id is."""
    one, other = places(first), places(second)
    shared = sorted(one.keys() & other.keys())
    return [(_sign(one[a] - one[b]), _sign(other[a] - other[b])) for a, b in combinations(shared, 2)]


def cohen_kappa(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Agreement beyond chance (Cohen 1960); None without pairs, or where chance alone would always agree."""
    n = len(pairs)
    if not n:
        return None
    observed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[value] * second[value] for value in first) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def kendall_w(rankings: Sequence[Ranks]) -> float | None:
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


def krippendorff_alpha(rows: Sequence[Mapping[tuple[int, int], int]]) -> float | None:
    """Ordinal alpha (Krippendorff 2011) of places by (group, completion), one mapping for each annotator.

    None where fewer than two annotators share a group, or where there is only one value.
    """
    seen = Counter(unit for row in rows for unit in row)
    units = sorted(unit for unit, times in seen.items() if times > 1)
    table = np.array([[row.get(unit, np.nan) for unit in units] for row in rows], dtype=float)
    if not units or np.unique(table[~np.isnan(table)]).size < 2:
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal"))


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)

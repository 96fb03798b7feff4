"""Weak orders over the completions of a group: validate, build, take apart, compare.

Ranks are aligned to the completions: 1 is best, equal ranks are ties, None is "below everything
ranked, order unknown".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from .errors import UserError
from .types import Ranks


def validate(ranks: Sequence[int | None], size: int) -> Ranks:
    """The ranks with gaps closed (1, 3, 3 becomes 1, 2, 2), or a UserError saying what is wrong."""
    if len(ranks) != size:
        raise UserError(
            f"A ranking of {size} completions needs {size} ranks, and this one has {len(ranks)}.",
            "Give one rank for each completion, and null for those left unranked.",
        )
    for rank in ranks:
        if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
            raise UserError(
                f"{rank!r} is not a rank.",
                "Ranks are whole numbers from 1 (best); an unranked completion is null, never 0.",
            )
    if all(rank is None for rank in ranks):
        raise UserError(
            "A ranking needs at least one ranked completion.",
            "Rank one, or record the group as skipped.",
        )
    dense = {rank: place for place, rank in enumerate(sorted({r for r in ranks if r is not None}), 1)}
    return tuple(None if rank is None else dense[rank] for rank in ranks)


def from_buckets(buckets: Iterable[Iterable[int]], size: int) -> Ranks:
    """Ranks from buckets of completion indices, best bucket first; indices in no bucket are unranked."""
    ranks: list[int | None] = [None] * size
    for place, bucket in enumerate(buckets, 1):
        for index in bucket:
            ranks[index] = place
    return tuple(ranks)


def buckets(ranks: Sequence[int | None]) -> list[list[int]]:
    """Completion indices by rank, best first; the unranked form the last bucket."""
    places = sorted({rank for rank in ranks if rank is not None})
    ordered = [[i for i, rank in enumerate(ranks) if rank == place] for place in places]
    unranked = [i for i, rank in enumerate(ranks) if rank is None]
    return ordered + ([unranked] if unranked else [])


def strict_pairs(ranks: Sequence[int | None]) -> list[tuple[int, int]]:
    """All (better, worse) index pairs that the ranks order strictly."""
    order = buckets(ranks)
    return [
        (better, worse)
        for place, bucket in enumerate(order)
        for later in order[place + 1 :]
        for better in bucket
        for worse in later
    ]


def directions(ranks: Sequence[int | None]) -> list[int]:
    """For each pair of places, in order: 1 where the first is better, -1 where the second is, 0 where neither is."""
    places = [len(ranks) + 1 if rank is None else rank for rank in ranks]
    return [(a < b) - (a > b) for a, b in combinations(places, 2)]


def is_trainable(ranks: Sequence[int | None]) -> bool:
    """Whether the ranks order anything: all tied (or all unranked) teach nothing."""
    return len(buckets(ranks)) > 1


def agreement(first: Sequence[int | None], second: Sequence[int | None]) -> float | None:
    """Kendall's tau-b between two rankings of the same completions, in [-1, 1].

    None where one of them orders nothing. Unranked completions count as tied in last place.
    """
    pairs_first, pairs_second = set(strict_pairs(first)), set(strict_pairs(second))
    if not pairs_first or not pairs_second:
        return None
    concordant = len(pairs_first & pairs_second)
    discordant = len(pairs_first & {(worse, better) for better, worse in pairs_second})
    return (concordant - discordant) / (len(pairs_first) * len(pairs_second)) ** 0.5

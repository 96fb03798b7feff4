"""Which answers of one comparison may be nearly the same, told of many comparisons at once: few are left to compare.

A bound, not an estimate. Of the runs of each answer an eighth is looked at: the same runs in every answer, chosen by
what is in them. Two sets that overlap by J or more differ in at most (1 - J) / J of the smaller one. So where what was
looked at differs in more than that already, all of it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .letters import Letters
from .near import RUN

#: One in so many runs is looked at.
_SHARE = 8
_HASH_BITS, _PLACE_BITS = 32, 6
#: Of the texts in a group; of those beyond nothing is told, so all their pairs are possible.
_MOST = 1 << _PLACE_BITS
_BASE, _MIX = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)


def possible(letters: Letters, sizes: Sequence[int], similarity: float) -> Iterator[tuple[int, int, int]]:
    """The pairs that may be as near as that, each as (group, place of one, place of the other).

    Args:
        letters: plain texts, those of one group one after another.
        sizes: how many texts each group holds.
    """
    held = np.array(sizes, dtype=np.int64)
    first = np.cumsum(held) - held
    group = np.repeat(np.arange(len(held)), held)
    place = np.arange(len(group)) - first[group]
    groups, masks = _who_holds(letters, group, place)
    runs = np.maximum(letters.lengths - RUN + 1, 1)
    for i, j in combinations(range(max(sizes, default=0)), 2):
        there = np.flatnonzero(held > j)
        if j < _MOST:
            differ = ((masks >> np.uint64(i)) ^ (masks >> np.uint64(j))) & np.uint64(1)
            different = np.bincount(groups, weights=differ, minlength=len(held))[there]
            fewer = np.minimum(runs[first[there] + i], runs[first[there] + j])
            there = there[different * similarity <= (1 - similarity) * fewer + 1e-6]
        for number in there.tolist():
            yield number, i, j


def _who_holds(
    letters: Letters, group: NDArray[np.int64], place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Of every run that is looked at in a group: the group, and the places of the texts that hold it, as bits."""
    codes = letters.codes
    if len(codes) < RUN:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    hashes = np.zeros(len(codes) - RUN + 1, dtype=np.uint32)
    for offset in range(RUN):
        hashes *= _BASE
        hashes += codes[offset : len(codes) - RUN + 1 + offset]
    hashes ^= hashes >> np.uint32(15)
    hashes *= _MIX
    looked_at = hashes < np.uint32(2**32 // _SHARE)
    ends = letters.starts + letters.lengths
    for offset in range(RUN):  # runs across the end of a text are nobody's
        across = ends - offset
        looked_at[across[(across >= 0) & (across < len(looked_at))]] = False
    at = np.flatnonzero(looked_at)
    text = np.searchsorted(letters.starts, at, side="right") - 1
    at, text = at[place[text] < _MOST], text[place[text] < _MOST]
    keys = (group[text].astype(np.uint64) << np.uint64(_HASH_BITS)) | hashes[at]
    keys = np.sort((keys << np.uint64(_PLACE_BITS)) | place[text].astype(np.uint64))
    runs = keys >> np.uint64(_PLACE_BITS)
    begins = np.flatnonzero(np.diff(runs, prepend=~runs[:1]))
    bits = np.uint64(1) << (keys & np.uint64(_MOST - 1))
    masks = np.bitwise_or.reduceat(bits, begins) if len(begins) else bits
    return (runs[begins] >> np.uint64(_HASH_BITS)).astype(np.int64), masks

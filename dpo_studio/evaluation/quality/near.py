"""Texts that are nearly the same.

Two texts are as near as their sets of five-character runs overlap (Jaccard: shared over all; Broder 1997). Characters
rather than words, so that it works in every script. Whom to compare is found by MinHash (Broder et al. 1998) in bands
(Indyk and Motwani 1998); each pair that this proposes is then compared in full, so nothing is called near that is not.
What may be missed: of two texts with a similarity of 0.8 the bands find 9,996 of 10,000.

Texts whose numbers differ are never near: in "7 times 8" and "7 times 9" the little that differs is what matters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .letters import Letters

Hashes = NDArray[np.uint64]
Sketches = NDArray[np.uint32]

RUN = 5
#: Prompts from here on are called nearly the same: some one word in sixteen is another.
NEAR_PROMPTS = 0.8
#: Answers of one group must be nearer: what little differs may be what the preference is about.
NEAR_ANSWERS = 0.9

_BANDS, _ROWS = 20, 5
#: A bucket with more different texts than this holds a common opening, not texts that are near.
_CROWD = 50
#: The sketch estimates similarity with a standard deviation of 0.04 at 0.8; below this much under it nobody looks.
_SLACK = 0.15
#: Runs that are sketched at once, and texts whose runs are taken together: what fits in a processor's cache.
_AT_ONCE, _TEXTS_AT_ONCE = 2048, 512
_NUMBER = re.compile(r"\d+")

_random = np.random.default_rng(19971023)
_FACTOR, _SHIFT = (_random.integers(0, 2**32, size=(_BANDS * _ROWS, 1), dtype=np.uint32) for _ in range(2))
_FACTOR |= np.uint32(1)
_BASE, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_TAG = 0x94D049BB133111EB

#: Told how many texts were looked at, of how many; it may raise to give up.
Told = Callable[[int, int], None]


def plain(text: str) -> str:
    """The text but for case, white space, and the width and composition of its characters."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingles(text: str) -> Hashes:
    """The runs of a plain text as sorted different 64-bit hashes (n,); a text shorter than a run is one of its own."""
    return np.unique(_runs(text))


def jaccard(first: Hashes, second: Hashes) -> float:
    """How far two sets overlap, 0 to 1; two empty ones are the same."""
    larger = max(len(first), len(second))
    if not larger:
        return 1.0
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


def numbers(text: str) -> list[str]:
    """The runs of digits in a text, in order."""
    return _NUMBER.findall(text)


def similarity(first: str, second: str) -> float:
    """How near two plain texts are, 0 to 1."""
    return 1.0 if first == second else jaccard(shingles(first), shingles(second))


def sets(
    texts: Sequence[tuple[str, ...]],
    *,
    threshold: float = NEAR_PROMPTS,
    sketched: int = 1,
    told: Told = lambda _done, _of: None,
) -> list[list[int]]:
    """Sets of texts that are nearly the same, as places in `texts`, each set's first text first.

    Each text of a set is near to the set's first one; so there are no chains whose last has nothing of the first.

    Args:
        texts: each in parts, as plain texts. Two are near where every part is.
        threshold: the similarity from which a part is near.
        sketched: how many parts, from the first on, propose whom to compare. The others, which many texts may have in
            common (an instruction before each of them), are compared only then.
        told: called every few hundred texts.
    """
    first_of: dict[tuple[str, ...], int] = {}
    same: dict[int, list[int]] = defaultdict(list)
    for place, parts in enumerate(texts):
        same[first_of.setdefault(parts, place)].append(place)
    different = list(same)
    found: dict[int, list[int]] = {place: list(places) for place, places in same.items()}
    for follower, leader in _followers([texts[place] for place in different], threshold, sketched, told).items():
        found[different[leader]] += found.pop(different[follower])
    return [[place, *sorted(set(places) - {place})] for place, places in sorted(found.items()) if len(places) > 1]


def _followers(texts: Sequence[tuple[str, ...]], threshold: float, sketched: int, told: Told) -> dict[int, int]:
    """By place of each text that is near to an earlier one: the place of that one, which follows none itself."""
    sketches = np.empty((len(texts), _BANDS * _ROWS), dtype=np.uint32)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        told(start, 2 * len(texts))
        some = texts[start : start + _TEXTS_AT_ONCE]
        each_part = [_runs_of([parts[number] for parts in some]) for number in range(sketched)]
        for place, runs in enumerate(zip(*each_part, strict=True), start):
            sketches[place] = _sketch(runs)
    followed: dict[int, int] = {}
    leaders: dict[int, list[int]] = defaultdict(list)
    for number, (place, buckets) in enumerate(_shared_buckets(sketches)):
        if number % _TEXTS_AT_ONCE == 0:
            told(len(texts) + place, 2 * len(texts))
        candidates = np.array(sorted({leader for bucket in buckets for leader in leaders[bucket]}), dtype=np.int64)
        leader = _nearest(texts, place, candidates, sketches, threshold)
        if leader is not None:
            followed[place] = leader
            continue
        for bucket in buckets:
            if len(leaders[bucket]) < _CROWD:
                leaders[bucket].append(place)
    return followed


def _nearest(
    texts: Sequence[tuple[str, ...]], place: int, candidates: NDArray[np.int64], sketches: Sketches, threshold: float
) -> int | None:
    """The first of the candidates, the likeliest before, that the text is near to."""
    likeness = (sketches[candidates] == sketches[place]).mean(axis=1) if len(candidates) else np.empty(0)
    worth = np.flatnonzero(likeness >= threshold - _SLACK)
    if not len(worth):
        return None
    own = [shingles(part) for part in texts[place]]
    for number in worth[np.argsort(-likeness[worth], kind="stable")]:
        other = int(candidates[number])
        pairs = zip(own, texts[place], texts[other], strict=True)
        if all(mine == its or _is_near(hashes, mine, its, threshold) for hashes, mine, its in pairs):
            return other
    return None


def _is_near(hashes: Hashes, mine: str, its: str, threshold: float) -> bool:
    return numbers(mine) == numbers(its) and jaccard(hashes, shingles(its)) >= threshold


def _shared_buckets(sketches: Sketches) -> Iterator[tuple[int, list[int]]]:
    """The texts that share a bucket with another one, in order, each with its buckets."""
    shared = np.zeros((len(sketches), _BANDS), dtype=np.int64)
    number = 1
    for band in range(_BANDS):
        keys = np.zeros(len(sketches), dtype=np.uint64)
        for row in range(band * _ROWS, (band + 1) * _ROWS):
            keys = (keys ^ sketches[:, row]) * _BASE
            keys ^= keys >> np.uint64(29)
        _, index, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        shared[:, band] = np.where(sizes[index] > 1, number + index, 0)
        number += len(sizes)
    for place in np.flatnonzero(shared.any(axis=1)).tolist():
        buckets = shared[place]
        yield place, buckets[buckets > 0].tolist()


def _sketch(parts: Sequence[Hashes]) -> Sketches:
    """The least of each permutation's hashes (bands * rows,) over the runs of all parts, told apart by their part."""
    tagged = [runs ^ np.uint64(_TAG * number % 2**64) for number, runs in enumerate(parts) if len(runs)]
    least = np.full(_BANDS * _ROWS, np.iinfo(np.uint32).max, dtype=np.uint32)
    short = [(runs >> np.uint64(32)).astype(np.uint32) for runs in tagged]
    for runs in short:
        for start in range(0, len(runs), _AT_ONCE):
            permuted = _FACTOR * runs[start : start + _AT_ONCE]
            permuted += _SHIFT
            np.minimum(least, permuted.min(axis=1), out=least)
    return least


def _runs_of(texts: Sequence[str]) -> list[Hashes]:
    """The runs of each of these plain texts; see `_runs`."""
    letters = Letters(texts)
    hashes = _hashes(letters.codes) if len(letters.codes) >= RUN else np.empty(0, dtype=np.uint64)
    ends = letters.starts + letters.lengths - RUN + 1
    return [
        hashes[start:end] if end > start else _runs(text)
        for start, end, text in zip(letters.starts.tolist(), ends.tolist(), texts, strict=True)
    ]


def _runs(text: str) -> Hashes:
    """The hash of every run of a plain text, in order, repeated ones too."""
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if not len(letters):
        return np.empty(0, dtype=np.uint64)
    if len(letters) < RUN:
        letters = np.concatenate([letters, np.zeros(RUN - len(letters), dtype=np.uint32)])
    return _hashes(letters)


def _hashes(codes: NDArray[np.uint32]) -> Hashes:
    """The hash of every RUN characters in a row."""
    letters = codes.astype(np.uint64)
    hashes = np.zeros(len(letters) - RUN + 1, dtype=np.uint64)
    for offset in range(RUN):
        hashes *= _BASE
        hashes += letters[offset : len(letters) - RUN + 1 + offset]
    hashes ^= hashes >> np.uint64(30)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(27)
    return hashes

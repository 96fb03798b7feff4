"""Circles in who beats whom: A before B, B before C, and C before A."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .agreement import Key, Ranks, places


def find(rankings: Iterable[Ranks[Key]]) -> list[list[Key]]:
    """The sets of completions that cannot be put in one order, each sorted, by the majority of labels on each pair.

    Args:
        rankings: ranks by completion id, of any number of groups. Completions of different prompts never meet.
    """
    by_size: dict[int, list[tuple[list[Key], list[int]]]] = {}
    for ranks in rankings:
        placed = places(ranks)
        by_size.setdefault(len(placed), []).append((list(placed), list(placed.values())))
    beaten = [pairs for found in by_size.values() for pairs in _beaten(np.array(found).reshape(len(found), 2, -1))]
    if not sum(len(pairs) for pairs in beaten):
        return []
    keys, index = np.unique(np.concatenate(beaten), return_inverse=True)
    index = index.reshape(-1, 2)
    edges, times = np.unique(index[:, 0] * len(keys) + index[:, 1], return_counts=True)
    back = edges % len(keys) * len(keys) + edges // len(keys)
    at = np.minimum(np.searchsorted(edges, back), len(edges) - 1)
    edges = edges[times > np.where(edges[at] == back, times[at], 0)]
    index = np.stack([edges // len(keys), edges % len(keys)], axis=1)
    graph = coo_array((np.ones(len(index)), (index[:, 0], index[:, 1])), shape=(len(keys), len(keys)))
    _, parts = connected_components(graph.tocsr(), directed=True, connection="strong")
    members: dict[int, list[Key]] = {}
    for key, part in zip(keys.tolist(), parts.tolist(), strict=True):
        members.setdefault(part, []).append(key)
    return sorted(sorted(part) for part in members.values() if len(part) > 1)


def _beaten(placed: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Who is before whom (n, 2), in rankings of as many answers, given as keys and places (rankings, 2, answers)."""
    keys, ranks = placed[:, 0], placed[:, 1]
    for i, j in combinations(range(placed.shape[2]), 2):
        for first, second in ((i, j), (j, i)):
            yield keys[ranks[:, first] < ranks[:, second]][:, [first, second]]

"""Circles in who beats whom: A before B, B before C, and C before A."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .agreement import Key, Ranks, places


def find(rankings: Iterable[Ranks[Key]]) -> list[list[Key]]:
    """The sets of completions that cannot be put in one order, each sorted, by the majority of labels on each pair.

    Args:
        rankings: ranks by completion id, of any number of groups. Completions of different prompts never meet.
    """
    wins: Counter[tuple[Key, Key]] = Counter()
    for ranks in rankings:
        placed = places(ranks)
        for a, b in combinations(placed, 2):
            if placed[a] != placed[b]:
                wins[(a, b) if placed[a] < placed[b] else (b, a)] += 1
    edges = [(a, b) for (a, b), times in wins.items() if times > wins.get((b, a), 0)]
    if not edges:
        return []
    keys, index = np.unique(np.array(edges), return_inverse=True)
    index = index.reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (index[:, 0], index[:, 1])), shape=(len(keys), len(keys)))
    _, parts = connected_components(graph.tocsr(), directed=True, connection="strong")
    members: dict[int, list[Key]] = {}
    for key, part in zip(keys.tolist(), parts.tolist(), strict=True):
        members.setdefault(part, []).append(key)
    return sorted(sorted(part) for part in members.values() if len(part) > 1)

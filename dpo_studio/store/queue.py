"""In which order a person is shown what waits: as imported, at random, most informative or most disputed first.

An order is a list of group ids made when it is asked for. What is not on the list (groups that came later, or have
no score) follows as imported, so that an order never hides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.types import GroupId, PolicyId

from . import waits
from .database import Project, in_chunks

_64_BITS = 0xFFFF_FFFF_FFFF_FFFF


def shuffled(ids: Iterable[GroupId], seed: int) -> list[GroupId]:
    """The ids in an order that only the seed decides: it stays when some of them are gone or others came."""
    return sorted(ids, key=lambda group_id: (_mixed(group_id, seed), group_id))


def at_random(project: Project, annotator: str, seed: int) -> list[GroupId]:
    """All that waits for a person, shuffled."""
    return shuffled(waits.ids(project, annotator), seed)


def most_informative(project: Project, annotator: str, policy_id: PolicyId) -> list[GroupId]:
    """What waits and was scored under this policy, the smallest gap between implicit rewards first."""
    waits.ensure(project, annotator)
    rows = project.db.conn.execute(
        "SELECT s.group_id FROM waits w JOIN group_scores s ON s.group_id = w.group_id"
        " WHERE w.annotator = ? AND s.policy_id = ? ORDER BY s.gap, s.group_id",
        [annotator, policy_id],
    )
    return [GroupId(row[0]) for row in rows]


def most_disputed(project: Project, annotator: str) -> list[GroupId]:
    """What waits and was ranked by two others or more who differ, the largest share of differing pairs first.

    People and judges both count. Groups on which all of them agree are left out.
    """
    waits.ensure(project, annotator)
    found = [row[0] for row in project.db.conn.execute(_RANKED_BY_SEVERAL, [annotator])]
    shares: dict[GroupId, float] = {}
    for ids in in_chunks(found):
        for group_id, ranks in _standing_ranks(project, ids).items():
            share = dispute(ranks)
            if share > 0:
                shares[group_id] = share
    return sorted(shares, key=lambda group_id: (-shares[group_id], group_id))


def dispute(rankings: list[Mapping[int, int | None]]) -> float:
    """How much rankings of the same completions differ: the mean share of pairs that two of them order differently.

    A tie against an order is half a difference. Completions that only one of the two has are left out.
    """
    shares = []
    for first, second in combinations(rankings, 2):
        both = [completion for completion in first if completion in second]
        pairs = list(combinations(both, 2))
        if pairs:
            one, other = (weak_orders.directions([ranks[c] for c in both]) for ranks in (first, second))
            shares.append(sum(abs(a - b) / 2 for a, b in zip(one, other, strict=True)) / len(pairs))
    return sum(shares) / len(shares) if shares else 0.0


def _standing_ranks(project: Project, ids: list[int]) -> dict[GroupId, list[Mapping[int, int | None]]]:
    by_ranking: dict[int, tuple[int, dict[int, int | None]]] = {}
    marks = ", ".join("?" * len(ids))
    for ranking_id, group_id, completion, rank in project.db.conn.execute(
        "SELECT r.id, r.group_id, i.completion_id, i.rank FROM current_rankings r"
        f" JOIN ranking_items i ON i.ranking_id = r.id WHERE r.kind = 'ranking' AND r.group_id IN ({marks})"
        " ORDER BY r.id, i.completion_id",
        ids,
    ):
        by_ranking.setdefault(ranking_id, (group_id, {}))[1][completion] = rank
    found: dict[GroupId, list[Mapping[int, int | None]]] = {}
    for group_id, ranks in by_ranking.values():
        found.setdefault(GroupId(group_id), []).append(ranks)
    return found


_RANKED_BY_SEVERAL = """SELECT w.group_id FROM waits w WHERE w.annotator = ?
    AND (SELECT count(*) FROM current_rankings r WHERE r.group_id = w.group_id AND r.kind = 'ranking') > 1"""


def _mixed(number: int, seed: int) -> int:
    """A number without pattern from two small ones (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = (number * 0x9E37_79B9_7F4A_7C15 + seed) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB) & _64_BITS
    return mixed ^ (mixed >> 31)

"""How undecided the current policy is about what waits: kept as it is computed, for the order of the queue.

A score is the gap between a group's best and second implicit reward; a smaller one says more when labelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dpo_studio.core.types import GroupId, Policy, PolicyId

from . import policies, waits
from .database import Project


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the groups that wait for a person have a score under a policy."""

    scored: int
    waiting: int


def current_policy(project: Project) -> Policy | None:
    """What the latest run with a result made; None before any was trained: a base has no implicit rewards."""
    row = project.db.conn.execute(
        "SELECT result_policy_id FROM runs WHERE result_policy_id IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return None if row is None else policies.get(project, row[0])


def unscored(project: Project, annotator: str, policy_id: PolicyId) -> list[GroupId]:
    """What waits for a person and has no score under this policy, as imported. Repeats need none."""
    waits.ensure(project, annotator)
    rows = project.db.conn.execute(
        "SELECT w.group_id FROM waits w JOIN groups g ON g.id = w.group_id WHERE w.annotator = ?"
        " AND g.repeat_of IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM group_scores s WHERE s.group_id = w.group_id AND s.policy_id = ?) ORDER BY w.group_id",
        [annotator, policy_id],
    )
    return [GroupId(row[0]) for row in rows]


def keep(project: Project, policy_id: PolicyId, gaps: Mapping[GroupId, float]) -> None:
    """Write scores, in nats; those under another policy give way. Groups that are gone by now are passed over."""
    with project.transaction() as db:
        db.conn.executemany(
            "INSERT INTO group_scores (group_id, policy_id, gap) SELECT id, ?, ? FROM groups WHERE id = ?"
            " ON CONFLICT (group_id) DO UPDATE SET policy_id = excluded.policy_id, gap = excluded.gap",
            [(policy_id, gap, group_id) for group_id, gap in gaps.items()],
        )


def progress(project: Project, annotator: str, policy_id: PolicyId) -> Progress:
    """How far the scoring of what waits has come."""
    waiting = waits.count(project, annotator)
    (scored,) = project.db.conn.execute(
        "SELECT count(*) FROM group_scores s JOIN waits w ON w.group_id = s.group_id AND w.annotator = ?"
        " WHERE s.policy_id = ?",
        [annotator, policy_id],
    ).fetchone()
    return Progress(int(scored), waiting)

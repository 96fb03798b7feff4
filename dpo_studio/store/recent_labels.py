"""What the Label page tells after every label, read without the texts and token ids of what was labelled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dpo_studio.core.types import CompletionId, GroupId

from .database import Project, in_chunks


@dataclass(frozen=True, slots=True)
class Pace:
    """One standing label.

    Attributes:
        seconds: the time it took, or None where it was not given on the page.
        tied: two answers share a rank.
    """

    kind: str
    seconds: float | None
    tied: bool


def paces(project: Project, annotator: str, limit: int) -> list[Pace]:
    """A person's latest standing labels, newest first."""
    rows = project.db.conn.execute(
        "SELECT kind, seconds, (SELECT count(rank) > count(DISTINCT rank) FROM ranking_items WHERE ranking_id = r.id)"
        " FROM current_rankings r WHERE annotator = ? AND annotator_kind = 'person' ORDER BY id DESC LIMIT ?",
        [annotator, limit],
    )
    return [Pace(kind, seconds, bool(tied)) for kind, seconds, tied in rows]


def lengths(project: Project, group_ids: Iterable[GroupId]) -> dict[GroupId, dict[CompletionId, float]]:
    """The characters of each answer of these groups. Repeats are left out: their answers were looked at before."""
    found: dict[GroupId, dict[CompletionId, float]] = {}
    for ids in in_chunks(group_ids):
        marks = ", ".join("?" * len(ids))
        for group_id, completion, length in project.db.conn.execute(
            "SELECT g.id, i.completion_id, length(c.text) FROM groups g JOIN group_items i ON i.group_id = g.id"
            f" JOIN completions c ON c.id = i.completion_id WHERE g.repeat_of IS NULL AND g.id IN ({marks})",
            ids,
        ):
            found.setdefault(GroupId(group_id), {})[CompletionId(completion)] = float(length)
    return found

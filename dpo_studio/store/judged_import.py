"""What a project holds of many groups and judgements at once: read for an import (see `bulk_writing`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from . import rankings
from .bulk_writing import HeldGroup
from .database import Project, in_chunks

_AT_ONCE = 500


@dataclass(slots=True)
class Standing:
    """One annotator's judgement on a group as it stands.

    Attributes:
        last_id: the last row of its chain.
        said: what it says, in the order of the group's completions; None for anything but a ranking.
    """

    last_id: int
    said: tuple[Any, ...] | None


def groups_of(project: Project, prompts: Iterable[int]) -> list[HeldGroup]:
    """The groups of these prompts that have all their completions, oldest first."""
    found: dict[int, HeldGroup] = {}
    for ids in in_chunks(prompts, _AT_ONCE):
        marks = ", ".join("?" * len(ids))
        for group_id, uuid, prompt_id, completion, text in project.db.conn.execute(
            "SELECT g.id, g.uuid, g.prompt_id, c.id, c.text FROM groups g JOIN group_items i ON i.group_id = g.id"
            f" JOIN completions c ON c.id = i.completion_id WHERE g.prompt_id IN ({marks}) AND g.ready = 1"
            " ORDER BY g.id, i.candidate",
            ids,
        ):
            group = found.setdefault(group_id, HeldGroup(group_id, uuid, prompt_id, (), ()))
            group.texts += (text,)
            group.completion_ids += (completion,)
    return sorted(found.values(), key=lambda group: group.id)


def standing(project: Project, groups: Sequence[HeldGroup]) -> dict[tuple[int, str, str], Standing]:
    """What stands on these groups, by (group, annotator, kind of annotator)."""
    found: dict[tuple[int, str, str], Standing] = {}
    by_id = {group.id: group for group in groups}
    for ids in in_chunks(by_id, _AT_ONCE):
        marks = ", ".join("?" * len(ids))
        for group_id, name, kind, last in project.db.conn.execute(
            "SELECT group_id, annotator, annotator_kind, max(id) FROM rankings"
            f" WHERE group_id IN ({marks}) GROUP BY group_id, annotator, annotator_kind",
            ids,
        ):
            found[group_id, name, kind] = Standing(last, None)
        rows = project.db.conn.execute(
            f"SELECT {rankings._COLUMNS} FROM current_rankings WHERE group_id IN ({marks}) AND kind = 'ranking'", ids
        ).fetchall()
        for judgement in rankings._rankings(project, rows):
            held = by_id[judgement.group_id]
            ranks = tuple(judgement.ranks.get(one) for one in held.completion_ids)  # type: ignore[call-overload]
            said = (ranks, judgement.strength, judgement.note, judgement.flags, judgement.confidence)
            found[held.id, judgement.annotator, judgement.annotator_kind].said = said
    return found

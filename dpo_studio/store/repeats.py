"""Comparisons that are asked once more, to measure how often a person agrees with what they said before.

A repeat is a group of its own with the same completions. It waits for one person only; their label on it is never
trained on, exported or counted with the others.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.types import CompletionId, Group, GroupId

from . import completions, waits
from .database import Project, new_uuid, now
from .rankings import all_on, recent

#: A comparison comes back after this many other labels at least; more than the page's strip of last labels shows.
MIN_LABELS_BETWEEN = 20
_LOOKED_AT = 1000
_LAST_REPEATS = 200


@dataclass(frozen=True, slots=True)
class SelfAgreement:
    """How often one person ordered two completions as they had before.

    Attributes:
        same, pairs: pairs of completions ordered alike, out of all that were asked twice.
        repeats: the comparisons that they come from.
    """

    same: int = 0
    pairs: int = 0
    repeats: int = 0


def make(project: Project, annotator: str, chance: random.Random) -> Group | None:
    """A repeat of one of the person's own rankings, drawn at random; None where no ranking is old enough.

    Each comparison is repeated once. Only those ranked on the Label page are, and only what was shown there.

    Raises:
        UserError: the project could not be written.
    """
    latest = recent(project, annotator, limit=MIN_LABELS_BETWEEN)
    if len(latest) < MIN_LABELS_BETWEEN:
        return None
    newest = latest[-1].id - 1
    start = chance.randint(1, max(1, newest))
    for first, last in ((start, newest), (1, start - 1)):
        row = project.db.conn.execute(_DRAW, [annotator, first, last, _LOOKED_AT]).fetchone()
        if row is not None:
            return _ask_again(project, annotator, GroupId(row[0]))
    return None


def agreement(project: Project, annotator: str) -> SelfAgreement:
    """The agreement over the person's last two hundred repeats."""
    waits.ensure(project, annotator)
    twins = {
        GroupId(again): GroupId(first)
        for again, first in project.db.conn.execute(_REPEATED, [annotator, _LAST_REPEATS])
    }
    said = {r.group_id: r.ranks for r in all_on(project, [*twins, *twins.values()], annotator) if r.kind == "ranking"}
    same = pairs = asked = 0
    for again, first in twins.items():
        if again in said and first in said:
            agreed, of = _alike(said[first], said[again])
            same, pairs, asked = same + agreed, pairs + of, asked + 1
    return SelfAgreement(same, pairs, asked)


def _ask_again(project: Project, annotator: str, group_id: GroupId) -> Group:
    group = completions.get_group(project, group_id)
    shown: Sequence[CompletionId] = next(
        (r.presented for r in all_on(project, [group_id], annotator) if r.presented), ()
    )
    items = [c.id for c in group.completions if not shown or c.id in shown]
    with project.transaction() as db:
        cursor = db.conn.execute(
            "INSERT INTO groups (uuid, prompt_id, size, policy_id, sampling, recipe, repeat_of, ready, created)"
            " SELECT ?, prompt_id, ?, policy_id, sampling, recipe, id, 1, ? FROM groups WHERE id = ?",
            [new_uuid(), len(items), now(), group_id],
        )
        made = GroupId(cursor.lastrowid or 0)
        db.conn.executemany(
            "INSERT INTO group_items (group_id, candidate, completion_id) VALUES (?, ?, ?)",
            [(made, place, completion) for place, completion in enumerate(items)],
        )
        db.conn.execute("INSERT INTO waits (annotator, group_id) VALUES (?, ?)", [annotator, made])
    return completions.get_group(project, made)


def _alike(first: Mapping[CompletionId, int | None], second: Mapping[CompletionId, int | None]) -> tuple[int, int]:
    """Pairs of completions of both rankings that they order alike, a tie being an order, and how many there are."""
    both = [completion for completion in first if completion in second]
    one, other = (weak_orders.directions([ranks[c] for c in both]) for ranks in (first, second))
    return sum(a == b for a, b in zip(one, other, strict=True)), len(one)


_DRAW = """SELECT group_id FROM (
        SELECT * FROM rankings WHERE annotator = ? AND annotator_kind = 'person' AND id BETWEEN ? AND ?
        ORDER BY id LIMIT ?
    ) r
    WHERE kind = 'ranking' AND seconds IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM rankings s WHERE s.supersedes = r.id)
        AND NOT EXISTS (SELECT 1 FROM groups again WHERE again.repeat_of = r.group_id)
        AND (SELECT g.repeat_of IS NULL AND NOT p.archived FROM groups g JOIN prompts p ON p.id = g.prompt_id
            WHERE g.id = r.group_id)
    LIMIT 1"""
_REPEATED = """SELECT g.id, g.repeat_of FROM groups g WHERE g.repeat_of IS NOT NULL
        AND EXISTS (SELECT 1 FROM current_rankings r
            WHERE r.group_id = g.id AND r.annotator = ? AND r.annotator_kind = 'person')
    ORDER BY g.id DESC LIMIT ?"""

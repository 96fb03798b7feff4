"""Judgements: append-only. Undo, correction and retraction each write a row; nothing is changed.

The current judgement of an annotator on a group is the last row of the chain that `supersedes`
makes; a group whose current row is a retraction counts as unlabelled. An annotator is a name and a
kind; where no kind is asked for, it is a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import CompletionId, Group, GroupId, Ranking, RankingId

from . import completions, waits
from .database import Project, in_chunks, new_uuid, now, storable, to_text

KINDS = ("ranking", "skip", "all_bad")
#: Stands for every judge, where the name of one is asked.
ALL_JUDGES = "all"


@dataclass(frozen=True, slots=True)
class Counts:
    """Groups by the state of one annotator's current judgement; `left` waits in Label. Repeats count nowhere."""

    left: int
    rankings: int
    skips: int
    all_bad: int

    @property
    def done(self) -> int:
        return self.rankings + self.skips + self.all_bad

    @property
    def ready(self) -> int:
        return self.done + self.left


def add(
    project: Project,
    group: Group,
    *,
    kind: str = "ranking",
    ranks: Sequence[int | None] = (),
    annotator: str | None = None,
    annotator_kind: str = "person",
    presented: Sequence[CompletionId] = (),
    strength: int = 1,
    flags: Sequence[str] = (),
    note: str = "",
    seconds: float | None = None,
    confidence: float | None = None,
) -> Ranking:
    """Write one judgement; it takes the place of the annotator's current one on this group.

    A judge and a person of the same name are two annotators: neither takes the other's place.

    Args:
        ranks: one per completion of the group, in the group's order; empty unless kind is "ranking".
        annotator: defaults to the project's annotator.
        confidence: how sure the annotator was, from a half (a guess) to 1.

    Raises:
        UserError: the ranks are not a weak order of this group's completions, or the confidence is out of range.
    """
    if confidence is not None and not 0.5 <= confidence <= 1.0:
        raise UserError(f"A confidence of {confidence:g} cannot be.", "Use a number from 0.5 (a guess) to 1 (sure).")
    if kind not in KINDS:
        raise UserError(f"{kind!r} is not a kind of judgement.", f"Use one of {', '.join(KINDS)}.")
    items: dict[CompletionId, int | None] = {}
    if kind == "ranking":
        checked = weak_orders.validate(ranks, len(group.completions))
        items = {c.id: rank for c, rank in zip(group.completions, checked, strict=True)}
    elif ranks:
        raise UserError(f"A {kind.replace('_', ' ')} carries no ranks.", "Leave the ranks out.")
    annotator = annotator or project.annotator
    with project.transaction():
        return _write(
            project,
            Ranking(
                id=RankingId(0),
                uuid=new_uuid(),
                group_id=group.id,
                kind=kind,
                annotator=annotator,
                annotator_kind=annotator_kind,
                ranks=items,
                presented=tuple(presented),
                strength=strength,
                flags=tuple(flags),
                note=note,
                seconds=seconds,
                confidence=confidence,
                supersedes=_last_id(project, group.id, annotator, annotator_kind),
                created=now(),
            ),
        )


def undo(project: Project, annotator: str | None = None) -> Ranking | None:
    """Take back the annotator's last judgement that was not undone yet, of whatever day.

    The group goes back to what it was before: its earlier judgement, or unlabelled. Returns the row
    that was undone, or None when there is nothing left to undo.
    """
    annotator = annotator or project.annotator
    with project.transaction() as db:
        row = db.conn.execute(
            "SELECT id FROM rankings r WHERE annotator = ? AND annotator_kind = 'person' AND undoes IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM rankings u WHERE u.undoes = r.id) ORDER BY id DESC LIMIT 1",
            [annotator],
        ).fetchone()
        if row is None:
            return None
        target = get(project, RankingId(row[0]))
        before = get(project, target.supersedes) if target.supersedes is not None else None
        _write(
            project,
            Ranking(
                id=RankingId(0),
                uuid=new_uuid(),
                group_id=target.group_id,
                kind=before.kind if before else "retraction",
                annotator=annotator,
                ranks=before.ranks if before else {},
                presented=before.presented if before else (),
                strength=before.strength if before else 1,
                flags=before.flags if before else (),
                note=before.note if before else "",
                confidence=before.confidence if before else None,
                seconds=before.seconds if before else None,
                supersedes=_last_id(project, target.group_id, annotator, "person"),
                undoes=target.id,
                created=now(),
            ),
        )
        return target


def get(project: Project, ranking_id: RankingId) -> Ranking:
    row = project.db.conn.execute(f"SELECT {_COLUMNS} FROM rankings WHERE id = ?", [ranking_id]).fetchone()
    if row is None:
        raise UserError(f"There is no ranking {ranking_id} in this project.")
    return _rankings(project, [row])[0]


def get_many(project: Project, ranking_ids: Iterable[int]) -> list[Ranking]:
    """The judgements of these ids, oldest first; those that are not there are left out."""
    rows: list[tuple] = []
    for ids in in_chunks(ranking_ids):
        marks = ", ".join("?" * len(ids))
        rows += project.db.conn.execute(f"SELECT {_COLUMNS} FROM rankings WHERE id IN ({marks})", ids).fetchall()
    return _rankings(project, sorted(rows))


def current(
    project: Project, group_id: GroupId, annotator: str | None = None, *, annotator_kind: str = "person"
) -> Ranking | None:
    """The annotator's judgement on a group as it stands, or None."""
    row = project.db.conn.execute(
        f"SELECT {_COLUMNS} FROM current_rankings WHERE group_id = ? AND annotator = ? AND annotator_kind = ?",
        [group_id, annotator or project.annotator, annotator_kind],
    ).fetchone()
    return None if row is None else _rankings(project, [row])[0]


def all_current(project: Project, *, kind: str | None = None, annotator_kind: str | None = "person") -> list[Ranking]:
    """Every judgement as it stands, in the order of their groups."""
    rows = project.db.conn.execute(
        f"SELECT {_COLUMNS} FROM current_rankings WHERE (? IS NULL OR kind = ?)"
        " AND (? IS NULL OR annotator_kind = ?) ORDER BY group_id, id",
        [kind, kind, annotator_kind, annotator_kind],
    ).fetchall()
    return _rankings(project, rows)


def of_groups(project: Project, group_ids: Sequence[GroupId]) -> list[Ranking]:
    """Every standing judgement on these groups, by whomever, in the order of the groups asked for."""
    found: dict[int, list[Ranking]] = {group_id: [] for group_id in group_ids}
    for ids in in_chunks(found):
        marks = ", ".join("?" * len(ids))
        rows = project.db.conn.execute(
            f"SELECT {_COLUMNS} FROM current_rankings WHERE group_id IN ({marks}) ORDER BY id", ids
        ).fetchall()
        for ranking in _rankings(project, rows):
            found[ranking.group_id].append(ranking)
    return [ranking for standing in found.values() for ranking in standing]


def all_on(project: Project, group_ids: Iterable[GroupId], annotator: str | None = None) -> list[Ranking]:
    """The annotator's judgements on these groups as they stand."""
    found: list[Ranking] = []
    for ids in in_chunks(group_ids):
        marks = ", ".join("?" * len(ids))
        rows = project.db.conn.execute(
            f"SELECT {_COLUMNS} FROM current_rankings WHERE annotator = ? AND annotator_kind = 'person'"
            f" AND group_id IN ({marks})",
            [annotator or project.annotator, *ids],
        ).fetchall()
        found += _rankings(project, rows)
    return found


def recent(project: Project, annotator: str | None = None, limit: int = 20) -> list[Ranking]:
    """The annotator's latest standing judgements, newest first: the history strip."""
    rows = project.db.conn.execute(
        f"SELECT {_COLUMNS} FROM current_rankings WHERE annotator = ? AND annotator_kind = 'person'"
        " ORDER BY id DESC LIMIT ?",
        [annotator or project.annotator, limit],
    ).fetchall()
    return _rankings(project, rows)


def next_groups(
    project: Project, annotator: str | None = None, *, limit: int = 2, after: GroupId | None = None
) -> list[Group]:
    """The next ready groups without a judgement of this annotator, in order, from past `after`."""
    return completions.get_groups(project, waits.ids(project, annotator or project.annotator, after=after, limit=limit))


def counts(project: Project, annotator: str | None = None) -> Counts:
    """What is done and what is left, from the tallies that the database keeps as judgements are written."""
    name = annotator or project.annotator
    left = waits.count(project, name)
    kinds = dict(
        project.db.conn.execute(
            "SELECT kind, standing FROM ranking_tallies WHERE annotator = ? AND annotator_kind = 'person'", [name]
        )
    )
    return Counts(left, kinds.get("ranking", 0), kinds.get("skip", 0), kinds.get("all_bad", 0))


def labelled(project: Project, *, judges: str = "") -> list[tuple[Group, Ranking]]:
    """Every standing ranking with its group, people's only unless judges are asked: for training and exports.

    Comparisons that were asked once more are left out: they would count twice. A group has the completions that were
    there when it was ranked, and no later one: see `as_ranked`.

    Args:
        judges: "" for none; the name of a judge, or ALL_JUDGES, to add its rankings of groups that no person has judged
            in any way.

    Raises:
        UserError: there is no such judge.
    """
    found = all_current(project, kind="ranking")
    if judges:
        found = sorted([*found, *_in_peoples_stead(project, judges)], key=lambda ranking: ranking.group_id)
    groups = {g.id: g for g in completions.get_groups(project, {r.group_id: None for r in found})}
    return [(as_ranked(groups[r.group_id], r), r) for r in found if groups[r.group_id].repeat_of is None]


def judge_names(project: Project) -> dict[str, int]:
    """The judges with standing rankings, and how many each has; most first."""
    rows = project.db.conn.execute(
        "SELECT annotator, standing FROM ranking_tallies WHERE annotator_kind = 'judge' AND kind = 'ranking'"
        " AND standing > 0 ORDER BY standing DESC, annotator"
    )
    return dict(rows.fetchall())


def _in_peoples_stead(project: Project, judges: str) -> list[Ranking]:
    known = judge_names(project)
    if judges != ALL_JUDGES and judges not in known:
        names = "; ".join(known) or "none yet"
        raise UserError(f"No judge called {judges!r} has ranked anything here.", f"The judges are: {names}.")
    by_people = {ranking.group_id for ranking in all_current(project)}
    return [
        ranking
        for ranking in all_current(project, kind="ranking", annotator_kind="judge")
        if ranking.group_id not in by_people and judges in (ALL_JUDGES, ranking.annotator)
    ]


def as_ranked(group: Group, ranking: Ranking) -> Group:
    """The group without completions that came after the ranking, such as an answer that a person wrote.

    Nobody compared those, so they are not "shown and left unranked", which would make them worse than the rest.
    """
    known = tuple(completion for completion in group.completions if completion.id in ranking.ranks)
    return group if len(known) == len(group.completions) else replace(group, completions=known, size=len(known))


def ranks_of(group: Group, ranks: Mapping[CompletionId, int | None]) -> tuple[int | None, ...]:
    """The ranks in the order of the group's completions; a completion added later is unranked."""
    return tuple(ranks.get(completion.id) for completion in group.completions)


_COLUMNS = (
    "id, uuid, group_id, kind, annotator, annotator_kind, presented, strength, flags, note, seconds,"
    " supersedes, undoes, created, confidence"
)


def _rankings(project: Project, rows: Sequence[tuple]) -> list[Ranking]:
    ranks: dict[int, dict[CompletionId, int | None]] = {row[0]: {} for row in rows}
    for ids in in_chunks(ranks):
        marks = ", ".join("?" * len(ids))
        for ranking_id, completion, rank in project.db.conn.execute(
            f"SELECT ranking_id, completion_id, rank FROM ranking_items WHERE ranking_id IN ({marks})", ids
        ):
            ranks[ranking_id][CompletionId(completion)] = rank
    return [_ranking(row, ranks[row[0]]) for row in rows]


def _ranking(row: tuple, ranks: Mapping[CompletionId, int | None]) -> Ranking:
    return Ranking(
        id=RankingId(row[0]),
        uuid=row[1],
        group_id=GroupId(row[2]),
        kind=row[3],
        annotator=row[4],
        annotator_kind=row[5],
        ranks=ranks,
        presented=tuple(json.loads(row[6])),
        strength=row[7],
        flags=tuple(json.loads(row[8])),
        note=row[9],
        seconds=row[10],
        supersedes=row[11],
        undoes=row[12],
        created=row[13],
        confidence=row[14],
    )


def _last_id(project: Project, group_id: GroupId, annotator: str, annotator_kind: str) -> RankingId | None:
    row = project.db.conn.execute(
        "SELECT max(id) FROM rankings WHERE group_id = ? AND annotator = ? AND annotator_kind = ?",
        [group_id, annotator, annotator_kind],
    ).fetchone()
    return row[0]


def _write(project: Project, ranking: Ranking) -> Ranking:
    conn = project.db.conn
    cursor = conn.execute(
        "INSERT INTO rankings (uuid, group_id, kind, annotator, annotator_kind, presented, strength, flags, note,"
        " seconds, supersedes, undoes, created, confidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            ranking.uuid,
            ranking.group_id,
            ranking.kind,
            ranking.annotator,
            ranking.annotator_kind,
            to_text(list(ranking.presented)),
            ranking.strength,
            to_text(list(ranking.flags)),
            storable(ranking.note),
            ranking.seconds,
            ranking.supersedes,
            ranking.undoes,
            ranking.created,
            ranking.confidence,
        ],
    )
    conn.executemany(
        "INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)",
        [(cursor.lastrowid, completion, rank) for completion, rank in ranking.ranks.items()],
    )
    return get(project, RankingId(cursor.lastrowid or 0))

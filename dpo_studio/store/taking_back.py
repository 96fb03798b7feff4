"""Taking back what was written of an import that a person cancelled, in transactions of some milliseconds.

The rows of an import are told by their ids, which are past those that there were before it, and by the moment all of
them were made. Rankings are otherwise only ever added: these go because they never came, and what was counted with
them is counted back. What others have built upon since stays: a group that somebody judged, a prompt that was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from dpo_studio.core.types import PromptId

from . import prompt_edits
from .database import Project
from .light_sqlite_utils import Database
from .pace import Pace

if TYPE_CHECKING:
    from .settling import Told

#: The trigger that keeps rankings; it is away inside the transactions that take some back.
_KEEPER = "rankings_are_kept"


class Firsts(NamedTuple):
    """The last ids before an import."""

    rankings: int
    groups: int
    prompts: int

    @classmethod
    def of_now(cls, project: Project) -> Firsts:
        run = project.db.conn.execute
        return cls(*(run(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0] for table in cls._fields))


def take_back(project: Project, created: str, firsts: Firsts, told: Told | None = None) -> None:
    """Remove what an import wrote; it can be interrupted, and begun again.

    Args:
        created: the moment that all of its rows carry.
    """
    conn = project.db.conn
    steps: dict[str, Callable[[Project, Sequence[int]], None]] = {
        "rankings": _remove_rankings,
        "groups": _remove_groups,
        "prompts": _remove_prompts,
    }
    totals = {
        table: conn.execute(
            f"SELECT count(*) FROM {table} WHERE id > ? AND created = ?", [getattr(firsts, table), created]
        ).fetchone()[0]
        for table in steps
    }
    done, total = 0, sum(totals.values())
    for table, remove in steps.items():
        pace, before = Pace(), 2**63 - 1
        with _unreferred(project, table):
            while ids := _last(project, table, created, getattr(firsts, table), before, pace.rows):
                with pace.turn(), project.transaction():
                    remove(project, ids)
                before = ids[-1]
                done += len(ids)
                if told is not None:
                    told("taken back", done, total)


def _last(project: Project, table: str, created: str, after: int, before: int, limit: int) -> list[int]:
    """The last of the import's rows between two ids, the newest first."""
    rows = project.db.conn.execute(
        f"SELECT id FROM {table} WHERE id > ? AND id < ? AND created = ? ORDER BY id DESC LIMIT ?",
        [after, before, created, limit],
    )
    return [row[0] for row in rows]


def _remove_rankings(project: Project, ids: Sequence[int]) -> None:
    """Remove rankings that nobody's later judgement stands upon. Those that stand upon each other go together."""
    conn, marks = project.db.conn, ", ".join("?" * len(ids))
    upon: dict[int, set[int]] = {}
    for one, supersedes, undoes in conn.execute(
        f"SELECT id, supersedes, undoes FROM rankings WHERE supersedes IN ({marks}) OR undoes IN ({marks})",
        [*ids, *ids],
    ):
        for below in (supersedes, undoes):
            upon.setdefault(below, set()).add(one)
    gone: set[int] = set()
    for one in ids:
        if upon.get(one, set()) <= gone:
            gone.add(one)
    if not gone:
        return
    marks, values = ", ".join("?" * len(gone)), list(gone)
    judged = conn.execute(
        f"SELECT group_id, annotator FROM rankings WHERE id IN ({marks}) AND annotator_kind = 'person'", values
    ).fetchall()
    for change, counted in (("- 1", "r"), ("+ 1", "s")):
        conn.executemany(
            f"UPDATE ranking_tallies SET standing = standing {change}"
            " WHERE annotator = ? AND annotator_kind = ? AND kind = ?",
            conn.execute(
                f"""SELECT {counted}.annotator, {counted}.annotator_kind, {counted}.kind FROM rankings r
                LEFT JOIN rankings s ON s.id = r.supersedes
                WHERE r.id IN ({marks}) AND {counted}.id IS NOT NULL
                    AND (SELECT repeat_of FROM groups WHERE id = r.group_id) IS NULL""",
                values,
            ).fetchall(),
        )
    conn.execute(f"DELETE FROM ranking_items WHERE ranking_id IN ({marks})", values)
    with _rankings_let_go(project.db):
        conn.execute(f"DELETE FROM rankings WHERE id IN ({marks})", values)
    conn.executemany(
        """INSERT OR IGNORE INTO waits (annotator, group_id)
        SELECT a.name, g.id FROM annotators a, groups g JOIN prompts p ON p.id = g.prompt_id
        WHERE g.id = ? AND a.name = ? AND g.ready = 1 AND p.archived = 0
            AND NOT EXISTS (SELECT 1 FROM current_rankings r
                WHERE r.group_id = g.id AND r.annotator = a.name AND r.annotator_kind = 'person')""",
        judged,
    )


def _remove_groups(project: Project, ids: Sequence[int]) -> None:
    """Remove groups without a judgement, of whose prompt nobody made another group since, and their completions."""
    conn, marks = project.db.conn, ", ".join("?" * len(ids))
    gone = [
        row[0]
        for row in conn.execute(
            f"""SELECT g.id FROM groups g WHERE g.id IN ({marks})
            AND NOT EXISTS (SELECT 1 FROM rankings r WHERE r.group_id = g.id)
            AND NOT EXISTS (SELECT 1 FROM groups h
                WHERE h.prompt_id = g.prompt_id AND h.id > g.id AND h.created <> g.created)""",
            ids,
        )
    ]
    marks = ", ".join("?" * len(gone))
    completions = [
        row[0] for row in conn.execute(f"SELECT completion_id FROM group_items WHERE group_id IN ({marks})", gone)
    ]
    conn.execute(f"DELETE FROM group_scores WHERE group_id IN ({marks})", gone)
    conn.execute(f"DELETE FROM group_items WHERE group_id IN ({marks})", gone)
    conn.execute(f"DELETE FROM groups WHERE id IN ({marks})", gone)
    conn.execute(f"DELETE FROM completions WHERE id IN ({', '.join('?' * len(completions))})", completions)


def _remove_prompts(project: Project, ids: Sequence[int]) -> None:
    prompt_edits.take_back(project, [PromptId(one) for one in ids])


@contextmanager
def _unreferred(project: Project, table: str) -> Iterator[None]:
    """Completions go with the only groups that hold them: no index tells SQLite so, which would look through all."""
    conn = project.db.conn
    if table == "groups":
        conn.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        conn.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _rankings_let_go(db: Database) -> Iterator[None]:
    """Within a transaction: rankings can be removed. Whatever happens, the keeper is back when it ends."""
    (keeper,) = db.conn.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", [_KEEPER]
    ).fetchone()
    db.conn.execute(f"DROP TRIGGER {_KEEPER}")
    yield
    db.conn.execute(keeper)

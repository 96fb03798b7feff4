"""The full text of prompts that were added in bulk: written after them, in transactions of some milliseconds.

Prompts that are added one by one have theirs at once, by a trigger (see `schema_2`).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from .database import TO_INDEX, Project
from .pace import Pace

#: Letters of which the full text is written in one transaction, where prompts are long.
_MOST_LETTERS = 100_000


def owe(project: Project, first: int) -> None:
    """Note, in the transaction that adds prompts, that from this id on the full text is not written yet."""
    project.db.conn.execute(
        "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
        " SET value = min(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        [TO_INDEX, str(first)],
    )


def write_all(project: Project, told: Callable[[int, int], None] | None = None) -> None:
    """Write what is missing, in short transactions. Two processes may do it at a time.

    Args:
        told: hears after each transaction how many ids were gone through of how many; what it raises ends this.
    """
    pace = Pace()
    while first := project.fact(TO_INDEX):
        after = int(first) - 1
        last = project.db.conn.execute("SELECT coalesce(max(id), 0) FROM prompts").fetchone()[0]
        while ids := _without(project, after, pace.rows):
            with pace.turn():
                after = _write(project, ids)
            if told is not None:
                told(after - int(first) + 1, last - int(first) + 1)
        with project.transaction() as db:
            if project.fact(TO_INDEX) == first and not _without(project, after, 1):
                db.conn.execute("DELETE FROM facts WHERE name = ?", [TO_INDEX])


def _without(project: Project, after: int, limit: int) -> list[int]:
    """The next prompts past an id that have no full text."""
    rows = project.db.conn.execute(
        "SELECT p.id FROM prompts p WHERE p.id > ? AND NOT EXISTS"
        " (SELECT 1 FROM prompts_text_docsize d WHERE d.id = p.id) ORDER BY p.id LIMIT ?",
        [after, limit],
    )
    return [row[0] for row in rows]


def _write(project: Project, ids: list[int]) -> int:
    """Write the full text of these prompts, fewer where they are long; the last one that was looked at."""
    letters, last = 0, ids[0]
    with project.transaction() as db:
        for one in ids:
            row = db.conn.execute(
                "SELECT messages FROM prompts p WHERE id = ? AND NOT EXISTS"
                " (SELECT 1 FROM prompts_text_docsize d WHERE d.id = p.id)",
                [one],
            ).fetchone()
            last = one
            if row is None:  # taken back, or written by another process
                continue
            text = "\n".join(turn["content"] for turn in json.loads(row[0]))
            db.conn.execute("INSERT INTO prompts_text (rowid, text) VALUES (?, ?)", [one, text])
            letters += len(text)
            if letters > _MOST_LETTERS:
                break
    return last

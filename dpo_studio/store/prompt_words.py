"""The full text of prompts that were added in bulk: written after them, some thousand at a time.

Prompts that are added one by one have theirs at once, by a trigger (see `schema_2`).
"""

from __future__ import annotations

import json

from .database import TO_INDEX, Project

#: Prompts whose full text is written in one transaction; a second's work.
AT_ONCE = 8000


def write_all(project: Project, *, after: int = 0) -> None:
    """Write what is missing past this id, in short transactions. Two processes may do it at a time."""
    while project.fact(TO_INDEX):
        after = write_some(project, after)


def write_some(project: Project, after: int) -> int:
    """Write the full text of the next prompts past this id that have none, and return the last one's id."""
    conn = project.db.conn
    with project.transaction():
        rows = conn.execute(
            "SELECT p.id, p.messages FROM prompts p WHERE p.id > ? AND NOT EXISTS"
            " (SELECT 1 FROM prompts_text_docsize d WHERE d.id = p.id) ORDER BY p.id LIMIT ?",
            [after, AT_ONCE],
        ).fetchall()
        conn.executemany(
            "INSERT INTO prompts_text (rowid, text) VALUES (?, ?)",
            [(one, "\n".join(turn["content"] for turn in json.loads(messages))) for one, messages in rows],
        )
        if len(rows) < AT_ONCE:
            conn.execute("DELETE FROM facts WHERE name = ?", [TO_INDEX])
    return rows[-1][0] if rows else after

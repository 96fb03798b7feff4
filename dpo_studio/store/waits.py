"""What waits for whom. The rows are kept by the database's triggers (see `schema_2.WAITS`); here they are read.

An annotator is counted from the first time somebody asks what waits under that name.
"""

from __future__ import annotations

from dpo_studio.core.types import GroupId

from .database import Project


def count(project: Project, annotator: str) -> int:
    """How many groups wait for a person's first judgement; repeats are not told, so that they stay blind."""
    ensure(project, annotator)
    row = project.db.conn.execute("SELECT waiting FROM annotators WHERE name = ?", [annotator]).fetchone()
    return int(row[0])


def ids(project: Project, annotator: str, *, after: GroupId | None = None, limit: int = -1) -> list[GroupId]:
    """The groups that wait for a person, in the order in which they came, from past `after`; -1 is all of them."""
    ensure(project, annotator)
    rows = project.db.conn.execute(
        "SELECT group_id FROM waits WHERE annotator = ? AND group_id > ? ORDER BY group_id LIMIT ?",
        [annotator, after or 0, limit],
    )
    return [GroupId(row[0]) for row in rows]


def is_waiting(project: Project, annotator: str, group_id: GroupId) -> bool:
    row = project.db.conn.execute(
        "SELECT 1 FROM waits WHERE annotator = ? AND group_id = ?", [annotator, group_id]
    ).fetchone()
    return row is not None


def ensure(project: Project, annotator: str) -> None:
    """Begin to keep what waits for this person, unless that was done before."""
    known = "SELECT 1 FROM annotators WHERE name = ?"
    if project.db.conn.execute(known, [annotator]).fetchone():
        return
    with project.transaction() as db:
        if db.conn.execute(known, [annotator]).fetchone():
            return
        db.conn.execute(
            """INSERT INTO waits (annotator, group_id)
            SELECT ?, g.id FROM groups g JOIN prompts p ON p.id = g.prompt_id
            WHERE g.ready = 1 AND g.repeat_of IS NULL AND p.archived = 0 AND NOT EXISTS
                (SELECT 1 FROM current_rankings r
                WHERE r.group_id = g.id AND r.annotator = ? AND r.annotator_kind = 'person')""",
            [annotator, annotator],
        )
        db.conn.execute(
            "INSERT INTO annotators (name, waiting) SELECT ?, count(*) FROM waits WHERE annotator = ?",
            [annotator, annotator],
        )

"""The databases of two copies of a project: which rows of the other one are here, and adding rows here.

Rows are dicts by column. Ids differ between the copies; uuids do not.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .database import Project, in_chunks


class TwoCopies:
    """The project, `here` over its connection, and the other copy, `there`, which has the same schema.

    Attributes:
        policies: ids here of the other copy's policies.
    """

    def __init__(self, project: Project, there: sqlite3.Connection) -> None:
        self.project, self.here, self.there = project, project.db.conn, there
        self.policies: dict[int | None, int | None] = {None: None}

    def matched(self, table: str, theirs: Iterable[int]) -> dict[int, int]:
        """The ids here of rows of the other copy that are here."""
        found = where(self.there, f"SELECT id, uuid FROM {table}", "id", theirs)
        return self.here_of(table, ((row["id"], row["uuid"]) for row in found))

    def here_of(self, table: str, theirs: Iterable[tuple[int, str]]) -> dict[int, int]:
        """The ids here of those that are here of some rows of the other copy, given as ids and uuids."""
        by_uuid = {uuid: one for one, uuid in theirs}
        found = where(self.here, f"SELECT id, uuid FROM {table}", "uuid", by_uuid)
        return {by_uuid[row["uuid"]]: row["id"] for row in found}

    def known(self, table: str, uuid: str) -> int | None:
        found = self.here.execute(f"SELECT id FROM {table} WHERE uuid = ?", [uuid]).fetchone()
        return None if found is None else int(found[0])

    def next_id(self, table: str) -> int:
        return int(self.here.execute(f"SELECT ifnull(max(id), 0) + 1 FROM {table}").fetchone()[0])

    def insert(self, table: str, row: Mapping[str, Any], **changed: Any) -> int:
        values = {name: value for name, value in {**row, **changed}.items() if name != "id"}
        marks = ", ".join("?" * len(values))
        cursor = self.here.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))
        return int(cursor.lastrowid or 0)

    def insert_many(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            sql = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})"
            self.here.executemany(sql, [list(row.values()) for row in rows])


def items_of(conn: sqlite3.Connection, groups: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
    """Of each of some groups its places and completions, in order."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in where(conn, "SELECT * FROM group_items", "group_id", groups, "ORDER BY group_id, candidate"):
        found[row["group_id"]].append((row["candidate"], row["completion_id"]))
    return found


def where(
    conn: sqlite3.Connection, query: str, column: str, values: Iterable[Any], order: str = ""
) -> Iterator[dict[str, Any]]:
    """The rows in which a column is one of these values."""
    for some in in_chunks(values):
        marks = ", ".join("?" * len(some))
        yield from rows_of(conn, f"{query} WHERE {column} IN ({marks}) {order}", some)


def rows_of(conn: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
    cursor = conn.execute(sql, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))

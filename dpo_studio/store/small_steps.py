"""Settings of a connection for many short transactions (see `pace`): together they are durable, each is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .database import SYNCHRONOUS, WAL_PAGES, Project

#: Memory for pages that are written: with SQLite's own 2 MB the indices of a large project are written over and over.
_CACHE_KIB = 64 * 1024
#: So many pages wait in the log before they are written into the database, which is done here: not by who labels.
_WAL_PAGES = WAL_PAGES // 2
_DURABLE = "durable"


@contextmanager
def in_small_steps(project: Project) -> Iterator[None]:
    """Context: transactions are quick, and outlast a power cut once `make_durable` was called after it."""
    conn = project.db.conn
    (pages,) = conn.execute("PRAGMA cache_size").fetchone()
    conn.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
    conn.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    conn.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        conn.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        conn.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        conn.execute(f"PRAGMA cache_size = {pages}")


def make_durable(project: Project) -> None:
    """Have all that was written before outlast a power cut: a commit does, and this one changes nothing."""
    with project.transaction() as db:
        db.conn.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, '')", [_DURABLE])
        db.conn.execute("DELETE FROM facts WHERE name = ?", [_DURABLE])

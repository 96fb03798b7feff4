"""Copies of the database in `backups/`, made while it is open; the oldest are let go."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

#: Hears SQLite's status, how many pages are left, and of how many.
OnPart = Callable[[int, int, int], None]

KEPT = 7
_PART_PAGES = 4_000
_DAY_S = 86_400
_PARTIAL = ".partial"
#: A half-written copy that nobody has written to for so long is of a process that died.
_FORSAKEN_S = 3600


def make(conn: sqlite3.Connection, folder: Path, *, label: str, on_part: OnPart | None = None) -> Path:
    """Write a complete copy of the database and return its path.

    Args:
        on_part: called after each part, as `sqlite3.Connection.backup` does; what it raises ends this.

    Raises:
        OSError, sqlite3.Error: it could not be written; nothing half written is left.
    """
    target_folder = folder / "backups"
    target_folder.mkdir(exist_ok=True)
    _clear_forsaken(target_folder)
    target = target_folder / f"project-{datetime.now():%Y%m%d-%H%M%S}-{label}.db"
    partial = target.with_suffix(f".{uuid.uuid4().hex}{_PARTIAL}")
    try:
        copy = sqlite3.connect(partial)
        try:
            if on_part is None:
                conn.backup(copy)
            else:
                _copy_in_parts(conn, copy, on_part)
        finally:
            copy.close()
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    for old in _all(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return target


def make_daily(conn: sqlite3.Connection, folder: Path, *, on_part: OnPart | None = None) -> Path | None:
    """A backup, unless one of the last day exists."""
    last = newest(folder)
    if last is not None and abs(time.time() - last.stat().st_mtime) < _DAY_S:
        return None
    return make(conn, folder, label="daily", on_part=on_part)


def newest(folder: Path) -> Path | None:
    copies = _all(folder)
    return copies[0] if copies else None


def _copy_in_parts(conn: sqlite3.Connection, copy: sqlite3.Connection, on_part: OnPart) -> None:
    """Copy the database as it is now, though others write to it between two parts (SQLite would begin anew)."""
    conn.execute("BEGIN")
    try:
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
        conn.backup(copy, pages=_PART_PAGES, progress=on_part)
    finally:
        conn.execute("ROLLBACK")


def _clear_forsaken(target_folder: Path) -> None:
    """Clear away what dead processes left half written; another living one may be at its own copy this moment."""
    for path in target_folder.glob(f"*{_PARTIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _FORSAKEN_S:
                path.unlink()


def _all(folder: Path) -> list[Path]:
    return sorted((folder / "backups").glob("project-*.db"), reverse=True)

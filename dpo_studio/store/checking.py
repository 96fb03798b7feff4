"""Whether a project's database is whole, and its copy of the day: what takes a second for each half a gigabyte.

An opening does both before anything else; or leaves them to a thread, with `check`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from . import backup
from .database_errors import damaged, readable, reason_of

if TYPE_CHECKING:
    from .database import Project


class GivenUp(Exception):
    """`stop` said yes, or the connection was interrupted."""


def check(project: Project, *, stop: Callable[[], bool] = lambda: False) -> str:
    """Look through the database, then make the day's backup: a sentence when that could not be written, or "".

    Args:
        stop: whether to give up; asked between parts of the backup. `Project.interrupt` does so at once.

    Raises:
        UserError: the database is damaged.
        GivenUp: it was not finished.
    """
    try:
        with readable(project.folder):
            look_through(project.db.conn, project.folder)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise GivenUp from error
        raise

    def on_part(_status: int, _left: int, _total: int) -> None:
        if stop():
            raise GivenUp

    if stop():
        raise GivenUp
    return back_up_daily(project.db.conn, project.folder, on_part=on_part)


def look_through(conn: sqlite3.Connection, folder: Path) -> None:
    """Read every page.

    Raises:
        UserError: the database is damaged.
    """
    (said,) = conn.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise damaged(folder, said.strip().splitlines()[-1])


def back_up_daily(
    conn: sqlite3.Connection, folder: Path, *, on_part: Callable[[int, int, int], None] | None = None
) -> str:
    """The day's backup; a sentence when it could not be written, which must not keep anyone from working.

    Args:
        on_part: called after each part, as `sqlite3.Connection.backup` does; without it there is one part.
    """
    try:
        backup.make_daily(conn, folder, on_part=on_part)
    except (OSError, sqlite3.Error) as error:
        return (
            f"Today's backup could not be written ({reason_of(error)})."
            f" Make room on the disk, or check the permissions of {folder / 'backups'}."
        )
    return ""

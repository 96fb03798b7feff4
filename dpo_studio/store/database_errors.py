"""SQLite's errors about a project's file, in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpo_studio.core.errors import UserError

from . import backup

DATABASE_NAME = "project.db"


class BusyError(UserError):
    """Another program was writing to the project; what was to be written can be tried again."""


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into sentences; errors in our own SQL stay bugs."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        said = _in_words(folder, error)
        if said is None:
            raise
        raise said from error


def _in_words(folder: Path, error: sqlite3.DatabaseError) -> UserError | None:
    """The sentence for an error that the file or its surroundings caused, by SQLite's primary code."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BusyError(
            "Another program is writing to this project and did not finish in time.",
            "Close it, or wait a moment and do this again; nothing was lost.",
        )
    if code == sqlite3.SQLITE_FULL:
        return UserError(
            "The disk that holds this project is full, so this was not saved.",
            "Free some space and do it again; everything saved before is intact.",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return UserError(
            f"{folder / DATABASE_NAME} cannot be written.",
            "Check the folder's permissions, or copy the project to a place you can write to.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return UserError(
            f"The disk failed while {folder / DATABASE_NAME} was read or written ({error}).",
            "Check that the disk has room and is still connected, then open the project again.",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(folder, str(error))
    return None


def reason_of(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def damaged(folder: Path, reason: str) -> UserError:
    newest = backup.newest(folder)
    hint = (
        f"Its newest backup is {newest}: copy it over {DATABASE_NAME} after putting the damaged file aside."
        if newest
        else f"There is no backup yet; keep the file, and try sqlite3's .recover on {DATABASE_NAME}."
    )
    return UserError(f"The project's database is damaged ({reason}).", hint)

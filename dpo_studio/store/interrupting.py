"""A query that takes long can be given up, as when a person types on while a search runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .database import Project

#: Steps of SQLite's machine between two questions whether to go on: about a millisecond.
_STEPS = 20_000


class Interrupted(Exception):
    """The query was given up."""


@contextmanager
def until(project: Project, stop: Callable[[], bool]) -> Iterator[None]:
    """Ask `stop` every so often while a query of this connection runs.

    Raises:
        Interrupted: `stop` said yes.
    """
    conn = project.db.conn
    conn.set_progress_handler(lambda: int(stop()), _STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise Interrupted from error
        raise
    finally:
        conn.set_progress_handler(None, 0)

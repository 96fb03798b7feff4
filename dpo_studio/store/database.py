"""A project folder: create it, open it, close it, and run transactions on its database."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from dpo_studio.core.errors import UserError

from . import backup
from .migrations import APPLICATION_ID, SCHEMA_VERSION, migrations

DATABASE_NAME = "project.db"
_BUSY_TIMEOUT_S = 10.0


class Project:
    """An open project. Use it from the thread that opened it.

    Attributes:
        folder: the project's folder; `runs/` and `backups/` are in it.
        db: the sqlite-utils database, for the modules of this package only.
    """

    def __init__(self, folder: Path, db: Database) -> None:
        self.folder = folder
        self.db = db

    @classmethod
    def create(cls, folder: str | Path, *, guideline: str = "") -> Project:
        """Make a new project folder and open it.

        Raises:
            UserError: the folder holds something already, or cannot be written.
        """
        folder = Path(folder).expanduser().resolve()
        if (folder / DATABASE_NAME).exists():
            raise UserError(f"{folder} is a project already.", "Open it, or choose another folder.")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} is not empty.", "Choose a new folder for the project.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "runs").mkdir()
            (folder / "backups").mkdir()
        except OSError as error:
            raise UserError(
                f"The folder {folder} could not be made: {error.strerror}.", "Choose another place."
            ) from error
        with _readable(folder):
            project = cls(folder, _connect(folder / DATABASE_NAME))
            project.db.conn.execute("PRAGMA journal_mode = WAL")
            project.db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrations.apply(project.db)
        project.set_fact("project_uuid", new_uuid())
        project.set_fact("guideline", guideline)
        return project

    @classmethod
    def open(cls, folder: str | Path) -> Project:
        """Open a project, migrating an older schema after a backup.

        Raises:
            UserError: no project, a newer schema, or a damaged database; nothing was changed.
        """
        folder = Path(folder).expanduser().resolve()
        path = folder / DATABASE_NAME
        if not path.is_file():
            raise UserError(
                f"{folder} is not a DPO Studio project: it has no {DATABASE_NAME}.",
                "Open the folder that holds that file, or make a new project.",
            )
        with _readable(folder):
            db = _connect(path)
            try:
                _check_identity(db, folder)
                (check,) = db.conn.execute("PRAGMA quick_check(1)").fetchone()
                if check != "ok":
                    raise sqlite3.DatabaseError(check)
                version = _user_version(db)
                if version < SCHEMA_VERSION:
                    backup.make(db.conn, folder, label=f"schema-{version}")
                    migrations.apply(db)
                db.conn.execute("PRAGMA journal_mode = WAL")
                backup.make_daily(db.conn, folder)
            except BaseException:
                db.close()
                raise
        (folder / "runs").mkdir(exist_ok=True)
        return cls(folder, db)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """All or nothing, and durable on return. Nested uses join the outer one.

        Raises:
            UserError: the database is locked by another process, full, or damaged.
        """
        conn = self.db.conn
        if conn.in_transaction:
            yield self.db
            return
        with _readable(self.folder):
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                conn.execute("COMMIT")
            except BaseException:
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
                raise

    def fact(self, name: str, default: str = "") -> str:
        """A named text that belongs to the project, such as its guideline."""
        row = self.db.conn.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return default if row is None else row[0]

    def set_fact(self, name: str, value: str) -> None:
        with self.transaction() as db:
            db.table("facts").upsert({"name": name, "value": value}, pk="name")

    @property
    def guideline(self) -> str:
        """What "better" means in this project, in its owner's words."""
        return self.fact("guideline")

    @property
    def annotator(self) -> str:
        """The name under which this copy of the project labels."""
        return self.fact("annotator", "me")


def new_uuid() -> str:
    return str(uuid.uuid4())


def now() -> str:
    """The time in UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_text(value: Any) -> str | None:
    """JSON text of a value, or None for None."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _connect(path: Path) -> Database:
    conn = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    conn.execute("PRAGMA foreign_keys = ON")
    conn.execute("PRAGMA synchronous = FULL")
    return Database(conn)


def _user_version(db: Database) -> int:
    return int(db.conn.execute("PRAGMA user_version").fetchone()[0])


def _check_identity(db: Database, folder: Path) -> None:
    (application_id,) = db.conn.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise UserError(
            f"{folder / DATABASE_NAME} is a database of another application.",
            "Open a folder that DPO Studio made, or make a new project.",
        )
    version = _user_version(db)
    if version > SCHEMA_VERSION:
        raise UserError(
            f"This project was made by a newer DPO Studio (schema {version}; this one knows {SCHEMA_VERSION}).",
            "Update DPO Studio to open it; nothing in the project was changed.",
        )


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into sentences; errors in our own SQL stay bugs."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise UserError(
                "Another program is writing to this project and did not finish in time.",
                "Close it, or wait a moment and do this again; nothing was lost.",
            ) from error
        if "full" in text:
            raise UserError(
                "The disk that holds this project is full, so this was not saved.",
                "Free some space and do it again; everything saved before is intact.",
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise UserError(
                f"{folder / DATABASE_NAME} cannot be written.",
                "Check the folder's permissions, or copy the project to a place you can write to.",
            ) from error
        if "malformed" in text or "disk I/O" in text:
            raise _damaged(folder, error) from error
        raise
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> UserError:
    newest = backup.newest(folder)
    hint = (
        f"Its newest backup is {newest}: copy it over {DATABASE_NAME} after putting the damaged file aside."
        if newest
        else f"There is no backup yet; keep the file, and try sqlite3's .recover on {DATABASE_NAME}."
    )
    return UserError(f"The project's database is damaged ({error}).", hint)

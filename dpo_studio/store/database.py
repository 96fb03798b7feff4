"""A project folder: create it, open it, close it, and run transactions on its database."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError

from . import backup, checking
from .database_errors import DATABASE_NAME, damaged, readable, reason_of
from .light_sqlite_utils import Database
from .migrations import APPLICATION_ID, SCHEMA_VERSION, migrations

#: The annotator of a project in which nobody gave a name.
NOBODY = "me"
#: The fact that stands inside a transaction that adds prompts in bulk: see `prompt_words`.
IN_BULK = "prompts_in_bulk"
#: The fact that stands while the full text of some prompts is not written yet.
TO_INDEX = "prompts_to_index"
#: How safe each commit is ("FULL" outlasts a power cut), and how many pages of the log are left before a commit takes
#: them into the database: as many as can be taken without a person noticing.
SYNCHRONOUS, WAL_PAGES = "FULL", 4_000
_BUSY_TIMEOUT_S, _ASK_AGAIN_S = 10.0, 0.001
_MAGIC, _HEADER_BYTES = b"SQLite format 3\0", 100
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


class Project:
    """An open project. Use it from the thread that opened it.

    Attributes:
        folder: the project's folder; `runs/` and `backups/` are in it.
        db: the sqlite-utils database, for the modules of this package only.
        warning: a sentence about something that went wrong while opening and stops nothing, or "".
    """

    def __init__(self, folder: Path, db: Database, *, warning: str = "", annotator: str | None = None) -> None:
        self.folder = folder
        self.db = db
        self.warning = warning
        self._annotator = annotator

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
        existed = folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "runs").mkdir()
            (folder / "backups").mkdir()
        except OSError as error:
            raise UserError(
                f"The folder {folder} could not be made: {error.strerror}.", "Choose another place."
            ) from error
        try:
            return cls._create_in(folder, guideline)
        except BaseException:
            _clear(folder, itself=not existed)
            raise

    @classmethod
    def _create_in(cls, folder: Path, guideline: str) -> Project:
        with readable(folder):
            project = cls(folder, _connect(folder / DATABASE_NAME))
            try:
                project.db.conn.execute("PRAGMA journal_mode = WAL")
                project.db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                migrations.apply(project.db)
                project.set_fact("project_uuid", new_uuid())
                project.set_fact("guideline", guideline)
            except BaseException:
                project.close()
                raise
        return project

    @classmethod
    def open(cls, folder: str | Path, *, settled: bool = True, checked: bool = True) -> Project:
        """Open a project, migrating an older schema after a backup.

        Args:
            settled: finish an import or a merge that was interrupted first (see `settling`), which can take minutes.
            checked: look for damage and make the day's backup first (see `checking`), which can take seconds.

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
        _check_header(path)
        warning = ""
        with readable(folder):
            db = _connect(path)
            try:
                _check_identity(folder, *_identity(db))
                version = _identity(db)[1]
                if checked or version < SCHEMA_VERSION:
                    checking.look_through(db.conn, folder)
                if version < SCHEMA_VERSION:
                    _back_up_before_migrating(db, folder, version)
                    _migrate(db)
                db.conn.execute("PRAGMA journal_mode = WAL")
                (folder / "runs").mkdir(exist_ok=True)
                warning = checking.back_up_daily(db.conn, folder) if checked else ""
            except OSError as error:
                db.close()
                raise UserError(
                    f"The folder {folder} cannot be written: {error.strerror}.",
                    "Check its permissions, or copy the project to a place you can write to.",
                ) from error
            except BaseException:
                db.close()
                raise
        project = cls(folder, db, warning=warning)
        if settled:
            from .settling import settle  # which needs this module

            with _closed_on_failure(project):
                settle(project)
        return project

    def beside(self) -> Project:
        """The same project over a connection of its own, for the thread that calls this.

        Raises:
            UserError: the database cannot be opened any more.
        """
        with readable(self.folder):
            return Project(self.folder, _connect(self.folder / DATABASE_NAME), annotator=self._annotator)

    def interrupt(self) -> None:
        """Give up what its connection does, from another thread than the one that opened it."""
        self.db.conn.interrupt()

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
            UserError: the database is full or damaged; BusyError, one of them, where another process is writing.
        """
        conn = self.db.conn
        if conn.in_transaction:
            yield self.db
            return
        with readable(self.folder):
            _begin(conn)
            try:
                yield self.db
                conn.execute("COMMIT")
            except BaseException:
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
                raise

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Context: a transaction waits this long for another program's to end, instead of ten seconds."""
        conn = self.db.conn
        (before,) = conn.execute("PRAGMA busy_timeout").fetchone()
        conn.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")
        try:
            yield
        finally:
            conn.execute(f"PRAGMA busy_timeout = {before}")

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
        """The name under which labels are given here: it stays though another window goes on under another one."""
        return self._name() or NOBODY

    @property
    def is_named(self) -> bool:
        """Whether anybody gave a name here, or before this was opened."""
        return bool(self._name())

    def label_as(self, annotator: str) -> None:
        """Give labels under this name from now on, here and where the project is opened next."""
        if self.fact("annotator") != annotator:
            self.set_fact("annotator", annotator)
        self._annotator = annotator

    def _name(self) -> str:
        if self._annotator is None:
            self._annotator = self.fact("annotator")
        return self._annotator


def new_uuid() -> str:
    return str(uuid.uuid4())


def now() -> str:
    """The time in UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_text(value: Any) -> str | None:
    """JSON text of a value, or None for None."""
    return None if value is None else storable(json.dumps(value, ensure_ascii=False))


def in_chunks(values: Iterable[int], size: int = 500) -> Iterator[list[int]]:
    """The values in lists of at most `size`, short enough for one IN (…)."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def storable(text: str) -> str:
    """The text with halves of surrogate pairs, which no file can hold, replaced by U+FFFD."""
    return _LONE_SURROGATES.sub("\ufffd", text)


def _connect(path: Path) -> Database:
    conn = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    conn.execute("PRAGMA foreign_keys = ON")
    conn.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
    conn.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    return Database(conn)


def _begin(conn: sqlite3.Connection) -> None:
    """Begin to write, as soon as nobody else does.

    Asked every millisecond: SQLite itself asks ever less often, up to ten times a second, and so misses the moments
    that an import leaves to others between its transactions (see `pace`).
    """
    (patience_ms,) = conn.execute("PRAGMA busy_timeout").fetchone()
    conn.execute("PRAGMA busy_timeout = 0")
    try:
        end = time.monotonic() + patience_ms / 1000
        while True:
            try:
                conn.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            time.sleep(_ASK_AGAIN_S)
    finally:
        conn.execute(f"PRAGMA busy_timeout = {patience_ms}")


@contextmanager
def _closed_on_failure(project: Project) -> Iterator[None]:
    try:
        yield
    except BaseException:
        project.close()
        raise


def _identity(db: Database) -> tuple[int, int]:
    """The application id and the schema version."""
    (application_id,) = db.conn.execute("PRAGMA application_id").fetchone()
    (version,) = db.conn.execute("PRAGMA user_version").fetchone()
    return application_id, version


def _check_header(path: Path) -> None:
    """Refuse another application's or a newer file before SQLite opens it, and so may change it."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise damaged(path.parent, "it is empty" if not header else "it is not a database")
    application_id, version = (int.from_bytes(header[at : at + 4], "big") for at in (68, 60))
    if application_id or not path.with_name(f"{DATABASE_NAME}-wal").exists():
        _check_identity(path.parent, application_id, version)


def _check_identity(folder: Path, application_id: int, version: int) -> None:
    if application_id != APPLICATION_ID:
        raise UserError(
            f"{folder / DATABASE_NAME} is a database of another application.",
            "Open a folder that DPO Studio made, or make a new project.",
        )
    if version > SCHEMA_VERSION:
        raise UserError(
            f"This project was made by a newer DPO Studio (schema {version}; this one knows {SCHEMA_VERSION}).",
            "Update DPO Studio to open it; nothing in the project was changed.",
        )


def _migrate(db: Database) -> None:
    """Bring the schema up to date. What is missing is seen under the lock: another process may be at it already."""
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(db)
        db.conn.execute("COMMIT")
    except BaseException:
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK")
        raise


def _back_up_before_migrating(db: Database, folder: Path, version: int) -> None:
    """Nothing is migrated that was not copied first."""
    try:
        backup.make(db.conn, folder, label=f"schema-{version}")
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"This project is of an older version and has to be backed up before it is brought up to date,"
            f" but the backup could not be written ({reason_of(error)}).",
            f"Make room on the disk, or check the permissions of {folder / 'backups'}; nothing was changed.",
        ) from error


def _clear(folder: Path, *, itself: bool) -> None:
    """Take away what a failed `create` left in a folder that was empty before."""
    for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"):
        (folder / name).unlink(missing_ok=True)
    for path in [folder / "runs", folder / "backups", *([folder] if itself else [])]:
        with suppress(OSError):
            path.rmdir()

"""Rows on their way into a project: written beside it first, so that an import is all or nothing and nobody waits.

SQLite lets one connection write at a time, and to write a million rows in one transaction takes a minute in which no
label could be saved. So the rows of an import are first written to a file of the project's folder `imports/`, with no
lock on the database. Once the last of them was looked at and nothing stops them, the file gets its final name: from
then on the import is decided. What is decided is written into the database in transactions of some milliseconds (see
`settling`); where that is interrupted, the next opening of the project goes on with it. A file without its final name
is of an import that was given up, and is deleted. Where a person cancels an import that is decided, a mark beside its
rows says so, and what was written of them is taken back (see `taking_back`).

One import at a time: the lock is held from the first row to the last, and let go by the system when a process dies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dpo_studio.core.errors import UserError

_FOLDER, _LOCK = "imports", "lock"
_UNDECIDED, _DECIDED, _CANCELLED = "rows.partial", "rows.jsonl", "cancelled"
_BUFFER_BYTES = 1 << 20


class Staged:
    """The rows of an import, until it is decided.

    Attributes:
        rows: how many there are so far.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder = folder
        self.rows = -1  # what holds for all of them is none
        with _told():
            self._file = (folder / _UNDECIDED).open("wb", buffering=_BUFFER_BYTES)
        self.add(about)

    def add(self, row: Any) -> None:
        """Write a row: whatever JSON can hold.

        Raises:
            UserError: the disk is full, say.
        """
        with _told():
            self._file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self.rows += 1

    def decide(self) -> Path:
        """Have all of it imported, whatever happens now. Durable on return.

        Raises:
            UserError: the disk is full, say; then it is not decided.
        """
        with _told():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._folder / _UNDECIDED, self._folder / _DECIDED)
            _sync(self._folder)
        return self._folder / _DECIDED

    def close(self) -> None:
        """Give up what is not decided."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            (self._folder / _UNDECIDED).unlink(missing_ok=True)


@contextmanager
def stage(folder: Path, about: Mapping[str, Any]) -> Iterator[Staged]:
    """Take the rows of an import. What is not decided when this ends is given up.

    Args:
        folder: the project's.
        about: what holds for all rows; it is the first thing that `read` returns.

    Raises:
        UserError: another import is at work, or the rows cannot be written.
    """
    place = _folder(folder)
    with _told():
        place.mkdir(exist_ok=True)
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            "Another import into this project is at work.", "Wait until it is done, then import this again."
        ) from None
    try:
        if is_decided(folder):  # of a process that died since this one opened the project
            raise UserError("An earlier import is not finished yet.", "Open the project again; it is finished then.")
        _uncancel(place)
        with closing(Staged(place, about)) as staged:
            yield staged
    finally:
        lock.release()


def is_decided(folder: Path) -> bool:
    """Whether there are rows that are decided and not all written into the project yet."""
    return (_folder(folder) / _DECIDED).exists()


def cancel(folder: Path) -> None:
    """Have nothing imported of the rows that are decided: whoever is at them, now or later, takes them back.

    Raises:
        UserError: it could not be noted.
    """
    place = _folder(folder)
    if place.exists():
        with _told():
            (place / _CANCELLED).touch()
            _sync(place)


def is_cancelled(folder: Path) -> bool:
    """Whether the rows that are decided are to be taken back."""
    return (_folder(folder) / _CANCELLED).exists()


def clear(path: Path) -> None:
    """All is done with the rows of a decided import."""
    path.unlink()
    _uncancel(path.parent)


@contextmanager
def decided(folder: Path) -> Iterator[Path | None]:
    """The file of rows that are decided, for the one who writes them into the project; None where there are none.

    Waits while another process is at them. Rows that were given up are cleared away.
    """
    place, lock = _folder(folder), _lock(folder)
    while is_decided(folder) or (place / _UNDECIDED).exists():
        try:
            lock.acquire(timeout=0.1)
        except Timeout:
            if is_decided(folder):
                continue
            break  # another import reads its rows: nothing of it is decided
        try:
            with suppress(OSError):
                (place / _UNDECIDED).unlink(missing_ok=True)
            if is_decided(folder):
                yield place / _DECIDED
                return
        finally:
            lock.release()
    yield None


def read(path: Path, *, start: int) -> Iterator[tuple[Any, int]]:
    """The rows of a file, each with the place after it, in bytes; at 0 there is what holds for all rows."""
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        file.seek(start)
        place = start
        for line in file:
            place += len(line)
            yield json.loads(line), place


def _folder(folder: Path) -> Path:
    return folder / _FOLDER


def _lock(folder: Path) -> FileLock:
    return FileLock(_folder(folder) / _LOCK)


def _uncancel(place: Path) -> None:
    with suppress(OSError):
        (place / _CANCELLED).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make a rename in the folder outlast a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The rows could not be written beside the project: {error.strerror or error}.",
            "Make room on the disk and import again; nothing was imported.",
        ) from error

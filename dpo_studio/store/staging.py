"""Rows on their way into a project: written beside it first, so that an import is all or nothing and nobody waits.

SQLite lets one connection write at a time, and to write a million rows in one transaction takes a minute in which no
label could be saved. So the rows of an import are first written to a file of the project's folder `imports/`, with no
lock on the database. Once the last of them was looked at and nothing stops them, the file gets its final name: from
then on the import is decided. What is decided is written into the database in transactions of some milliseconds (see
`settling`); where that is interrupted, the next opening of the project goes on with it. A file without its final name
is of an import that was given up, and is deleted. Where a person cancels an import that is decided, a mark beside its
rows says so, and what was written of them is taken back (see `taking_back`). A merge is staged and decided alike: its
file is the other copy's database.

One of them at a time: the lock is held from the first row to the last, and let go by the system when a process dies.
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
#: What is decided: the rows of an import, or another copy of the project. Before that it has the suffix besides.
_ROWS, COPY = "rows.jsonl", "copy.db"
_PARTIAL, _CANCELLED = ".partial", "cancelled"
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
            self._file = partial(folder, _ROWS).open("wb", buffering=_BUFFER_BYTES)
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
            self._file.close()
        return decide(self._folder, _ROWS)

    def close(self) -> None:
        """Give up what is not decided."""
        with suppress(OSError):
            self._file.close()


@contextmanager
def stage(folder: Path, about: Mapping[str, Any]) -> Iterator[Staged]:
    """Take the rows of an import. What is not decided when this ends is given up.

    Args:
        folder: the project's.
        about: what holds for all rows; it is the first thing that `read` returns.

    Raises:
        UserError: another import is at work, or the rows cannot be written.
    """
    with one_at_a_time(folder) as place, closing(Staged(place, about)) as staged:
        yield staged


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[Path]:
    """Where one import or merge stages what it brings. What is not decided when this ends is given up.

    Raises:
        UserError: another one is at work, or nothing can be written there.
    """
    place = _folder(folder)
    with _told():
        place.mkdir(exist_ok=True)
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            "Another import or merge is at work in this project.", "Wait until it is done, then do this again."
        ) from None
    try:
        if is_decided(folder):  # of a process that died since this one opened the project
            raise UserError(
                "An earlier import or merge is not finished yet.", "Open the project again; it is finished then."
            )
        _uncancel(place)
        _give_up(place)
        try:
            yield place
        finally:
            _give_up(place)
    finally:
        lock.release()


def partial(place: Path, name: str) -> Path:
    """The file that gets this name once it is decided."""
    return place / f"{name}{_PARTIAL}"


def decide(place: Path, name: str) -> Path:
    """Have what stands in a closed file taken in, whatever happens now. Durable on return.

    Raises:
        UserError: the disk is full, say; then it is not decided.
    """
    with _told():
        with partial(place, name).open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial(place, name), place / name)
        _sync(place)
    return place / name


def is_decided(folder: Path) -> bool:
    """Whether something is decided and not all written into the project yet."""
    return _decided(_folder(folder)) is not None


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
    """All is done with what was decided."""
    path.unlink()
    _uncancel(path.parent)


@contextmanager
def decided(folder: Path) -> Iterator[Path | None]:
    """The file of what is decided, for the one who writes it into the project; None where there is none.

    Waits while another process is at it. What was given up is cleared away.
    """
    place, lock = _folder(folder), _lock(folder)
    while is_decided(folder) or _given_up(place):
        try:
            lock.acquire(timeout=0.1)
        except Timeout:
            if is_decided(folder):
                continue
            break  # another import reads its rows: nothing of it is decided
        try:
            _give_up(place)
            if (path := _decided(place)) is not None:
                yield path
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


def _decided(place: Path) -> Path | None:
    return next((place / name for name in (_ROWS, COPY) if (place / name).exists()), None)


def _given_up(place: Path) -> list[Path]:
    """Files that are not decided, and those that SQLite makes beside them."""
    return [path for name in (_ROWS, COPY) for path in place.glob(f"{name}{_PARTIAL}*")]


def _give_up(place: Path) -> None:
    for path in _given_up(place):
        with suppress(OSError):
            path.unlink(missing_ok=True)


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
            "Make room on the disk and do it again; nothing was changed.",
        ) from error

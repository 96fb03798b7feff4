"""What a project still has to take in: an import or a merge that is decided (see `staging`), and the full text.

All of it is written in transactions of some milliseconds, between which others write: whoever labels meanwhile hardly
waits. What was written of the rows is noted in the same transactions, so that each is written once, however often
this is interrupted. Rows that a person cancelled are taken back in the same way (see `taking_back`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import messages_from_json

from . import merging, prompt_import, prompt_words, staging, taking_back
from .bulk_writing import Writer
from .database import TO_INDEX, Project, new_uuid, now
from .matching import Judged, Matching
from .pace import Pace
from .small_steps import in_small_steps

#: The fact that says how much of an import is written: its uuid, the place in its file, the ids before its own.
_WRITTEN = "import_written"
#: Bytes of rows in one transaction, where rows are long.
_MOST_BYTES = 200_000


#: Hears how far it is: what is done ("written", "made searchable", "taken back"), how many rows of how many.
Told = Callable[[str, int, int], None]


class Cancelled(Exception):
    """A person cancelled the import whose rows are written."""


@dataclass(slots=True)
class Settled:
    """What was written of an import.

    Attributes:
        rows: judgements; or groups, where rows carry none; or prompts, where they are nothing else.
        duplicates: rows that say what stood already.
        prompts, groups: those that were new to the project.
        refused: (place, reason) of rows that could no longer be taken, for others changed the project since they were
            looked at.
        ids: of the prompts that were new, where rows are nothing else: [first, last] of those that follow one another.
    """

    rows: int = 0
    duplicates: int = 0
    prompts: int = 0
    groups: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    ids: list[list[int]] = field(default_factory=list)


def is_settled(project: Project) -> bool:
    """Whether nothing is left to do."""
    return not staging.is_decided(project.folder) and not project.fact(TO_INDEX)


def settle(project: Project, told: Told | None = None) -> bool:
    """Finish what was interrupted, or wait for who is at it. Whether an import was cancelled, and so taken back.

    Raises:
        UserError: the disk is full, say, and what is left is left for the next time; or the rows cannot be written at
            all, which is a bug: they are put aside, so that the project can be opened.
    """
    cancelled = False
    with staging.decided(project.folder) as path:
        if path is not None:
            is_merge = path.name == staging.COPY
            try:
                if is_merge:
                    merging.finish(project, path)
                else:
                    cancelled = write(project, path, told=told) is None
            except UserError:
                raise
            except Exception as error:
                aside = path.rename(path.with_name(f"failed-{new_uuid()}{path.suffix}"))
                what, once_more = ("A merge", "merge") if is_merge else ("An import", "import")
                raise UserError(
                    f"{what} that was interrupted could not be finished ({type(error).__name__}: {error}).",
                    f"Its rows were put aside in {aside}. Open the project again, and {once_more} them once more.",
                ) from error
    write_words(project, told)
    return cancelled


def take(project: Project, staged: staging.Staged, *, told: Told | None = None) -> Settled:
    """Decide an import and write it, by whoever stages it. Durable on return.

    Raises:
        UserError: it cannot be written, or it was cancelled while it was; then nothing is imported.
    """
    total, path = staged.rows, staged.decide()
    try:
        done = write(project, path, total=total, told=told)
    except KeyboardInterrupt:
        staging.cancel(project.folder)
        write(project, path, told=told)
        raise
    if done is None:
        raise UserError("The import was cancelled: nothing was imported.")
    return done


def write(project: Project, path: Path, *, total: int = 0, told: Told | None = None) -> Settled | None:
    """Write the rows of a decided import, by whoever holds its lock, and clear their file away. Durable on return.

    None where it was cancelled, before or meanwhile: then all that was written of it is taken back.

    Args:
        total: how many rows there are; 0 where it is not known.
    """
    try:
        if staging.is_cancelled(project.folder):
            raise Cancelled
        done = _write(project, path, total, told)
    except Cancelled:
        done = None
        held, _ = next(staging.read(path, start=0))
        uuid, _, firsts = _written(project)
        if uuid == held["uuid"]:
            with in_small_steps(project):
                taking_back.take_back(project, held["created"], taking_back.Firsts(*firsts), told)
        write_words(project, told)
    project.set_fact(_WRITTEN, project.fact(_WRITTEN))  # makes all that was written before it durable
    staging.clear(path)
    with project.transaction() as db:
        db.conn.execute("DELETE FROM facts WHERE name = ?", [_WRITTEN])
    return done


def _write(project: Project, path: Path, total: int, told: Told | None) -> Settled:
    done = Settled()
    held, start = next(staging.read(path, start=0))
    size, began = path.stat().st_size, start
    uuid, place, firsts = _written(project)
    with in_small_steps(project):
        taking: _Taking = _Prompts(project, held, done) if held["kind"] == "prompts" else _Judged(project, held, done)
        if uuid == held["uuid"]:
            if place < size:
                taking.recall(path, start, place)
            start = place
        else:
            firsts = taking_back.Firsts.of_now(project)
        pace = Pace()
        for rows, place_after in _batches(path, start, pace):
            if staging.is_cancelled(project.folder):
                raise Cancelled
            with pace.turn(), prompt_import.in_bulk(project) as db:
                taking.take(rows)
                db.conn.execute(
                    "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)",
                    [_WRITTEN, " ".join(map(str, (held["uuid"], place_after, *firsts)))],
                )
            if told is not None:
                share = (place_after - began) / max(size - began, 1)
                told("written", round(share * (total or size)), total or size)
    write_words(project, told, stop=lambda: staging.is_cancelled(project.folder))
    return done


def write_words(project: Project, told: Told | None = None, *, stop: Callable[[], bool] | None = None) -> None:
    """Write the full text that is missing.

    Raises:
        Cancelled: `stop` said yes.
    """

    def on_written(done: int, total: int) -> None:
        if told is not None:
            told("made searchable", done, max(done, total))
        if stop is not None and stop():
            raise Cancelled

    if project.fact(TO_INDEX):
        with in_small_steps(project):
            prompt_words.write_all(project, on_written)


def about(kind: str, source: str) -> dict[str, str]:
    """What holds for all rows of an import.

    Args:
        kind: "prompts", or what rows that carry answers are.
        source: where the prompts come from.
    """
    return {"kind": kind, "uuid": new_uuid(), "source": source, "created": now()}


def prompt_row(text: str, one: str, tags: Sequence[str]) -> list[Any]:
    """A prompt as it is staged: its messages as they are stored, the hash of that text, its tags."""
    return [text, one, list(tags)]


def judged_row(place: str, item: Judged, annotator: tuple[str, str]) -> list[Any]:
    """A judgement as it is staged."""
    return [place, *annotator, asdict(item)]


class _Taking:
    """Takes rows of one kind, a batch at a time, each in a transaction of its own."""

    def __init__(self, project: Project, about: dict[str, Any], done: Settled) -> None:
        self.project, self.done = project, done
        self.writer = Writer(project, source=about["source"], created=about["created"])

    def recall(self, path: Path, start: int, end: int) -> None:
        """Learn what has to be known of the rows that were written before."""

    def take(self, rows: Sequence[list[Any]]) -> None:
        raise NotImplementedError


class _Prompts(_Taking):
    def take(self, rows: Sequence[list[Any]]) -> None:
        self.writer.begin()
        first = self.writer.next_prompt
        added = prompt_import.add_stored(self.project, self.writer, [(row[0], row[1], tuple(row[2])) for row in rows])
        self.done.rows += added
        self.done.prompts += added
        self.done.duplicates += len(rows) - added
        if added and self.done.ids and self.done.ids[-1][1] == first - 1:
            self.done.ids[-1][1] += added
        elif added:
            self.done.ids.append([first, first + added - 1])


class _Judged(_Taking):
    def __init__(self, project: Project, about: dict[str, Any], done: Settled) -> None:
        super().__init__(project, about, done)
        self._matching = Matching(project, self.writer)

    def recall(self, path: Path, start: int, end: int) -> None:
        for rows, _ in _batches(path, start, Pace(), end=end):
            self._matching.recall([_judged(row) for row in rows])

    def take(self, rows: Sequence[list[Any]]) -> None:
        self.writer.begin()
        items = [_judged(row) for row in rows]
        self._matching.look_up(items)
        for (place, name, kind, _), item in zip(rows, items, strict=True):
            try:
                new = self._matching.take(item, (name, kind))
            except UserError as error:
                self.done.refused.append((place, str(error)))
                continue
            self.done.rows += new
            self.done.duplicates += not new
        self.writer.flush()
        self.done.prompts, self.done.groups = self._matching.prompts, self._matching.groups


def _judged(row: list[Any]) -> Judged:
    said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row[3].items()}
    said["messages"] = messages_from_json(row[3]["messages"])
    return Judged(**said)


def _batches(path: Path, start: int, pace: Pace, *, end: int | None = None) -> Iterator[tuple[list[Any], int]]:
    """Rows for one transaction each, and the place after them."""
    rows: list[Any] = []
    for row, place in staging.read(path, start=start):
        rows.append(row)
        if len(rows) >= pace.rows or place - start > _MOST_BYTES or place == end:
            yield rows, place
            rows, start = [], place
        if place == end:
            return
    if rows:
        yield rows, place


def _written(project: Project) -> tuple[str, int, tuple[int, ...]]:
    """Of which import rows are written: its uuid, the place after them, and the ids before its own."""
    uuid, *numbers = project.fact(_WRITTEN).split() or [""]
    place, *firsts = map(int, numbers) if numbers else (0,)
    return uuid, place, tuple(firsts)

"""Prompts of a source, into a project: all of them or none, and none twice; or only what would be added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, prompt_import, settling, staging
from dpo_studio.store.prompts import stored_form

from .columns import Columns
from .prompt_tables import PromptRow, stream
from .readers import Source
from .refusals import ImportRefused, Refused

_AT_ONCE = 500


@dataclass(slots=True)
class PromptImport:
    """What an import of prompts did, or would do.

    Attributes:
        added: prompts that were new.
        duplicates: rows whose conversation was there already, in the project or in the source.
        refused: rows that cannot be prompts.
        notes: sentences on how the source was read.
        first: the first rows (see `preview`).
        ids: of the prompts that were added, as [first, last] of those that follow one another.
    """

    columns: Columns
    added: int = 0
    duplicates: int = 0
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    first: list[tuple[PromptRow, bool]] = field(default_factory=list)
    ids: list[list[int]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "imported": self.added,
            "duplicates": self.duplicates,
            "refused": [one.to_json() for one in self.refused],
            "ids": self.ids,
        }


class _Reading:
    """The rows of a source as prompts; those that cannot be are put aside, answers are counted."""

    def __init__(self, source: Source, done: PromptImport, tags: Sequence[str], told: settling.Told | None) -> None:
        self._source, self._done, self._tags, self._told = source, done, tags, told
        self.taken = self.answers = 0

    def __iter__(self) -> Iterator[PromptRow]:
        for row in stream(self._source, self._done.columns, tags=self._tags):
            if row.problem:
                self._done.refused.append(Refused(row.place, row.problem))
                continue
            self.taken += 1
            self.answers += bool(row.answer)
            if self._told is not None and self.taken % _AT_ONCE == 0:
                self._told("read", self.taken + len(self._done.refused), 0)
            yield row

    def finish(self) -> None:
        """Say how the source was read.

        Raises:
            UserError: there was nothing in it.
        """
        if not self.taken and not self._done.refused:
            raise UserError(f"{self._source.name} holds no rows.", "Check it.")
        self._done.notes += self._source.notes
        if self.answers:
            what = "1 conversation ends" if self.answers == 1 else f"{self.answers:,} conversations end"
            self._done.notes.append(f"{what} with an answer, which was left out: a prompt ends with the user's turn.")


def run(
    project: Project,
    source: Source,
    said: Mapping[str, str],
    *,
    tags: Sequence[str] = (),
    skip_bad: bool = False,
    told: settling.Told | None = None,
) -> PromptImport:
    """Add the prompts of a source.

    Args:
        said: column names by meaning, where they are not to be guessed.
        tags: for all of them.
        skip_bad: add the good rows although there are bad ones.
        told: hears how far it is; "read" rows come first, of 0 since it is not known of how many.

    Raises:
        ImportRefused: there are rows that cannot be used; nothing was imported.
        UserError: the source cannot be read to its end or holds no rows, or the import was cancelled; nothing was
            imported.
    """
    done = PromptImport(Columns("prompts", said))
    reading = _Reading(source, done, tags, told)
    with staging.stage(project.folder, settling.about("prompts", source.name)) as staged:
        for row in reading:
            staged.add(settling.prompt_row(*stored_form(row.messages), row.tags))
        reading.finish()
        if done.refused and (not skip_bad or not reading.taken):
            raise ImportRefused(done.refused, total=reading.taken + len(done.refused))
        written = settling.take(project, staged, told=told)
    done.added, done.duplicates, done.ids = written.prompts, written.duplicates, written.ids
    return done


def preview(
    project: Project,
    source: Source,
    said: Mapping[str, str],
    *,
    tags: Sequence[str] = (),
    shown: int = 5,
    told: settling.Told | None = None,
) -> PromptImport:
    """What `run` would do, with the first rows and whether each is new; the project is only read.

    Raises:
        UserError: the source cannot be read to its end, holds no rows, or no column is the prompt.
    """
    done = PromptImport(Columns("prompts", said))
    reading = _Reading(source, done, tags, told)
    known, rows = prompt_import.Known(project), iter(reading)
    while batch := list(islice(rows, _AT_ONCE)):
        for row, new in zip(batch, known.new([row.messages for row in batch]), strict=True):
            done.added += new
            done.duplicates += not new
            if len(done.first) < shown:
                done.first.append((row, new))
    reading.finish()
    return done

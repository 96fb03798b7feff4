"""Prompts from the rows of a source: which conversation each is, and its tags. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpo_studio.core.errors import UserError
from dpo_studio.core.prompt_rows import conversation_of, tags_of
from dpo_studio.core.types import Conversation

from . import readers
from .columns import Columns, checked


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A row as a prompt, or why it cannot be one.

    Attributes:
        answer: the answer that the conversation ended with and that is not part of the prompt, or "".
        problem: "" for a prompt.
    """

    place: str
    messages: Conversation = ()
    tags: tuple[str, ...] = ()
    answer: str = ""
    problem: str = ""


@dataclass(slots=True)
class PromptTable:
    """What a source holds, all at once; for small sources.

    Attributes:
        rows: each prompt with its own tags, in order.
        refused: (place, reason) of each row that cannot be a prompt.
        columns: which column was read as what.
        answers_left_out: conversations whose final answer was left out.
    """

    rows: list[tuple[Conversation, tuple[str, ...]]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    answers_left_out: int = 0


def stream(source: readers.Source, columns: Columns, *, tags: Sequence[str] = ()) -> Iterator[PromptRow]:
    """The rows of a source as prompts, one by one.

    Args:
        columns: learns the columns from the first row.
        tags: for all of them, after their own.

    Raises:
        UserError: the source cannot be read, or has no column for the prompt.
    """
    for place, values, problem in checked(source, columns):
        if values is None:
            yield PromptRow(place, problem=problem)
            continue
        try:
            messages, answer = conversation_of(values)
            own = tags_of(values.get("tags"))
            yield PromptRow(place, messages, tuple(dict.fromkeys([*own, *tags])) if tags else own, answer)
        except UserError as error:
            yield PromptRow(place, problem=str(error))


def read(given: Path, said: Mapping[str, str] | None = None) -> PromptTable:
    """The prompts of a source; rows that cannot be prompts are refused one by one.

    Args:
        said: column names by meaning, where they are not to be guessed.

    Raises:
        UserError: the source cannot be read, holds no rows, or has no column for the prompt.
    """
    source, columns, table = readers.open_source(given), Columns("prompts", said or {}), PromptTable()
    for row in stream(source, columns):
        if row.problem:
            table.refused.append((row.place, row.problem))
        else:
            table.rows.append((row.messages, row.tags))
            table.answers_left_out += bool(row.answer)
    table.columns = columns.meant
    if not table.rows and not table.refused:
        raise UserError(f"{given} holds no rows.", "Check the file.")
    return table

"""Prompts from the rows of a source: which conversation each is, and its tags. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message

from . import readers, turns
from .columns import Columns, checked

Conversation = tuple[Message, ...]


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


def conversation_of(values: Mapping[str, Any]) -> tuple[Conversation, str]:
    """The prompt of a row whose values go by meaning, and the final answer that was left out of it, or "".

    Raises:
        UserError: why there is none.
    """
    given = values.get("messages") if values.get("messages") is not None else values.get("prompt")
    if given is None or (isinstance(given, str) and not given.strip()):
        raise UserError("its prompt is empty")
    if isinstance(given, str):
        if "\x00" in given:
            raise UserError("it holds a NUL character")
        messages: Conversation = (Message("user", given),)
    else:
        messages = turns.messages(given, "prompt")
    answer = ""
    if messages[-1].role == "assistant" and len(messages) > 1:
        messages, answer = messages[:-1], messages[-1].content
    messages = with_system(messages, values.get("system"))
    turns.check_order(messages)
    if messages[-1].role != "user":
        raise UserError(f"its conversation ends with the {messages[-1].role}, and a prompt ends with the user")
    return messages, answer


def with_system(messages: Conversation, system: Any) -> Conversation:
    """The messages with the system prompt that stands in a column of its own."""
    if system is None or (isinstance(system, str) and not system.strip()):
        return messages
    if not isinstance(system, str):
        raise UserError("its system prompt is not text")
    if messages[0].role == "system":
        raise UserError("it has a system prompt in its messages and another in its own column")
    if "\x00" in system:
        raise UserError("it holds a NUL character")
    return (Message("system", system), *messages)


def tags_of(given: Any) -> tuple[str, ...]:
    """Tags of a list, or of a text with commas between them."""
    if given is None:
        return ()
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise UserError("its tags are neither text nor a list of texts")
    if any("\x00" in part for part in parts):
        raise UserError("it holds a NUL character")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

"""Prompts from files with columns: CSV, TSV, Parquet, JSONL, or a folder of them. Writes nothing.

Which column is what is guessed from its name, and can be said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core import prompt_files
from dpo_studio.core.errors import UserError
from dpo_studio.core.prompt_files import Conversation
from dpo_studio.core.types import Message

from . import readers

#: What a column can be, and the names it is known by, the first found first.
MEANINGS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "instruction", "text", "input"),
    "messages": ("messages", "conversation", "conversations"),
    "system": ("system", "system_prompt"),
    "tags": ("tags", "tag"),
}


@dataclass(slots=True)
class PromptTable:
    """What a source holds.

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


def guess(names: Iterable[str], said: Mapping[str, str] | None = None) -> dict[str, str]:
    """Which of the columns is what, by meaning; what is said holds over what is guessed.

    Raises:
        UserError: a meaning that there is not, a column that is not there, or no prompt and no messages.
    """
    there = list(names)
    found = ", ".join(there) or "none"
    said = dict(said or {})
    for meaning, name in said.items():
        if meaning not in MEANINGS:
            raise UserError(f"A column cannot be {meaning!r}.", f"Use one of {', '.join(MEANINGS)}.")
        if name not in there:
            raise UserError(f"There is no column {name!r}.", f"The columns are: {found}.")
    result = dict(said)
    lower = {name.lower(): name for name in reversed(there)}
    for meaning, known in MEANINGS.items():
        if meaning in said or (meaning in ("prompt", "messages") and ("prompt" in result or "messages" in result)):
            continue
        name = next((lower[one] for one in known if one in lower and lower[one] not in result.values()), None)
        if name is not None:
            result[meaning] = name
    if "prompt" not in result and "messages" not in result:
        raise UserError(
            f"No column is the prompt. The columns are: {found}.", "Say which one, such as --column prompt=NAME."
        )
    return result


def read(source: Path, said: Mapping[str, str] | None = None) -> PromptTable:
    """The prompts of a file or folder; rows that cannot be prompts are refused one by one.

    Args:
        said: column names by meaning, where they are not to be guessed.

    Raises:
        UserError: the source cannot be read, holds no rows, or has no column for the prompt.
    """
    table = PromptTable()
    for row in readers.rows(source):
        if row.values is None:
            table.refused.append((row.place, row.problem))
            continue
        if not table.columns:
            table.columns = guess(row.values, said)
        try:
            conversation, had_answer = _conversation(row.values, table.columns)
            table.rows.append((conversation, _tags(row.values.get(table.columns.get("tags", "")))))
            table.answers_left_out += had_answer
        except UserError as error:
            table.refused.append((row.place, str(error)))
    if not table.rows and not table.refused:
        raise UserError(f"{source} holds no rows.", "Check the file.")
    return table


def _conversation(values: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[Conversation, bool]:
    name = columns.get("messages") or columns["prompt"]
    given = values.get(name)
    if "messages" in columns and isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise UserError(f"its {name} is not JSON") from None
    if not isinstance(given, str | list):
        raise UserError(f"its {name} is {'empty' if given is None else 'neither text nor messages'}")
    if isinstance(given, str) and not given.strip():
        raise UserError(f"its {name} is empty")
    conversation, had_answer = prompt_files.from_entry({"prompt": given})
    system = values.get(columns.get("system", ""))
    if system is not None and not isinstance(system, str):
        raise UserError(f"its {columns['system']} is not text")
    if system and system.strip():
        if conversation[0].role == "system":
            raise UserError("it has a system prompt in its messages and another in its own column")
        conversation = (Message("system", system), *conversation)
    return conversation, had_answer


def _tags(given: Any) -> tuple[str, ...]:
    """Tags of a list, or of a text with commas between them."""
    if given is None:
        return ()
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise UserError("its tags are neither text nor a list of texts")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

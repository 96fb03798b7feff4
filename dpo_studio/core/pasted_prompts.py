"""Prompts of text that was pasted or typed, as conversations: JSON where it is such, else plain text. Writes nothing.

Plain text is split by one rule. Each line is a prompt; but when blank lines separate blocks and at least
one block has several lines, each block is a prompt. `split` overrides the rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from . import prompt_rows, turns
from .errors import UserError
from .types import Conversation, Message

Split = Literal["auto", "lines", "paragraphs"]


@dataclass(frozen=True, slots=True)
class PastedPrompts:
    """What a text holds.

    Attributes:
        rows: the prompts in the text's order, each with its tags; each conversation ends with a user turn.
        refused: (place, such as "line 3" or "entry 3" of a JSON list; the reason).
        notes: sentences on how the text was read, such as that final answers were left out.
        split: "lines" or "paragraphs" for plain text, "" for JSON.
    """

    rows: list[tuple[Conversation, tuple[str, ...]]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    split: str = ""

    @property
    def conversations(self) -> list[Conversation]:
        return [conversation for conversation, _ in self.rows]


def from_text(text: str, *, split: Split = "auto") -> PastedPrompts:
    """The prompts of a text: JSON or JSON lines where it is such, else plain text.

    Text that only begins like JSON is plain text, unless `split` says otherwise; nothing is refused as a whole.
    """
    text = text.lstrip("\ufeff")
    if not text.strip():
        return PastedPrompts()
    if split == "auto" and _is_json(text):
        return _read_json(text)
    how = _how_split(text, split)
    notes = [_PARAGRAPHS_NOTE] if how == "paragraphs" else []
    return PastedPrompts([(conversation, ()) for conversation in parse_text(text, split=how)], [], notes, how)


def parse_text(text: str, *, split: Split = "auto") -> list[Conversation]:
    """The prompts of plain text, each one user turn; see the module for the rule."""
    if _how_split(text, split) == "lines":
        prompts = [line.strip() for line in text.splitlines()]
    else:
        prompts = ["\n".join(block).strip() for block in _blocks(text)]
    return [(Message("user", prompt),) for prompt in prompts if prompt]


def _is_json(text: str) -> bool:
    """Whether a text is a JSON list or object, its first line is one, or each line is a string in quotes."""
    lines = [line for line in text.split("\n") if line.strip()]
    if any(isinstance(_line(part), list | dict) for part in (text, lines[0])):
        return True
    return all(isinstance(_line(line), str) for line in lines)


_PARAGRAPHS_NOTE = "Blank lines separate the prompts, so lines that stand together are one prompt."


def _how_split(text: str, split: Split) -> Literal["lines", "paragraphs"]:
    if split != "auto":
        return split
    blocks = list(_blocks(text))
    return "paragraphs" if len(blocks) > 1 and any(len(block) > 1 for block in blocks) else "lines"


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines that are not blank."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def _read_json(text: str) -> PastedPrompts:
    """JSON lines; or one JSON list or object."""
    result = PastedPrompts()
    answers = 0
    for place, entry in _entries(text):
        try:
            if isinstance(entry, UserError):
                raise entry
            conversation, tags, answer = prompt_rows.of_entry(entry)
        except UserError as error:
            result.refused.append((place, error.message.removesuffix(".")))
        else:
            result.rows.append((conversation, tags))
            answers += bool(answer)
    if answers:
        what = "1 conversation ends" if answers == 1 else f"{answers} conversations end"
        result.notes.append(f"{what} with an answer, which was left out: a prompt ends with the user's turn.")
    return result


def _entries(text: str) -> Iterator[tuple[str, Any]]:
    """Entries and where each stands; a line that is not JSON comes as a UserError."""
    whole = _line(text)
    if isinstance(whole, list):
        entries = [whole] if turns.are_turns(whole) else whole
        yield from ((f"entry {number}", entry) for number, entry in enumerate(entries, start=1))
    elif not isinstance(whole, UserError):
        yield "entry 1", whole
    else:
        lines = enumerate(text.split("\n"), start=1)
        yield from ((f"line {number}", _line(line)) for number, line in lines if line.strip())


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return UserError("it is not JSON")

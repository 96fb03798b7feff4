"""Prompts from a file or from typed text, as conversations. Covers .txt, .jsonl and .json; writes nothing.

Plain text is split by one rule. Each line is a prompt; but when blank lines separate blocks and at least
one block has several lines, each block is a prompt. `split` overrides the rule.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .errors import UserError
from .types import ROLES, Message

Split = Literal["auto", "lines", "paragraphs"]
Conversation = tuple[Message, ...]

JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
_NOT_READ = (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods", ".docx", ".pdf", ".zip", ".gz")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SHAPES = 'write {"prompt": "…"}, {"messages": […]} or just "…"'


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What a file holds.

    Attributes:
        conversations: the prompts in the file's order; each ends with a user turn.
        refused: (line number, or entry number in a JSON list; both from 1, and the reason).
        notes: sentences on how the file was read, such as that final answers were left out.
        split: "lines" or "paragraphs" for plain text, "" for JSON.
    """

    conversations: list[Conversation]
    refused: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    split: str = ""


def read(path: str | Path, *, split: Split = "auto") -> PromptFile:
    """Read the prompts of a text or JSON file; entries that cannot be prompts are refused one by one.

    Raises:
        UserError: no such file, not text, not UTF-8, nothing in it, or not JSON though it is called so.
    """
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if suffix in _NOT_READ:
        raise UserError(f"{path.name} is a {suffix} file, and prompts are read from text or JSON.", _how_to_save())
    text = _decoded(path)
    if not text.strip():
        raise UserError(f"{path.name} is empty.", "Put one prompt on each line.")
    if suffix in JSON_SUFFIXES:
        return _read_json(text, path.name)
    how = _how_split(text, split)
    notes = [_PARAGRAPHS_NOTE] if how == "paragraphs" else []
    return PromptFile(parse_text(text, split=how), [], notes, how)


def parse_text(text: str, *, split: Split = "auto") -> list[Conversation]:
    """The prompts of plain text, each one user turn; see the module for the rule."""
    if _how_split(text, split) == "lines":
        prompts = [line.strip() for line in text.splitlines()]
    else:
        prompts = ["\n".join(block).strip() for block in _blocks(text)]
    return [(Message("user", prompt),) for prompt in prompts if prompt]


def from_text(text: str, *, split: Split = "auto") -> PromptFile:
    """The prompts of a text that was pasted: JSON or JSON lines where it is such, else plain text.

    Text that only begins like JSON is plain text, unless `split` says otherwise; nothing is refused as a whole.
    """
    text = text.lstrip("\ufeff")
    if not text.strip():
        return PromptFile([])
    if split == "auto" and _is_json(text):
        return _read_json(text, "This text")
    how = _how_split(text, split)
    return PromptFile(parse_text(text, split=how), [], [_PARAGRAPHS_NOTE] if how == "paragraphs" else [], how)


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


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", "Check its name.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder.", "Choose a text or JSONL file in it.") from None
    except OSError as error:
        raise UserError(f"{path} could not be read: {error.strerror or error}.", "Check its permissions.") from error
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path.name} is not UTF-8 text (line {line}).", _how_to_save()) from None
    if "\x00" in text:
        raise UserError(f"{path.name} is not a text file.", _how_to_save())
    return text


def _how_to_save() -> str:
    return "Save it as UTF-8 text with one prompt a line, or as JSONL."


def _read_json(text: str, name: str) -> PromptFile:
    """JSON lines; or one JSON list or object, whatever the file is called."""
    result = PromptFile([])
    dropped = 0
    for number, entry in _entries(text, name):
        if isinstance(entry, _Refusal):
            result.refused.append((number, entry.reason))
            continue
        try:
            conversation, had_answer = _conversation(entry)
        except _Refusal as refusal:
            result.refused.append((number, refusal.reason))
        else:
            result.conversations.append(conversation)
            dropped += had_answer
    if dropped:
        what = "1 conversation ends" if dropped == 1 else f"{dropped} conversations end"
        result.notes.append(f"{what} with an answer, which was left out: a prompt ends with the user's turn.")
    return result


class _Refusal(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Numbered entries; a line that is not JSON comes as a _Refusal."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list):
        yield from enumerate(whole, start=1)
        return
    if whole is not None:
        yield 1, whole
        return
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    parsed = [(n, _line(line)) for n, line in lines]
    if all(isinstance(entry, _Refusal) for _, entry in parsed):
        raise UserError(f"{name} is not JSON (line {lines[0][0]}).", f"On each line, {_SHAPES}.")
    yield from parsed


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _Refusal("is not JSON")


def _conversation(entry: Any) -> tuple[Conversation, bool]:
    """The prompt of one entry, and whether a final answer was left out."""
    if isinstance(entry, dict):
        found = entry.get("prompt", entry.get("messages"))
    else:
        found = entry
    if isinstance(found, str):
        found = [{"role": "user", "content": found}]
    if not isinstance(found, list) or (isinstance(entry, list) and not entry):
        raise _Refusal(f"holds no prompt; {_SHAPES}")
    messages = tuple(_message(row) for row in found)
    had_answer = bool(messages) and messages[-1].role == "assistant"
    if had_answer:
        messages = messages[:-1]
    if not messages:
        raise _Refusal("holds no user turn")
    if messages[-1].role != "user":
        raise _Refusal(f"ends with {'an' if messages[-1].role == 'assistant' else 'a'} {messages[-1].role} turn")
    return messages, had_answer


def from_entry(entry: Any) -> tuple[Conversation, bool]:
    """The prompt of one entry of a file, and whether a final answer was left out of it.

    Raises:
        UserError: why the entry cannot be a prompt.
    """
    try:
        return _conversation(entry)
    except _Refusal as refusal:
        raise UserError(f"it {refusal.reason}") from None


def _message(row: Any) -> Message:
    if not isinstance(row, dict) or not isinstance(row.get("role"), str) or not isinstance(row.get("content"), str):
        raise _Refusal("has a message without a role and a text")
    if row["role"] not in ROLES:
        raise _Refusal(f"has the role {row['role']!r}; use {', '.join(ROLES)}")
    if not row["content"].strip():
        raise _Refusal(f"has an empty {row['role']} turn")
    return Message(row["role"], row["content"])

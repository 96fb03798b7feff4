"""Prompts of plain text files, read as a stream by the one rule that typed text has (`core.pasted_prompts`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpo_studio.core.errors import UserError

from . import files
from .encodings import Encoding

_NOTE = "Blank lines separate the prompts, so lines that stand together are one prompt."


def split_of(path: Path, encoding: Encoding) -> str:
    """How a text is split: "paragraphs" when blank lines separate blocks and one of them has several lines."""
    blocks, in_block, several = 0, 0, False
    with files.reading(path), files.open_text(path, encoding, newline=None) as file:
        for line in files.lines(file):
            blank = isinstance(line, str) and not line.strip()
            blocks += not blank and not in_block
            in_block = 0 if blank else in_block + 1
            several = several or in_block > 1
            if blocks > 1 and several:
                return "paragraphs"
    return "lines"


def note_of(split: str) -> str:
    return _NOTE if split == "paragraphs" else ""


def read(path: Path, encoding: Encoding, *, split: str) -> Iterator[tuple[int, str, str]]:
    """(line a prompt begins on, its text, what is wrong with it, or "").

    Args:
        split: "lines" or "paragraphs".

    Raises:
        UserError: the file cannot be opened or is not text.
    """
    block: list[str] = []
    start, size, wrong = 0, 0, ""
    with files.reading(path), files.open_text(path, encoding, newline=None) as file:
        for number, line in enumerate(files.lines(file), 1):
            if not isinstance(line, str):
                block, start, wrong = block or [""], start or number, f"it {files.TOO_LONG}"
            elif line.strip():
                if "\x00" in line:
                    raise UserError(f"{path} is not a text file (line {number}).", "Save it as text or JSON lines.")
                start = start or number
                wrong = wrong or files.problem_of(line, encoding)
                size += len(line)
                if size > files.LONGEST_LINE:
                    block, wrong = [""], f"it {files.TOO_LONG}"
                block.append(line.rstrip())
            if block and (split == "lines" or (isinstance(line, str) and not line.strip())):
                yield start, "" if wrong else "\n".join(block).strip(), wrong
                block, start, size, wrong = [], 0, 0, ""
        if block:
            yield start, "" if wrong else "\n".join(block).strip(), wrong

"""Rows of CSV and TSV files with a header line. Read as a stream; every cell is text.

Quoting is strict: where a quote is not closed or not doubled, nothing after it can be trusted to be a row,
so the whole file is refused with the line. A line that is too long, has too many cells or holds what is no
text is one bad row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from dpo_studio.core.errors import UserError

from . import files
from .encodings import Encoding

SUFFIXES = (".csv", ".tsv")
#: Characters of one cell; nobody reads or writes a longer prompt.
LONGEST_CELL = 1_000_000
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: What stands for a line that was too long; a cell of a file that held it would be refused for its NUL.
_SKIPPED = "\x00skipped\x00"


def read(path: Path, encoding: Encoding, *, notes: list[str]) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """(line the row begins on, from 1; its cells by column, or None; what is wrong with it, or "").

    Args:
        notes: takes a sentence on how the file was read, where that is worth one.

    Raises:
        UserError: the file cannot be opened, is not text, has no usable header, or its quoting is broken.
    """
    start = 1
    with files.reading(path), files.open_text(path, encoding, newline="") as file:
        delimiter, before = _delimiter(path, file, notes)
        csv.field_size_limit(files.LONGEST_LINE)
        feed = _Feed(path, file, skip=before)
        reader = csv.reader(feed, delimiter=delimiter, strict=True)
        try:
            header = _header(path, next(reader, []))
            start = before + reader.line_num + 1
            for cells in reader:
                if cells:
                    yield _row(start, header, cells, encoding)
                start = before + reader.line_num + 1
        except csv.Error as error:
            why = f"{path} is broken in the row that begins on line {start}: {error}."
            hint = "Look for a quote that is not closed or not doubled there."
            if "field limit" in str(error):
                why = f"{path} has a cell that {files.TOO_LONG} in the row that begins on line {start}."
                hint = "Look for a quote there that is not closed."
            raise UserError(why, hint) from None


class _Feed:
    """The lines of a file for the csv reader, with those that are too long taken out where that is safe."""

    def __init__(self, path: Path, file: TextIO, *, skip: int) -> None:
        self._path, self._lines, self._number = path, files.lines(file), skip
        for _ in range(skip):
            next(self._lines, None)

    def __iter__(self) -> Iterator[str]:
        quotes = 0
        for line in self._lines:
            self._number += 1
            if isinstance(line, str):
                quotes += line.count('"')
                yield line
            elif quotes % 2 or line.quotes % 2:
                raise UserError(
                    f"{self._path} is broken: line {self._number} {files.TOO_LONG} and lies in a quoted cell.",
                    "Look for a quote there or before it that is not closed.",
                )
            else:
                yield f"{_SKIPPED}\n"


def _delimiter(path: Path, file: TextIO, notes: list[str]) -> tuple[str, int]:
    """What stands between cells, and how many lines before the header say so ("sep=;", as Excel writes it)."""
    first = file.readline(LONGEST_CELL)
    file.seek(0)
    if said := re.fullmatch(r"\ufeff?sep=(.)\s*", first):
        return said[1], 1
    if files.suffix(path) == ".tsv":
        return "\t", 0
    bare = re.sub(r'"[^"]*"', "", first)
    if "," in bare or not any(mark in bare for mark in _DELIMITERS):
        return ",", 0
    likeliest = max(_DELIMITERS, key=bare.count)
    notes.append(f"Its cells are separated by {_DELIMITERS[likeliest]}.")
    return likeliest, 0


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not any(names):
        raise UserError(f"{path} has no header.", "Name the columns on its first line, such as prompt,tags.")
    if any("\x00" in name for name in names):
        raise UserError(f"{path} is not a text file.", "Save it as UTF-8 CSV.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UserError(f"{path} names the column {twice[0]!r} twice.", "Give each column a name of its own.")
    return names


def _row(line: int, header: list[str], cells: list[str], encoding: Encoding) -> tuple[int, dict[str, Any] | None, str]:
    if cells == [_SKIPPED]:
        return line, None, f"it {files.TOO_LONG}"
    whole = "".join(cells)
    if problem := files.problem_of(whole, encoding):
        return line, None, problem
    if len(whole) > LONGEST_CELL and max(map(len, cells)) > LONGEST_CELL:
        return line, None, "it has a cell of more than a million characters"
    if len(cells) != len(header):
        return line, None, f"it has {len(cells)} cells, and the header names {len(header)} columns"
    return line, {name: cell for name, cell in zip(header, cells, strict=True) if name}, ""

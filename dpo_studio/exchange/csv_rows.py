"""Rows of CSV and TSV files with a header line. Read as a stream; every cell is text.

Quoting is strict: a quote that is never closed would otherwise swallow the rest of the file as one cell.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError

SUFFIXES = (".csv", ".tsv")
#: Characters of one cell, and so what a damaged file can make this hold at once.
LONGEST_CELL = 1_000_000


def read(path: Path) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """(line the row begins on, from 1; its cells by column, or None; what is wrong with it, or "").

    Raises:
        UserError: the file cannot be opened, is not text, has no usable header, or breaks off inside a quote.
    """
    start = 1
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            csv.field_size_limit(LONGEST_CELL)
            reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            header = _header(path, next(reader, []))
            start = reader.line_num + 1
            for cells in reader:
                if cells:
                    yield _row(start, header, cells)
                start = reader.line_num + 1
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", "Check its name.") from None
    except UnicodeError:
        raise UserError(f"{path} is not UTF-8 text (at or after line {start}).", "Save it as UTF-8 CSV.") from None
    except csv.Error as error:
        why = f"{path} is broken in the row that begins on line {start}: {error}."
        raise UserError(why, "Look for a quote that is not closed or not doubled there.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the file and its permissions.") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        mark = file.read(2)
    return "utf-16" if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


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


def _row(line: int, header: list[str], cells: list[str]) -> tuple[int, dict[str, Any] | None, str]:
    if len(cells) != len(header):
        return line, None, f"it has {len(cells)} cells, and the header names {len(header)} columns"
    if any("\x00" in cell for cell in cells):
        return line, None, "it holds a NUL character"
    return line, {name: cell for name, cell in zip(header, cells, strict=True) if name}, ""

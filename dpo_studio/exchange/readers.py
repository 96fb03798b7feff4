"""Rows of files made elsewhere: JSONL, JSON, CSV, TSV, Parquet, or a folder of them, as an export leaves it.

Covers reading only; what a row means is in `judged`. Parquet is the one format that needs a library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.store.database import storable

from . import csv_rows

_SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet", *csv_rows.SUFFIXES)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source: where it stands, for messages, and its columns; or why it cannot be read."""

    place: str
    values: dict[str, Any] | None
    problem: str = ""


def rows(source: Path) -> Iterator[Row]:
    """The rows of a file, or of the data files of a folder in the order of their names.

    Raises:
        UserError: nothing there, an unknown kind of file, or one that cannot be read at all.
    """
    source = source.expanduser()
    if source.is_dir():
        files = sorted(path for path in source.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
        if not files:
            raise UserError(
                f"{source} holds no JSONL, JSON, CSV or Parquet file.", "Name the file, or the right folder."
            )
        for path in files:
            for row in _file_rows(path):
                yield Row(f"{path.relative_to(source)}, {row.place}", row.values, row.problem)
        return
    yield from _file_rows(source)


def is_data(source: Path) -> bool:
    """Whether a source can hold rows with columns (a text file holds prompts only)."""
    return source.is_dir() or source.suffix.lower() in _SUFFIXES


def _file_rows(path: Path) -> Iterator[Row]:
    if path.suffix.lower() == ".parquet":
        yield from _parquet_rows(path)
        return
    if path.suffix.lower() in csv_rows.SUFFIXES:
        for line, values, problem in csv_rows.read(path):
            yield Row(f"line {line}", values, problem)
        return
    if path.suffix.lower() not in _SUFFIXES:
        raise UserError(f"{path} is not a JSONL, JSON, CSV or Parquet file.", "Convert it, or give it its suffix.")
    text = _text(path)
    if path.suffix.lower() == ".json":
        yield from _array_rows(path, text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _json_row(f"line {number}", line)


def _json_row(place: str, line: str) -> Row:
    try:
        return _as_row(place, _parsed(line))
    except ValueError as error:
        return Row(place, None, f"it is not JSON ({error})")


def _parsed(text: str) -> Any:
    """A JSON value whose texts can be stored: half of a surrogate pair is spelt only by an escape.

    Raises:
        ValueError: the text is not JSON, or nested deeper than anything that could be meant.
    """
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():
            value = json.loads(storable(json.dumps(value, ensure_ascii=False)))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _array_rows(path: Path, text: str) -> Iterator[Row]:
    try:
        values = _parsed(text)
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.", "If it has one object a line, call it .jsonl.") from error
    if not isinstance(values, list):
        raise UserError(f"{path} is not a list of rows.", "Write a JSON array of objects, or one object a line.")
    for number, value in enumerate(values, 1):
        yield _as_row(f"row {number}", value)


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for value in batch.to_pylist():
                    number += 1
                    yield _as_row(f"row {number}", value)
    except FileNotFoundError as error:
        raise _absent(path) from error
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}.", "Check the file, or export it again.") from error


def _as_row(place: str, value: Any) -> Row:
    if not isinstance(value, dict):
        return Row(place, None, "it is not an object with columns")
    return Row(place, value)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise _absent(path) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text.", "Save it as UTF-8 and import it again.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the file and its permissions.") from error


def _absent(path: Path) -> UserError:
    return UserError(f"There is no file {path}.", "Check its name.")

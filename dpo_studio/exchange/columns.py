"""A source read with the meanings of its columns: rows whose values go by what they mean, not by their names.

Text cells (CSV) are unpacked: a list stands in a cell as JSON, a number as its digits.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dpo_studio.core import column_meanings, turns
from dpo_studio.core.errors import UserError

from . import json_rows
from .readers import Row, Source

MAX_COLUMNS = 1000
_LISTS = ("completions", "ranks", "flags", "finish_reasons")
_TURNS = ("messages", "prompt", "chosen", "rejected")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SMALL_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{0,18})?")


@dataclass(slots=True)
class Columns:
    """The columns of a source, known once its first row was read.

    Attributes:
        kind: what the source holds, one of `column_meanings.KINDS`.
        said: column names by meaning, as a person gave them.
        names: every column that was seen, in order.
        meant: which column is what, in the first row.
    """

    kind: str
    said: Mapping[str, str]
    names: list[str] = field(default_factory=list)
    meant: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    def meanings_of(self, row: Row) -> dict[str, str]:
        """Which of a row's columns is what.

        Raises:
            UserError: in the first row, no column is what is needed.
        """
        there = tuple(row.values or ())
        known = self._known.get(there)
        if known is not None:
            return known
        try:
            return self._meanings_of(there)
        except UserError as error:
            if not row.is_text:
                raise
            said = f"{error.message} Its first line was taken for the names of its columns."
            raise UserError(said, error.hint) from None

    def _meanings_of(self, there: tuple[str, ...]) -> dict[str, str]:
        if len(self.names) < MAX_COLUMNS:
            self.names += [name for name in there if name not in self.names]
        try:
            meant = column_meanings.guess(self.kind, there, self.said)
        except UserError:
            if not self.meant:
                raise
            meant = self.meant
        self.meant = self.meant or meant
        if len(self._known) < MAX_COLUMNS:
            self._known[there] = meant
        return meant


def first_row(source: Source) -> Row | None:
    """The first row that can be read, or None."""
    return next((row for row in source.rows() if row.values is not None or row.bare is not None), None)


def kind_of(source: Source, said: Mapping[str, str]) -> str:
    """What a source holds, by its first readable row."""
    if source.only_prompts:
        return "prompts"
    row = first_row(source)
    return "prompts" if row is None or row.values is None else column_meanings.kind_of(row.values, said)


def checked(source: Source, columns: Columns) -> Iterator[tuple[str, dict[str, Any] | None, str]]:
    """(place, values by meaning or None, why it cannot be used) of each row.

    Raises:
        UserError: no column of the first row is what is needed, or the source cannot be read on.
    """
    bare_too = columns.kind == "prompts" and not columns.said
    for row in source.rows():
        if row.values is None:
            if row.bare is None or not bare_too:
                yield row.place, None, row.problem
            else:
                yield row.place, {"messages" if isinstance(row.bare, list) else "prompt": row.bare}, ""
            continue
        meant = columns.meanings_of(row)
        cells = row.values
        try:
            if row.is_text:
                values = {meaning: _unpacked(meaning, cells.get(name)) for meaning, name in meant.items()}
            else:
                values = {meaning: cells.get(name) for meaning, name in meant.items()}
                if isinstance(values.get("messages"), str):
                    values["messages"] = _turns(values["messages"], must=False)
            if column_meanings.JOINT in meant.get("completions", "") + meant.get("ranks", ""):
                _fill_from_numbered(values, cells, meant)
        except UserError as error:
            yield row.place, None, str(error)
        else:
            yield row.place, values, ""


def _fill_from_numbered(values: dict[str, Any], cells: Mapping[str, Any], meant: Mapping[str, str]) -> None:
    """Put in the lists that stand in numbered columns ("answer_1, answer_2"), without answers that are not there."""
    found = {
        meaning: [cells.get(one) for one in meant[meaning].split(column_meanings.JOINT)]
        for meaning in ("completions", "ranks")
        if column_meanings.JOINT in meant.get(meaning, "") and meant[meaning] not in cells
    }
    if "ranks" in found:
        found["ranks"] = [_rank(cell) for cell in found["ranks"]]
    if "completions" in found:
        there = [at for at, cell in enumerate(found["completions"]) if cell is not None and cell != ""]
        if len(found.get("ranks", ())) == len(found["completions"]):
            extra = [rank for at, rank in enumerate(found["ranks"]) if at not in there and rank is not None]
            if extra:
                raise UserError("it ranks an answer that is empty")
            found["ranks"] = [found["ranks"][at] for at in there]
        found["completions"] = [found["completions"][at] for at in there]
    values.update(found)


def _rank(cell: Any) -> Any:
    """A rank that stands in a cell of its own, as its digits (a spreadsheet may write 1.0)."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    return int(text.removesuffix(".0")) if re.fullmatch(r"\d{1,9}(\.0)?", text) else text or None


def _unpacked(meaning: str, cell: Any) -> Any:
    """What a text cell holds."""
    if not isinstance(cell, str):
        return cell
    if meaning in ("tags", "input") or (meaning == "prompt" and cell[:1].isalnum()):
        return cell
    if meaning in _TURNS:
        return _turns(cell, must=meaning == "messages")
    text = cell.strip()
    if not text:
        return None
    if meaning in _LISTS:
        return _list(meaning, text)
    if meaning in ("strength", "confidence"):
        if not _SMALL_NUMBER.fullmatch(text):
            return cell
        return float(text) if "." in text else int(text)
    if meaning == "held_out":
        return _TRUTHS.get(text.lower(), cell)
    return cell


def _turns(cell: str, *, must: bool) -> Any:
    """Messages that stand in a text, as JSON or as Python writes them (which is what pandas does); else the text.

    Raises:
        UserError: there has to be JSON, and there is none.
    """
    text = cell.strip()
    if not (text.startswith(("[{", "{")) or (must and text)):
        return cell
    try:
        value = json_rows.parse(text)
    except ValueError:
        value = _literal(text)
        if must and value is None:
            raise UserError("its messages are not JSON") from None
    return value if must or turns.are_turns([value] if isinstance(value, dict) else value) else cell


def _literal(text: str) -> Any:
    """The list or object that a text is in Python's spelling, or None."""
    if not text.endswith(("}", "]")):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _list(meaning: str, text: str) -> Any:
    """A list that stands in a cell as JSON or as Python writes it; ranks and flags also with commas between them."""
    try:
        return json_rows.parse(text)
    except ValueError:
        value = _literal(text)
    if isinstance(value, list):
        return value
    parts = [part.strip() for part in text.strip("[]").split(",")]
    if meaning == "flags":
        return [part for part in parts if part]
    if meaning == "ranks" and all(re.fullmatch(r"\d{1,9}|", part) for part in parts):
        return [int(part) if part else None for part in parts]
    raise UserError(f'its {meaning} are not a list as JSON, such as ["one", "two"]')

"""Entries of JSON files: one on each line, or a list of them, read as a stream either way.

Which of the two a file is, its first line says, whatever it is called: a whole value that is followed by
another line is the first of many. An object that is spread over lines is the only entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from dpo_studio.core.errors import UserError
from dpo_studio.store.database import storable

from . import files
from .encodings import Encoding

SUFFIXES = (".jsonl", ".ndjson", ".json")
_SPACE = " \t\r\n"
_CHUNK = 1 << 18
_DECODER = json.JSONDecoder()


def read(path: Path, encoding: Encoding) -> Iterator[tuple[str, Any, str]]:
    """(place, such as "line 3" or "row 3"; the entry; what is wrong with it, or "").

    Raises:
        UserError: the file cannot be opened, is not JSON at all, or is a list that breaks off.
    """
    with files.reading(path), files.open_text(path, encoding, newline="\n") as file:
        layout = _layout(file)
        file.seek(0)
        if layout == "lines":
            yield from _lines(path, file, encoding)
        elif layout == "list":
            yield from _list(path, file, encoding)
        else:
            yield "row 1", _single(path, file), ""


def parse(text: str) -> Any:
    """A JSON value whose texts can be stored: half of a surrogate pair is spelt only by an escape.

    Raises:
        ValueError: why the text is not JSON.
    """
    try:
        value = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            value = json.loads(storable(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _layout(file: TextIO) -> str:
    """What a file is: "lines", "list", or "object" for one that is spread over several lines."""
    lines = (line for line in files.lines(file) if not isinstance(line, str) or line.strip())
    first = next(lines, None)
    if not isinstance(first, str):
        return "lines" if first is None else _layout_of_long(file)
    start = first.lstrip(_SPACE)[:1]
    try:
        value = parse(first)
    except ValueError:
        # Broken, or the beginning of something larger.
        second = next(lines, None)
        whole = isinstance(second, str) and _is_value(second)
        return "lines" if whole or start not in ("[", "{") else {"[": "list", "{": "object"}[start]
    return "list" if isinstance(value, list) and next(lines, None) is None else "lines"


def _layout_of_long(file: TextIO) -> str:
    """A first line that is too long to be an entry can still be a list of them."""
    file.seek(0)
    return "list" if file.read(1024).lstrip(_SPACE).startswith("[") else "lines"


def _is_value(line: str) -> bool:
    """Whether a line is a whole object or list, which a line of a spread-out list ("{" or "  1,") is not."""
    try:
        return isinstance(parse(line), (dict, list))
    except ValueError:
        return False


def _lines(path: Path, file: TextIO, encoding: Encoding) -> Iterator[tuple[str, Any, str]]:
    wrong, first = 0, ""
    good = False
    for number, line in enumerate(files.lines(file), 1):
        place = f"line {number}"
        if not isinstance(line, str):
            good = True
            yield place, None, f"it {files.TOO_LONG}"
        elif line.strip():
            try:
                if problem := files.problem_of(line, encoding):
                    raise ValueError(problem)
                value = parse(line)
            except ValueError as error:
                wrong, first = wrong + 1, first or place
                yield place, None, _reason(error)
            else:
                good = True
                yield place, value, ""
    if wrong and not good:
        raise UserError(f"{path} is not JSON ({first}).", 'On each line, write {"prompt": "…"} or just "…".')


def _reason(error: ValueError) -> str:
    said = str(error)
    if said.startswith("it "):
        return said
    if "integer string conversion" in said:
        return "it holds a number of thousands of digits"
    return f"it is not JSON ({said})"


def _list(path: Path, file: TextIO, encoding: Encoding) -> Iterator[tuple[str, Any, str]]:
    """The entries of a list that may be larger than memory; each at most as long as a line may be."""
    text = _Window(file)
    text.skip_space()
    text.skip("[")
    number = 0
    while not text.skip("]"):
        if number and not text.skip(","):
            raise _broken(path, number, "there is no comma after it")
        number += 1
        try:
            value, source = text.value()
        except ValueError as error:
            raise _broken(path, number, str(error)) from None
        problem = files.problem_of(source, encoding)
        yield f"row {number}", None if problem else value, problem
    if text.rest():
        raise _broken(path, number, "something follows the end of the list")


def _broken(path: Path, number: int, why: str) -> UserError:
    return UserError(
        f"{path} is not JSON: entry {number} of its list cannot be read ({why}).",
        "If it has one object a line, call it .jsonl; else mend that entry.",
    )


class _Window:
    """A piece of a text that moves along it: values are taken off its front."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at, self._ended = file, "", 0, False

    def skip_space(self) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return

    def skip(self, mark: str) -> bool:
        """Step over the mark and the space after it, if it stands here."""
        if self._text[self._at : self._at + 1] != mark:
            return False
        self._at += 1
        self.skip_space()
        return True

    def value(self) -> tuple[Any, str]:
        """The JSON value that stands here, its text, and the window past it and the space after it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():
                    break
                continue  # a number may go on in the next piece
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            except ValueError:
                if len(self._text) - self._at > files.LONGEST_LINE:
                    raise ValueError(f"it {files.TOO_LONG}, or broken") from None
                if not self._more(double=True):
                    raise
        source = self._text[self._at : end]
        self._at = end
        self.skip_space()
        return (parse(source) if "\\u" in source else value), source

    def rest(self) -> bool:
        """Whether anything but space is left."""
        self.skip_space()
        return self._at < len(self._text)

    def _more(self, *, double: bool = False) -> bool:
        if self._ended:
            return False
        kept = self._text[self._at :]
        piece = self._file.read(max(_CHUNK, len(kept)) if double else _CHUNK)
        self._ended = not piece
        self._text, self._at = kept + piece, 0
        return not self._ended


def _single(path: Path, file: TextIO) -> Any:
    text = file.read(files.LONGEST_LINE + 1)
    if len(text) > files.LONGEST_LINE:
        raise UserError(f"{path} {files.TOO_LONG} and is one JSON object.", "Write one object a line.")
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.", "Write a list of objects, or one object a line.") from None

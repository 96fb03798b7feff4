"""Files of rows as bytes and as text: .gz is unpacked, the encoding is found, lines have a longest length.

What goes wrong with a file comes as a UserError; a line that goes wrong comes with its number.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from dpo_studio.core.errors import UserError

from .encodings import Encoding

#: Characters of one line, and so what a damaged file can make this hold at once.
LONGEST_LINE = 16_000_000
TOO_LONG = f"is longer than {LONGEST_LINE // 1_000_000} million characters"
_PIECE = 1 << 16
_ENDS = ("\n", "\r")
#: What bytes that are no UTF-8 become under "surrogateescape".
_ESCAPED = re.compile("[\udc80-\udcff]")


def suffix(path: Path) -> str:
    """The ending that says what is in a file, in small letters: ".csv" of rows.CSV and of rows.csv.gz."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.suffix.lower()


def default_split(splits: Iterable[str]) -> str:
    """The split of a data set that is read where none is named: "train", or the first; "" where there is none."""
    names = list(splits)
    return "train" if "train" in names else next(iter(names), "")


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where it is a .gz."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def open_text(path: Path, encoding: Encoding, *, newline: str) -> TextIO:
    """The file's text; in UTF-8, bytes that are none are kept as marks (see `problem_of`)."""
    errors = "surrogateescape" if encoding.codec.startswith("utf-8") else "strict"
    return io.TextIOWrapper(open_bytes(path), encoding=encoding.codec, errors=errors, newline=newline)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Put what can go wrong with a file in words.

    Raises:
        UserError: no such file, no permission, damaged packing, or bytes that its encoding does not have.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.", "Check its name.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder.", "Name a file in it.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged: {error}.", "Fetch or pack it again.") from error
    except UnicodeError as error:
        raise UserError(
            f"{path} is not the text it seems to be: {error}.",
            "Name its encoding with --encoding, or save it as UTF-8.",
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{path} cannot be read: {why}.", "Check the file and its permissions.") from error


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands for a line that is longer than LONGEST_LINE and was not kept; how many quotes were in it."""

    quotes: int


def lines(file: TextIO) -> Iterator[str | TooLong]:
    """The lines of a text with their ends."""
    while line := file.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(_ENDS):
            yield line
            continue
        quotes = line.count('"')
        while (rest := file.readline(_PIECE)) and not rest.endswith(_ENDS):
            quotes += rest.count('"')
        yield TooLong(quotes + rest.count('"'))


def problem_of(text: str, encoding: Encoding) -> str:
    """What is wrong with the characters of a line or a cell, or ""."""
    if encoding.damaged and _ESCAPED.search(text):
        return "it is not UTF-8 as the rest of the file is"
    return "it holds a NUL character" if "\x00" in text else ""

"""Which encoding a text file is in: by its mark, because it is UTF-8, or by a guess that is said aloud.

A file in an older encoding carries no sign of it, so the guess can be wrong; `said` overrules it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from dpo_studio.core.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
#: What is tried on text that is not UTF-8, and how it is called. Windows-1252 holds Latin-1's letters too.
_NAMES = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "koi8_r": "KOI8-R",
    "cp932": "Shift JIS",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "Korean (CP949)",
    "latin_1": "Latin-1",
}
_NOT_IN_1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
_CHUNK, _SAMPLE = 1 << 20, 1 << 16
#: Of the lines that are not all ASCII so many are UTF-8 from end to end where two encodings are in one file. By
#: chance that is hardly ever so, though in Big5 a third as many letters look like UTF-8 as do not.
_MIXED = 0.3
_BAD = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding, and how sure it is.

    Attributes:
        codec: as `open` takes it.
        name: as a person knows it.
        guessed: nothing but its letters speaks for it.
        damaged: some bytes are not UTF-8, though most that could tell are, or more lines than chance would have it.
    """

    codec: str
    name: str
    guessed: bool = False
    damaged: bool = False

    @property
    def note(self) -> str:
        """A sentence for whoever imports it, where they should know."""
        if self.guessed:
            mend = "If letters look wrong, choose another encoding (in a terminal: --encoding NAME)."
            return f"The text is not UTF-8 and was read as {self.name}. {mend}"
        return "" if self.name == "UTF-8" else f"The text was read as {self.name}."


def find(opened: Callable[[], BinaryIO], said: str = "") -> Encoding:
    """The encoding of a text, which is read through once, a piece at a time.

    Args:
        opened: opens the bytes.
        said: a name that a person gave; it holds.

    Raises:
        UserError: there is no encoding of the name that was said.
    """
    if said:
        return _named(said)
    with opened() as file:
        start = file.read(_SAMPLE)
        for mark, codec, name in _MARKS:
            if start.startswith(mark):
                return Encoding(codec, name) if codec != "utf-8-sig" else _checked(file, start, codec)
        if wide := _without_mark(start):
            return wide
        return _checked(file, start, "utf-8")


def _named(said: str) -> Encoding:
    try:
        info = codecs.lookup(said)
    except (LookupError, ValueError):
        info = None
    if info is None or not info._is_text_encoding:
        raise UserError(f"There is no encoding called {said!r}.", "Use a name such as utf-8, cp1252, latin-1 or gbk.")
    if info.name in ("utf-8", "utf-8-sig"):
        return Encoding("utf-8-sig", "UTF-8", damaged=True)
    return Encoding(info.name, _NAMES.get(info.name, said))


def _without_mark(start: bytes) -> Encoding | None:
    """UTF-16 whose mark was left out: every other byte of mostly Latin text is zero."""
    even, odd = start[0:4096:2], start[1:4096:2]
    if len(odd) < 2 or len(start) % 2 and len(start) < _SAMPLE:
        return None
    if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
        return Encoding("utf-16-le", "UTF-16", guessed=True)
    if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
        return Encoding("utf-16-be", "UTF-16", guessed=True)
    return None


def _checked(file: BinaryIO, start: bytes, codec: str) -> Encoding:
    """UTF-8, all of it or most of it; else what an older encoding's letters look like."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = bad = 0
    seen: set[int] = set()
    sample = bytearray()
    chunk = start
    while chunk:
        if not chunk.isascii():
            seen.update(chunk)
            if len(sample) < _SAMPLE:
                sample += _around_letters(chunk)[: _SAMPLE - len(sample)]
        text = decoder.decode(chunk)
        if not text.isascii():
            wrong = len(_BAD.findall(text))
            bad += wrong
            good += len(text) - len(text.encode("ascii", "ignore")) - wrong
        chunk = file.read(_CHUNK)
    bad += len(_BAD.findall(decoder.decode(b"", True)))
    if not bad:
        return Encoding(codec, "UTF-8")
    if codec == "utf-8-sig" or good > bad or _is_mixed(bytes(sample)):
        return Encoding(codec, "UTF-8", damaged=True)
    found = _guess(bytes(sample), seen)
    return Encoding(found, _NAMES[found], guessed=True)


def _around_letters(chunk: bytes) -> bytes:
    """The lines that are not all ASCII."""
    return b"\n".join(line[:4096] for line in chunk.split(b"\n") if not line.isascii())


def _is_mixed(sample: bytes) -> bool:
    """Whether lines of UTF-8 stand among others."""
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    whole = 0
    for line in lines:
        with suppress(UnicodeDecodeError):
            line.decode("utf-8")
            whole += 1
    return bool(lines) and whole >= _MIXED * len(lines)


def _guess(sample: bytes, seen: set[int]) -> str:
    """The most likely of the older encodings; the Western one unless another is clearly likelier."""
    from charset_normalizer import from_bytes

    western = "latin_1" if seen & _NOT_IN_1252 else "cp1252"
    matches = from_bytes(sample, cp_isolation=[name for name in _NAMES if name != "latin_1"], threshold=0.3)
    best = matches.best()
    if best is None or best.encoding not in _NAMES:
        return western
    own = [match for match in matches if match.encoding == western or western in match.could_be_from_charset]
    if own and own[0].chaos <= best.chaos + 0.05 and own[0].coherence >= best.coherence - 0.05:
        return western
    return best.encoding

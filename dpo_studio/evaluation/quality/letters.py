"""Many texts as one array of characters, so that what is asked of each of them is asked of all at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

#: What a character is, as bits: of a word, of a script without spaces, a digit.
WORD, CJK, DIGIT = 1, 2, 4

_CLASSES = {
    WORD: re.compile(r"\w+"),
    CJK: re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+"),
    DIGIT: re.compile(r"\d+"),
}
_ASCII, _UNICODE = 128, 0x110000
_END = "\n"


class Letters:
    """Texts one after another, each with a line break behind it that is none of its own.

    Attributes:
        codes: code points (characters,), uint32.
        starts, lengths: where each text begins, and its characters (n,).
    """

    def __init__(self, texts: Sequence[str]) -> None:
        joined = _END.join(texts) + _END
        self.codes: NDArray[np.uint32] = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        self.lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        self.starts = np.cumsum(self.lengths + 1) - (self.lengths + 1)
        self._ascii = joined.isascii()

    @property
    def kinds(self) -> NDArray[np.uint8]:
        """What each character is, as WORD, CJK and DIGIT together (characters,)."""
        return _kinds(_ASCII if self._ascii else _UNICODE)[self.codes]

    def count(self, told: NDArray[np.bool_]) -> NDArray[np.int64]:
        """In how many characters of each text this is so (n,)."""
        if not len(self.starts):
            return np.zeros(0, dtype=np.int64)
        return np.add.reduceat(told, self.starts, dtype=np.int64)


@cache
def _kinds(size: int) -> NDArray[np.uint8]:
    """What each of the first characters of Unicode is (size,), as the regular expressions have it."""
    table = np.zeros(size, dtype=np.uint8)
    every = "".join(map(chr, range(size)))
    for bit, pattern in _CLASSES.items():
        for run in pattern.finditer(every):
            table[run.start() : run.end()] |= bit
    return table

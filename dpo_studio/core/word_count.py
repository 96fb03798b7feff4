"""How many words a text has, for a person who wants to know how long it is.

It does not split a text into words: Chinese and Japanese are counted by characters, as their writers do.
"""

from __future__ import annotations

import re

#: Scripts written without spaces between words: Han with its extensions, kana.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]*[^\W_{_UNSPACED}][^\s{_UNSPACED}]*")


def count(text: str) -> int:
    """The number of words: runs between blanks that hold a letter or a digit, and single characters of Han and kana."""
    return sum(1 for _ in _WORD.finditer(text))


def counted(number: int, what: str) -> str:
    """A number with its noun: "1 word", "1,024 words"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"

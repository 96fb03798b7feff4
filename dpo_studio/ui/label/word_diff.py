"""Which words of one text are not in another, in order. No Qt.

Long texts are compared by lines first and by words only where lines differ, so that two answers of thousands of lines
take a moment rather than a minute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

#: Characters of Han and kana are words of their own: those scripts put no blanks between words.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECES = re.compile(rf"\s+|[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+[\u0300-\u036f\u064b-\u0655\u0670]*|.", re.DOTALL)

#: Up to so many pieces on both sides together are compared exactly, and past the second number not in order at all.
_EXACT_PIECES, _MOST_PIECES = 4_000, 12_000

Runs = list[tuple[str, bool]]


def pieces(text: str) -> list[str]:
    """The text cut into words, single marks and blanks; joined again it is the text."""
    return _PIECES.findall(text)


def differing(text: str, other: str) -> Runs:
    """The text as runs, each with whether `other` lacks it at that place."""
    mine, theirs = pieces(text), pieces(other)
    if len(mine) + len(theirs) <= _EXACT_PIECES:
        return _merged(_by_words(mine, theirs))
    return _merged(_by_lines(text.splitlines(keepends=True), other.splitlines(keepends=True)))


def _by_lines(mine: Sequence[str], theirs: Sequence[str]) -> Runs:
    runs: Runs = []
    for tag, start, end, from_, to in SequenceMatcher(None, mine, theirs, autojunk=True).get_opcodes():
        here, there = "".join(mine[start:end]), "".join(theirs[from_:to])
        if tag == "replace":
            runs += _by_words(pieces(here), pieces(there))
        elif here:
            runs.append((here, tag != "equal"))
    return runs


def _by_words(mine: Sequence[str], theirs: Sequence[str]) -> Runs:
    size = len(mine) + len(theirs)
    if size > _MOST_PIECES:
        return _by_occurrence(mine, theirs)
    runs: Runs = []
    matcher = SequenceMatcher(None, mine, theirs, autojunk=size > _EXACT_PIECES)
    for tag, start, end, _, _ in matcher.get_opcodes():
        if start < end:
            runs.append(("".join(mine[start:end]), tag != "equal"))
    return runs


def _by_occurrence(mine: Sequence[str], theirs: Sequence[str]) -> Runs:
    """Without regard to order: a word differs where the other text has it less often."""
    left = Counter(theirs)
    runs: Runs = []
    for piece in mine:
        left[piece] -= 1
        runs.append((piece, left[piece] < 0 and bool(piece.strip())))
    return runs


def _merged(runs: Runs) -> Runs:
    """The runs with neighbours of one kind made one."""
    out: list[tuple[list[str], bool]] = []
    for text, differs in runs:
        if out and out[-1][1] == differs:
            out[-1][0].append(text)
        else:
            out.append(([text], differs))
    return [("".join(texts), differs) for texts, differs in out]

"""Which words of one text are not in another, in order. No Qt."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_PIECES = re.compile(r"\s+|[^\W_]+|.", re.DOTALL)

#: Past this many pieces the junk heuristic is let on: exactness would take seconds.
_EXACT_PIECES = 4000


def pieces(text: str) -> list[str]:
    """The text cut into words, single marks and blanks; joined again it is the text."""
    return _PIECES.findall(text)


def differing(text: str, other: str) -> list[tuple[str, bool]]:
    """The text as runs, each with whether `other` lacks it at that place."""
    mine, theirs = pieces(text), pieces(other)
    matcher = SequenceMatcher(None, mine, theirs, autojunk=len(mine) + len(theirs) > _EXACT_PIECES)
    runs: list[tuple[str, bool]] = []
    for tag, start, end, _, _ in matcher.get_opcodes():
        if start < end:
            runs.append(("".join(mine[start:end]), tag != "equal"))
    return runs

r"""Stop strings as a person types them, one a line: `\n` is a line break, `\t` a tab, `\\` a backslash."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MEANS = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
_TYPED = {meant: typed for typed, meant in _MEANS.items()}


def from_typed(line: str) -> str:
    r"""The text that was meant; any other backslash stands for itself (`\alpha`)."""
    return re.sub(r"\\[nt\\]", lambda found: _MEANS[found.group()], line)


def to_typed(text: str) -> str:
    """What to type for a text; `from_typed` gives the text again."""
    return re.sub(r"[\n\t]|\\(?=[nt\\\n\t])", lambda found: _TYPED[found.group()], text)


def from_lines(typed: str) -> tuple[str, ...]:
    """The texts of a field with one a line; empty lines and repetitions are none."""
    return tuple(dict.fromkeys(from_typed(line) for line in typed.split("\n") if line))


def to_lines(texts: Iterable[str]) -> str:
    """A field's content for these texts."""
    return "\n".join(map(to_typed, texts))

"""Halves of surrogate pairs: JSON can hold one alone, and nothing that is written in UTF-8 can."""

from __future__ import annotations


def joined(text: str) -> str:
    """The text with two halves made one character, and a half alone replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Joiner:
    """Joins halves that come in two pieces of a text."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, piece: str) -> str:
        """What is whole by now; a first half at the end is held back."""
        text, self._half = self._half + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return joined(text)

    def finish(self) -> str:
        """What was held back, at the end."""
        half, self._half = self._half, ""
        return joined(half)

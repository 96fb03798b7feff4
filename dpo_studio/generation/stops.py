"""A candidate's text that ends before the first stop string, given out in pieces that never hold a part of one."""

from __future__ import annotations

from collections.abc import Sequence

from .streams import TextStream


class StoppableText:
    """A text stream that is cut before the first of some stop strings.

    A stop string counts once something besides white space stands before it, so that an answer is never
    empty because its first line is. What could be the beginning of one is held back until it is decided.

    Attributes:
        cut: a stop string was found; `text` ends before it and takes no more.
    """

    def __init__(self, stream: TextStream, stops: Sequence[str] = ()) -> None:
        self._stream, self._stops = stream, tuple(stops)
        self._longest = max(map(len, self._stops), default=0)
        self._text = ""
        self._given = 0
        self.cut = False

    @property
    def text(self) -> str:
        """All text up to the cut; while it grows, with what is held back."""
        return self._text

    def push(self, token: int) -> str:
        """The text that this token makes certain."""
        return self._take(self._stream.push(token))

    def finish(self) -> str:
        """What was held back, at the end."""
        return self._take(self._stream.finish(), last=True)

    def _take(self, piece: str, *, last: bool = False) -> str:
        if self.cut:
            return ""
        # A stop string that ends in this piece begins no earlier than here.
        begin = max(0, len(self._text) - self._longest + 1)
        self._text += piece
        found = self._find(begin)
        if found is not None:
            self._text, self.cut = self._text[:found], True
        end = len(self._text) if self.cut or last else len(self._text) - self._undecided()
        given, self._given = self._text[self._given : end], end
        return given

    def _find(self, begin: int) -> int | None:
        """Where the first stop string that counts begins."""
        said = len(self._text) - len(self._text.lstrip())
        places = (self._text.find(stop, max(begin, said + 1)) for stop in self._stops)
        return min((place for place in places if place >= 0), default=None)

    def _undecided(self) -> int:
        """How many characters at the end could be the beginning of a stop string."""
        ends = range(min(self._longest - 1, len(self._text) - self._given), 0, -1)
        return next((n for n in ends if any(stop.startswith(self._text[-n:]) for stop in self._stops)), 0)

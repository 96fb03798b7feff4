"""What each candidate has of its own: a stream of random numbers, and its text as it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

_BLOCK = 64
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class RandomStream:
    """Uniform numbers in [0, 1) from a generator of its own, so that other candidates change nothing."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._block: list[float] = []

    def next(self) -> float:
        if not self._block:
            numbers = torch.rand(_BLOCK, generator=self._generator, dtype=torch.float64)
            self._block = numbers.flip(0).tolist()
        return self._block.pop()


class TextStream:
    """Text of growing token ids, given out in pieces that never cut a character in two.

    Args:
        decode: token ids to text, control tokens left out.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._begin = 0  # a few ids before `_given` give the next ones their context
        self._given = 0
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was given out."""
        return "".join(self._pieces)

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character is incomplete."""
        self._ids.append(token)
        before = self._decode(self._ids[self._begin : self._given])
        after = self._decode(self._ids[self._begin :])
        if after.endswith(_UNFINISHED) or not after.startswith(before):
            return ""
        return self._give(after[len(before) :])

    def finish(self) -> str:
        """What was held back, at the end."""
        whole, text = self._decode(self._ids), self.text
        if whole.startswith(text):
            return self._give(whole[len(text) :])
        return self._give(self._decode(self._ids[self._given :]))

    def _give(self, piece: str) -> str:
        self._begin, self._given = self._given, len(self._ids)
        if piece:
            self._pieces.append(piece)
        return piece

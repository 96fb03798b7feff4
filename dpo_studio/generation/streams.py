"""What each candidate has of its own: a seed, a stream of random numbers, and its text as it grows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import torch

from dpo_studio.core.types import Message

_BLOCK = 64
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


def candidate_seed(seed: int, messages: Sequence[Message], candidate: int, attempt: int = 0) -> int:
    """The seed of one candidate's random stream: 48 bits that depend on nothing but these values.

    Args:
        attempt: above 0 for a candidate that is drawn again because it came out like another one.
    """
    rows = json.dumps([message.to_json() for message in messages], ensure_ascii=True)
    text = f"{seed}|{rows}|{candidate}" + (f"|{attempt}" if attempt else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


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

"""One candidate while it is decoded, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpo_studio.core.seeds import candidate_seed
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.models.chat import ChatFormat

from .stops import StoppableText
from .streams import RandomStream, TextStream


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Newly decoded text of a candidate."""

    candidate: int
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished candidate.

    Attributes:
        token_ids: as sampled, the end token included where the model produced it. Where a stop string begins inside
            a token, those of the text instead.
        logp: summed log-probability of the ids, temperature 1 and no cuts, nats; None where they are not the sampled.
        finish_reason: "stop" (the model ended), "stop_string" or "length".
        seed: of the random stream that it was drawn from.
        repeats: it is the same text as another candidate's, and drawing it again did not help.
    """

    candidate: int
    text: str
    token_ids: tuple[int, ...]
    logp: float | None
    finish_reason: str
    seed: int
    repeats: bool = False


@dataclass(slots=True)
class Row:
    """One candidate while it is decoded.

    Attributes:
        attempt: above 0 where it is drawn again because it came out like another one.
        limit: tokens that it may have.
        finish_reason: empty while it goes on.
    """

    candidate: int
    attempt: int
    seed: int
    sampling: SamplingSettings
    limit: int
    text: StoppableText
    numbers: RandomStream
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    finish_reason: str = ""
    sampled: bool = True

    @classmethod
    def begin(
        cls,
        messages: Sequence[Message],
        candidate: int,
        sampling: SamplingSettings,
        *,
        chat: ChatFormat,
        limit: int,
        attempt: int = 0,
    ) -> Row:
        """A candidate of which nothing is drawn yet."""
        seed = candidate_seed(sampling.seed, messages, candidate, attempt)
        return cls(
            candidate=candidate,
            attempt=attempt,
            seed=seed,
            sampling=sampling,
            limit=min(sampling.max_new_tokens, limit),
            text=StoppableText(TextStream(chat.text), sampling.stop),
            numbers=RandomStream(seed),
        )

    def take(self, token: int, logp: float, chat: ChatFormat) -> str:
        """Add a token; the text it gives."""
        self.ids.append(token)
        self.logps.append(logp)
        if token in chat.end_ids:
            self.finish_reason = "stop"
            piece = self.text.finish()
        else:
            piece = self.text.push(token)
            if len(self.ids) >= self.limit:
                self.finish_reason = "length"
                piece += self.text.finish()
        if self.text.cut:
            self.finish_reason = "stop_string"
            self._cut_ids(chat)
        return piece

    def answer(self, *, repeats: bool = False) -> Answer:
        """What it has become."""
        return Answer(
            candidate=self.candidate,
            text=self.text.text,
            token_ids=tuple(self.ids),
            logp=math.fsum(self.logps) if self.sampled else None,
            finish_reason=self.finish_reason,
            seed=self.seed,
            repeats=repeats,
        )

    def _cut_ids(self, chat: ChatFormat) -> None:
        """Leave the ids of the text that was cut: the first sampled ones, or where it ends inside a token, its own."""
        text, count = self.text.text, len(self.ids)
        while len(chat.text(self.ids[:count])) > len(text):
            count -= 1
        if chat.text(self.ids[:count]) == text:
            self.ids, self.logps = self.ids[:count], self.logps[:count]
        else:
            self.ids, self.sampled = chat.completion_ids(text, self.finish_reason), False

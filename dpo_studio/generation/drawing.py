"""Candidates of many prompts drawn in one batch: prompts join as there is room, rows that ended leave.

Every candidate draws from a random stream of its own, and is decoded with numbers that depend on what is beside it as
little as the machine allows (see `rows`), so how prompts are batched does not change what is said. A model that
cannot decode rows in that way answers one prompt after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.models.load import LoadedModel

from .answers import Answer, Row, TextPiece
from .choose import RowSettings, choose_tokens
from .decoder import Decoder
from .lean import Lean
from .room import Room
from .rows import Prefix, Rows
from .shared_attention import reach

#: How often a candidate that came out like another one is drawn again.
MOST_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """Candidates of one prompt.

    Attributes:
        key: comes back with everything that is said of it.
        wanted: the settings of each candidate.
        taken: answers that there are already, without white space at the ends; None where equal ones may stand.
    """

    key: int
    messages: Sequence[Message]
    wanted: Mapping[int, SamplingSettings]
    taken: Collection[str] | None = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """Everything that a wish asked for was said."""


Said = TextPiece | Answer | Ended | UserError


class _Open:
    """A wish that is being fulfilled.

    Raises:
        UserError: the prompt does not fit, or the model's template refuses it.
    """

    def __init__(self, loaded: LoadedModel, wish: Wish) -> None:
        self.wish, self._chat = wish, loaded.chat
        self.prompt = loaded.chat.prompt_ids(wish.messages)
        self._limit = loaded.check_fits(self.prompt)
        self._texts = set(wish.taken or ())
        self.left = len(wish.wanted)
        self.prefix: Prefix | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the prompt and of all rows, at most."""
        return len(self.prompt) + sum(min(each.max_new_tokens, self._limit) for each in self.wish.wanted.values())

    @property
    def longest(self) -> int:
        """Tokens of the prompt with its longest answer, at most."""
        return len(self.prompt) + min(self._limit, max(each.max_new_tokens for each in self.wish.wanted.values()))

    def rows(self) -> list[Row]:
        return [self._row(candidate, 0) for candidate in self.wish.wanted]

    def end(self, row: Row) -> Iterator[Answer | Row | Ended]:
        """What becomes of a row that ended: its answer, or another row where its text is there already."""
        text = row.text.text.strip()
        repeats = self.wish.taken is not None and text in self._texts
        if repeats and row.attempt < MOST_ATTEMPTS and row.sampling.temperature > 0:
            yield self._row(row.candidate, row.attempt + 1)
            return
        self._texts.add(text)
        self.left -= 1
        yield row.answer(repeats=repeats)
        if not self.left:
            yield Ended()

    def _row(self, candidate: int, attempt: int) -> Row:
        settings = self.wish.wanted[candidate]
        return Row.begin(self.wish.messages, candidate, settings, chat=self._chat, limit=self._limit, attempt=attempt)


class _Seats:
    """The rows of a batch in order, with whose they are, their settings and the tokens they hold."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self.rows: list[tuple[_Open, Row]] = []
        self._settings = RowSettings([], loaded.device)
        self._seen: torch.Tensor | None = None

    def add(self, owner: _Open, rows: Sequence[Row]) -> None:
        """Rows come last."""
        self.rows += [(owner, row) for row in rows]
        self._settings = RowSettings([row.sampling for _, row in self.rows], self._loaded.device)
        prompt = torch.tensor(sorted(set(owner.prompt)), device=self._loaded.device)
        self._seen = _beside(self._seen, prompt.expand(len(rows), -1))

    def choose(self, logits: torch.Tensor) -> tuple[list[int], list[str]]:
        """Draw a token for each row and add it; the tokens, and the text that each gives.

        Raises:
            UserError: the model's numbers are not finite.
        """
        uniforms = [row.numbers.next() for _, row in self.rows]
        chosen, logps = choose_tokens(logits, self._settings, uniforms, seen=self._seen)
        tokens, pieces = chosen.tolist(), []
        for (_, row), token, logp in zip(self.rows, tokens, logps.tolist(), strict=True):
            if not math.isfinite(logp):
                raise UserError(
                    "The model's numbers are not finite, so it cannot answer.",
                    "Its adapter may have drifted too far in training: choose another run, or the base model.",
                )
            pieces.append(row.take(token, logp, self._loaded.chat))
        assert self._seen is not None
        self._seen = torch.cat([self._seen, chosen[:, None]], dim=1)
        return tokens, pieces

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all rows but these."""
        if len(kept) == len(self.rows):
            return
        assert self._seen is not None
        self.rows = [self.rows[index] for index in kept]
        self._settings, self._seen = self._settings.take(kept), self._seen[list(kept)]


def draw(
    loaded: LoadedModel, wishes: Iterable[Wish], *, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, Said]]:
    """Fulfil wishes, several at once, in their order as there is room.

    Said is, with a wish's key: text as it is decoded (of a first attempt only), each answer as it ends, and that
    all is said; or the UserError for which a wish cannot be fulfilled. A candidate that comes out like another of
    its wish, or like one that is taken, is drawn again, at most MOST_ATTEMPTS times. When cancelled, it ends after
    the token in hand; answers given stand.

    Raises:
        UserError: the model's numbers are not finite.
    """
    model = _bare(loaded.model)
    furthest = reach(model)
    batch = _Batch(loaded, model, lean=furthest > 0 and Lean.of(model) is not None)
    waiting = iter(wishes)
    after: _Open | None = None
    while True:
        while not cancelled():
            if after is None:
                wish = next(waiting, None)
                if wish is None:
                    break
                try:
                    after = _Open(loaded, wish)
                except UserError as error:
                    yield wish.key, error
                    continue
            if after.longest > furthest:
                yield from _alone(loaded, model, after, cancelled)
            elif batch.fits(after):
                batch.join(after)
            else:
                break
            after = None
        if cancelled() or not batch.seats.rows:
            return
        yield from batch.step(cancelled)


class _Batch:
    """Wishes that are fulfilled together."""

    def __init__(self, loaded: LoadedModel, model: torch.nn.Module, *, lean: bool) -> None:
        self._rows = Rows(model, loaded.device)
        self._room = Room.of(loaded.device, lean=lean)
        self.seats = _Seats(loaded)

    def fits(self, more: _Open) -> bool:
        """Whether there is room for a wish; always where there is none yet."""
        if not self.seats.rows:
            return True
        owners = {id(owner): owner for owner, _ in self.seats.rows}.values()
        rows = len(self.seats.rows) + len(more.wish.wanted)
        return self._room.fits(rows, sum(owner.tokens for owner in owners) + more.tokens)

    def join(self, more: _Open) -> None:
        """Read a wish's prompt and add its rows."""
        more.prefix = self._rows.read(more.prompt)
        self._room.token_bytes = more.prefix.token_bytes
        self._add(more, more.rows())

    def step(self, cancelled: Callable[[], bool]) -> Iterator[tuple[int, Said]]:
        """Draw a token for each row, and go on with those that did not end."""
        seats = self.seats
        tokens, pieces = seats.choose(self._rows.logits)
        again: list[tuple[_Open, Row]] = []
        for (owner, row), piece in zip(seats.rows, pieces, strict=True):
            if piece and row.attempt == 0:
                yield owner.wish.key, TextPiece(row.candidate, piece)
            if row.finish_reason:
                for said in owner.end(row):
                    if isinstance(said, Row):
                        again.append((owner, said))
                    else:
                        yield owner.wish.key, said
                if not owner.left:
                    self._room.widen()
        if cancelled():
            return
        kept = [index for index, (_, row) in enumerate(seats.rows) if not row.finish_reason]
        self._rows.keep(kept)
        seats.keep(kept)
        if kept:
            self._rows.step([tokens[index] for index in kept])
        for owner, row in again:
            self._add(owner, [row])

    def _add(self, owner: _Open, rows: Sequence[Row]) -> None:
        assert owner.prefix is not None
        self._rows.join(owner.prefix, len(rows))
        self.seats.add(owner, rows)


def _alone(
    loaded: LoadedModel, model: torch.nn.Module, owner: _Open, cancelled: Callable[[], bool]
) -> Iterator[tuple[int, Said]]:
    """Fulfil one wish with the model's own attention and cache."""
    waiting = owner.rows()
    while waiting and not cancelled():
        room = max(row.limit for row in waiting)
        decoder = Decoder(model, owner.prompt, len(waiting), room=room, device=loaded.device)
        seats = _Seats(loaded)
        seats.add(owner, waiting)
        waiting = []
        while True:
            tokens, pieces = seats.choose(decoder.logits)
            for (_, row), piece in zip(seats.rows, pieces, strict=True):
                if piece and row.attempt == 0:
                    yield owner.wish.key, TextPiece(row.candidate, piece)
                if row.finish_reason:
                    for said in owner.end(row):
                        if isinstance(said, Row):
                            waiting.append(said)
                        else:
                            yield owner.wish.key, said
            kept = [index for index, (_, row) in enumerate(seats.rows) if not row.finish_reason]
            if not kept or cancelled():
                break
            seats.keep(kept)
            decoder.step([tokens[index] for index in kept], kept)


def _beside(seen: torch.Tensor | None, more: torch.Tensor) -> torch.Tensor:
    """Rows of tokens under other rows of tokens, the shorter ones filled up with their own first token."""
    if seen is None:
        return more
    longest = max(seen.shape[1], more.shape[1])
    return torch.cat([torch.cat([rows, rows[:, :1].expand(-1, longest - rows.shape[1])], 1) for rows in (seen, more)])


def _bare(model: torch.nn.Module) -> torch.nn.Module:
    """The model without PEFT's wrapper; the adapter works on inside its layers."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model

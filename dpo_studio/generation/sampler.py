"""Answers to prompts: k candidates of one prompt as a stream, or many prompts at once.

The same seed and settings give the same text: every candidate draws from a random stream of its own,
and a lone row is doubled because libraries round a product with one row differently. What is left are
last bits: kernels may round a row differently beside other rows, and `answer` reads prompts of different
lengths in one padded batch. In float32 such a bit was seen to change a token once, in `answer`, on a tiny
model whose probabilities are all but equal; in bfloat16 it now and then does, in `answer` more than in `sample`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.seeds import candidate_seed
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.models.chat import ChatFormat
from dpo_studio.models.load import LoadedModel

from .choose import RowSettings, choose_tokens
from .decoder import Decoder, can_pad
from .stops import StoppableText
from .streams import RandomStream, TextStream

#: How often a candidate that came out like another one is drawn again.
MOST_ATTEMPTS = 2
_BATCH_ROWS, _BATCH_TOKENS = 16, 16_384


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
class _Row:
    """One candidate while it is decoded."""

    conversation: int
    candidate: int
    seed: int
    sampling: SamplingSettings
    limit: int
    text: StoppableText
    numbers: RandomStream
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    finish_reason: str = ""
    sampled: bool = True

    def answer(self, *, repeats: bool = False) -> Answer:
        return Answer(
            candidate=self.candidate,
            text=self.text.text,
            token_ids=tuple(self.ids),
            logp=math.fsum(self.logps) if self.sampled else None,
            finish_reason=self.finish_reason,
            seed=self.seed,
            repeats=repeats,
        )


def sample(
    loaded: LoadedModel,
    messages: Sequence[Message],
    wanted: Mapping[int, SamplingSettings],
    *,
    taken: Collection[str] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[TextPiece | Answer]:
    """Draw candidates of one prompt together; text as it is decoded, then each answer as it ends.

    A candidate that comes out like another of this call, or like one that is taken, is drawn again, at most
    MOST_ATTEMPTS times and without streaming. When cancelled, it ends after the token in hand; answers given stand.

    Args:
        wanted: the settings of each candidate.
        taken: answers that there are already, without white space at the ends.

    Raises:
        UserError: the prompt does not fit, or the model's numbers are not finite.
    """
    prompt = loaded.chat.prompt_ids(messages)
    texts = set(taken)
    waiting = list(wanted)
    for attempt in range(MOST_ATTEMPTS + 1):
        rows = [_row(loaded, messages, prompt, wanted[candidate], candidate, attempt=attempt) for candidate in waiting]
        waiting = []
        for row, piece in _decode(loaded, [prompt], [rows], cancelled):
            if piece and attempt == 0:
                yield TextPiece(row.candidate, piece)
            if not row.finish_reason:
                continue
            repeats = row.text.text.strip() in texts
            if repeats and attempt < MOST_ATTEMPTS and row.sampling.temperature > 0:
                waiting.append(row.candidate)
                continue
            texts.add(row.text.text.strip())
            yield row.answer(repeats=repeats)
        if not waiting or cancelled():
            return


def answer(
    loaded: LoadedModel,
    conversations: Sequence[Sequence[Message]],
    sampling: SamplingSettings,
    candidates: Sequence[int] = (0,),
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[list[Answer]]:
    """The candidates' answers to each conversation, several conversations at once.

    Nothing is drawn again when two come out alike. When cancelled, unfinished answers are left out.

    Returns:
        for each conversation, its answers in the order of `candidates`.

    Raises:
        UserError: a prompt does not fit, or the model's numbers are not finite.
    """
    prompts = [loaded.chat.prompt_ids(messages) for messages in conversations]
    rows = [
        [_row(loaded, messages, prompt, sampling, candidate, conversation=index) for candidate in candidates]
        for index, (messages, prompt) in enumerate(zip(conversations, prompts, strict=True))
    ]
    done: dict[tuple[int, int], Answer] = {}
    was_training = loaded.model.training
    loaded.model.eval()
    try:
        for batch in _batches(loaded, prompts, sampling, len(candidates)):
            some_prompts, some_rows = [prompts[i] for i in batch], [rows[i] for i in batch]
            for row, _ in _decode(loaded, some_prompts, some_rows, cancelled):
                if row.finish_reason:
                    done[row.conversation, row.candidate] = row.answer()
    finally:
        loaded.model.train(was_training)
    return [[done[i, c] for c in candidates if (i, c) in done] for i in range(len(prompts))]


def _row(
    loaded: LoadedModel,
    messages: Sequence[Message],
    prompt: list[int],
    sampling: SamplingSettings,
    candidate: int,
    *,
    attempt: int = 0,
    conversation: int = 0,
) -> _Row:
    seed = candidate_seed(sampling.seed, messages, candidate, attempt)
    return _Row(
        conversation=conversation,
        candidate=candidate,
        seed=seed,
        sampling=sampling,
        limit=min(sampling.max_new_tokens, loaded.check_fits(prompt)),
        text=StoppableText(TextStream(loaded.chat.text), sampling.stop),
        numbers=RandomStream(seed),
    )


def _decode(
    loaded: LoadedModel,
    prompts: Sequence[list[int]],
    rows_by_prompt: Sequence[Sequence[_Row]],
    cancelled: Callable[[], bool],
) -> Iterator[tuple[_Row, str]]:
    """Decode rows in step; each row with each new piece of its text, and once more when it has ended."""
    rows = [row for some in rows_by_prompt for row in some]
    if not rows or cancelled():
        return
    decoder = Decoder(
        _bare(loaded.model),
        prompts,
        [len(some) for some in rows_by_prompt],
        room=max(row.limit for row in rows),
        device=loaded.device,
    )
    settings = RowSettings([row.sampling for row in rows], loaded.device)
    seen = _seen(prompts, rows_by_prompt, decoder.logits) if settings.penalises else None
    while True:
        chosen, logps = choose_tokens(decoder.logits, settings, [row.numbers.next() for row in rows], seen=seen)
        tokens = chosen.tolist()
        for row, token, logp in zip(rows, tokens, logps.tolist(), strict=True):
            if not math.isfinite(logp):
                raise UserError(
                    "The model's numbers are not finite, so it cannot answer.",
                    "Its adapter may have drifted too far in training: choose another run, or the base model.",
                )
            yield row, _take(row, token, logp, loaded.chat)
        kept = [index for index, row in enumerate(rows) if not row.finish_reason]
        if not kept or cancelled():
            return
        if seen is not None:
            seen.scatter_(1, chosen[:, None], True)
            seen = seen[kept] if len(kept) < len(rows) else seen
        if len(kept) < len(rows):
            settings = settings.take(kept)
        rows = [rows[index] for index in kept]
        decoder.step([tokens[index] for index in kept], kept)


def _take(row: _Row, token: int, logp: float, chat: ChatFormat) -> str:
    """Add a token to a row; the text it gives."""
    row.ids.append(token)
    row.logps.append(logp)
    if token in chat.end_ids:
        row.finish_reason = "stop"
        piece = row.text.finish()
    else:
        piece = row.text.push(token)
        if len(row.ids) >= row.limit:
            row.finish_reason = "length"
            piece += row.text.finish()
    if row.text.cut:
        row.finish_reason = "stop_string"
        _cut_ids(row, chat)
    return piece


def _cut_ids(row: _Row, chat: ChatFormat) -> None:
    """Leave the ids of the text that was cut: the first sampled ones, or where it ends inside a token, its own."""
    text, count = row.text.text, len(row.ids)
    while len(chat.text(row.ids[:count])) > len(text):
        count -= 1
    if chat.text(row.ids[:count]) == text:
        row.ids, row.logps = row.ids[:count], row.logps[:count]
    else:
        row.ids, row.sampled = chat.completion_ids(text, row.finish_reason), False


def _seen(prompts: Sequence[list[int]], rows_by_prompt: Sequence[Sequence[_Row]], logits: torch.Tensor) -> torch.Tensor:
    seen = torch.zeros_like(logits, dtype=torch.bool)
    row = 0
    for prompt, some in zip(prompts, rows_by_prompt, strict=True):
        seen[row : row + len(some), torch.tensor(prompt, device=logits.device)] = True
        row += len(some)
    return seen


def _batches(
    loaded: LoadedModel, prompts: Sequence[list[int]], sampling: SamplingSettings, rows: int
) -> Iterator[list[int]]:
    """Conversations to read together: of like length, and no more than the memory is meant for."""
    padded = can_pad(_bare(loaded.model))
    batch: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        together = (len(batch) + 1) * rows
        tokens = together * (len(prompts[index]) + sampling.max_new_tokens)
        like = padded or not batch or len(prompts[batch[0]]) == len(prompts[index])
        if batch and (together > _BATCH_ROWS or tokens > _BATCH_TOKENS or not like):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _bare(model: torch.nn.Module) -> torch.nn.Module:
    """The model without PEFT's wrapper; the adapter works on inside its layers."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model

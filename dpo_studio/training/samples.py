"""The policy's answers to the run's fixed prompts: the most probable ones, and fresh draws."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.events import Notice
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message, messages_from_json

from .memory import is_out_of_memory

MAX_NEW_TOKENS = 160
#: As in generation: without it small models fall into loops that hide what was learnt.
REPETITION_PENALTY = SamplingSettings().repetition_penalty


@dataclass(frozen=True, slots=True)
class SamplePrompt:
    """A prompt to answer; `prompt` is its id in the project."""

    prompt: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    prompt: int
    text: str
    finish_reason: str


def read_prompts(path: Path) -> list[SamplePrompt]:
    """The prompts of a run's `sample_prompts.jsonl`; none where there is no such file."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [SamplePrompt(row["prompt"], messages_from_json(row["messages"])) for row in rows]


def answerable(
    prompts: Sequence[SamplePrompt], chat: Any, context_length: int
) -> tuple[list[SamplePrompt], list[Notice]]:
    """The prompts that a model can answer, and a word about the others, which stop nothing."""
    kept = [prompt for prompt in prompts if _leaves_room(prompt, chat, context_length)]
    if len(kept) == len(prompts):
        return kept, []
    text = (
        f"Not answered: {len(prompts) - len(kept)} of {len(prompts)} sample prompts, which this model's chat template"
        " does not take, or which leave no room for an answer."
    )
    return kept, [Notice("samples_left_out", text)]


def _leaves_room(prompt: SamplePrompt, chat: Any, context_length: int) -> bool:
    try:
        return 0 < len(chat.prompt_ids(prompt.messages)) < context_length
    except UserError:
        return False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A fresh answer. `token_ids` are the drawn ones, the end token included where the model drew it."""

    prompt: int
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    text: str
    finish_reason: str


@torch.no_grad()
def answer(
    model: Any, chat: Any, prompts: Sequence[SamplePrompt], *, context_length: int, together: bool
) -> Iterator[Answer]:
    """Greedy answers, in the order of the prompts.

    Where memory is too short for all at once, they are answered one by one.

    Args:
        prompts: `answerable` ones.
        together: whether prompts may be answered in one batch, padded at the left; a model whose state runs
            through the padding must not.
    """
    for batch, room in _batches(chat, prompts, context_length, MAX_NEW_TOKENS, together=together):
        made = _decode_fitting(model, [ids for _, ids in batch], chat, room)
        for (prompt, _), new in zip(batch, made, strict=True):
            end = _end(new, chat)
            yield Answer(prompt.prompt, chat.text(new[:end]), "length" if end is None else "stop")


@torch.no_grad()
def draw(
    model: Any,
    chat: Any,
    prompts: Sequence[SamplePrompt],
    *,
    count: int,
    max_new_tokens: int,
    seed: int,
    context_length: int,
    together: bool,
) -> list[Drawn]:
    """Draw `count` answers from the policy as it is, the prompts taken in turn.

    Nothing is cut off or flattened (temperature 1, no top-k, top-p or penalty), so they are samples of π_θ. The global
    random streams are left as they were found.

    Args:
        prompts: `answerable` ones.
    """
    asked = [prompts[number % len(prompts)] for number in range(count)]
    device = next(model.parameters()).device
    drawn = []
    with _own_stream(device, seed):
        for batch, room in _batches(chat, asked, context_length, max_new_tokens, together=together):
            made = _decode(model, [ids for _, ids in batch], chat, room, _AS_IT_IS)
            for (prompt, ids), new in zip(batch, made, strict=True):
                end = _end(new, chat)
                kept = new if end is None else new[: end + 1]
                reason = "length" if end is None else "stop"
                drawn.append(Drawn(prompt.prompt, tuple(ids), tuple(kept), chat.text(new[:end]), reason))
    return drawn


_MOST_PROBABLE = {
    "do_sample": False,
    "repetition_penalty": REPETITION_PENALTY,
    "temperature": None,
    "top_p": None,
    "top_k": None,
}
#: Every one is said, since a model's own generation settings would fill a gap.
_AS_IT_IS = {
    "do_sample": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}


@contextmanager
def _own_stream(device: torch.device, seed: int) -> Iterator[None]:
    """Context: the global random streams start from this seed, and go on afterwards as if nothing had been."""
    devices = [] if device.type == "cpu" else [device.index or 0]
    with torch.random.fork_rng(devices=devices, device_type="cuda" if device.type == "cpu" else device.type):
        torch.manual_seed(seed)
        yield


def _batches(
    chat: Any, prompts: Sequence[SamplePrompt], context_length: int, wanted: int, *, together: bool
) -> Iterator[tuple[list[tuple[SamplePrompt, list[int]]], int]]:
    """The prompts with their ids, in batches, and how many tokens an answer of each batch may have."""
    rows = [(prompt, chat.prompt_ids(prompt.messages)) for prompt in prompts]
    for batch in [rows] if together and rows else [[row] for row in rows]:
        yield batch, min(wanted, context_length - max(len(ids) for _, ids in batch))


def _end(tokens: Sequence[int], chat: Any) -> int | None:
    """The place of the first end token."""
    return next((place for place, token in enumerate(tokens) if token in chat.end_ids), None)


def _decode_fitting(model: Any, rows: list[list[int]], chat: Any, room: int) -> list[list[int]]:
    """The most probable answers; one by one where memory is too short for all at once."""
    try:
        return _decode(model, rows, chat, room, _MOST_PROBABLE)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(rows) == 1:
            raise
    return [made for row in rows for made in _decode(model, [row], chat, room, _MOST_PROBABLE)]


def _decode(model: Any, rows: list[list[int]], chat: Any, room: int, how: Mapping[str, Any]) -> list[list[int]]:
    device = next(model.parameters()).device
    width = max(len(ids) for ids in rows)
    tokens = torch.tensor([[chat.end_id] * (width - len(ids)) + ids for ids in rows], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in rows], device=device)
    made = model.generate(
        input_ids=tokens,
        attention_mask=mask,
        num_beams=1,
        max_new_tokens=room,
        eos_token_id=sorted(chat.end_ids),
        pad_token_id=chat.end_id,
        **how,
    )
    return made[:, width:].tolist()

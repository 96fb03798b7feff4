"""The policy's most probable answers to the run's fixed prompts, before and after training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message, messages_from_json

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


@torch.no_grad()
def answer(
    model: Any, chat: Any, prompts: Sequence[SamplePrompt], *, context_length: int, together: bool
) -> Iterator[Answer]:
    """Greedy answers, in the order of the prompts. A prompt that fills the context is passed over.

    Args:
        together: whether prompts may be answered in one batch, padded at the left; a model whose state runs
            through the padding must not.
    """
    rows = [(prompt, chat.prompt_ids(prompt.messages)) for prompt in prompts]
    rows = [(prompt, ids) for prompt, ids in rows if 0 < len(ids) < context_length]
    for batch in [rows] if together and rows else [[row] for row in rows]:
        room = min(MAX_NEW_TOKENS, context_length - max(len(ids) for _, ids in batch))
        for (prompt, _), new in zip(batch, _decode(model, [ids for _, ids in batch], chat, room), strict=True):
            end = next((place for place, token in enumerate(new) if token in chat.end_ids), None)
            yield Answer(prompt.prompt, chat.text(new[:end]), "length" if end is None else "stop")


def _decode(model: Any, rows: list[list[int]], chat: Any, room: int) -> list[list[int]]:
    device = next(model.parameters()).device
    width = max(len(ids) for ids in rows)
    tokens = torch.tensor([[chat.end_id] * (width - len(ids)) + ids for ids in rows], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in rows], device=device)
    made = model.generate(
        input_ids=tokens,
        attention_mask=mask,
        do_sample=False,
        num_beams=1,
        repetition_penalty=REPETITION_PENALTY,
        temperature=None,
        top_p=None,
        top_k=None,
        max_new_tokens=room,
        eos_token_id=sorted(chat.end_ids),
        pad_token_id=chat.end_id,
    )
    return made[:, width:].tolist()

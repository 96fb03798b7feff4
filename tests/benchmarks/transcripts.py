"""Published preference transcripts as run folders, and rankings of a model's own answers to their prompts.

A prompt here is raw text, everything up to and including the last "\\n\\nAssistant:". So the model is lent a chat
template that writes a message as it stands, and the engine takes its ordinary way: run folder, template, token ids.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

ANSWER = "\n\nAssistant:"
AS_IT_STANDS = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its answers, best first. `token_ids` are given where a model drew the answers."""

    prompt: str
    answers: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...] | None = None


def read_pairs(path: Path) -> list[Group]:
    """Every transcript pair whose prompts agree; the few others are left out."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    pairs = []
    with opened as lines:
        for line in lines:
            row = json.loads(line)
            (chosen_prompt, chosen), (prompt, rejected) = (_split(row[name]) for name in ("chosen", "rejected"))
            if chosen_prompt == prompt:
                pairs.append(Group(prompt, (chosen, rejected)))
    return pairs


def _split(transcript: str) -> tuple[str, str]:
    end = transcript.rindex(ANSWER) + len(ANSWER)
    return transcript[:end], transcript[end:]


def pairs_of(group: Group) -> list[Group]:
    """Every better-worse pair of a ranking."""
    count = len(group.answers)
    ids = group.token_ids
    return [
        Group(group.prompt, (group.answers[i], group.answers[j]), None if ids is None else (ids[i], ids[j]))
        for i in range(count)
        for j in range(i + 1, count)
    ]


def raw_model(model: Path, folder: Path) -> Path:
    """The model in `folder`, by links, with a chat template that adds nothing."""
    folder.mkdir(parents=True)
    for path in model.iterdir():
        if path.name not in ("chat_template.jinja", "manifest.json"):
            (folder / path.name).symlink_to(path.resolve())
    (folder / "chat_template.jinja").write_text(AS_IT_STANDS, encoding="utf-8")
    return folder


def write_run(
    folder: Path, base: Path, train: Iterable[Group], held_out: Iterable[Group] = (), **settings: Any
) -> Path:
    """A run folder as the store writes them, without prompts to answer before and after."""
    from dpo_studio.models.chat import tokenizer_hash

    folder.mkdir(parents=True)
    hashed = tokenizer_hash(tokenizer_of(base))
    body = {
        "run": folder.name,
        "base": str(base),
        "adapter": None,
        "training": settings,
        "reference_cache": "../references",
    }
    (folder / "settings.json").write_text(json.dumps(body), encoding="utf-8")
    with (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for number, (group, is_held_out) in enumerate([*((g, False) for g in train), *((g, True) for g in held_out)]):
            file.write(json.dumps(_line(number, group, hashed, held_out=is_held_out)) + "\n")
    return folder


def tokenizer_of(model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model, local_files_only=True)


def _line(number: int, group: Group, hashed: str, *, held_out: bool) -> dict[str, Any]:
    ids: Sequence[Any] = group.token_ids or [None] * len(group.answers)
    return {
        "group": f"{number:05d}",
        "held_out": held_out,
        "prompt": [{"role": "user", "content": group.prompt}],
        "completions": [
            {"text": text, "token_ids": tokens, "tokenizer_hash": hashed, "finish_reason": "imported"}
            for text, tokens in zip(group.answers, ids, strict=True)
        ],
        "ranks": list(range(1, len(group.answers) + 1)),
    }


def rankings(prompts: Sequence[str], base: Path, *, k: int = 4, tokens: int = 64) -> list[Group]:
    """`k` answers of the model to each prompt, in an arbitrary fixed order; drawn once and kept in the user's cache.

    A prompt whose answers are not all different is left out: a pair of equal answers teaches nothing.
    """
    model = hashlib.sha256((base / "config.json").read_bytes() + str((base / "model.safetensors").resolve()).encode())
    key = hashlib.sha256(json.dumps([model.hexdigest(), list(prompts), k, tokens]).encode()).hexdigest()[:16]
    root = os.environ.get("DPO_STUDIO_CACHE") or platformdirs.user_cache_dir("dpo-studio", appauthor=False)
    kept = Path(root) / "benchmarks" / f"rankings-{key}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        drawn = _draw(prompts, base, k=k, tokens=tokens)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(drawn), encoding="utf-8")
        partial.replace(kept)
    found = []
    for number, (prompt, answers) in enumerate(zip(prompts, json.loads(kept.read_text("utf-8")), strict=True)):
        random.Random(number).shuffle(answers)
        ids = tuple(tuple(answer["token_ids"]) for answer in answers)
        if len(set(ids)) == k:
            found.append(Group(prompt, tuple(answer["text"] for answer in answers), ids))
    return found


def _draw(prompts: Sequence[str], base: Path, *, k: int, tokens: int) -> list[list[dict[str, Any]]]:
    from dpo_studio.core.settings import SamplingSettings
    from dpo_studio.core.types import Message
    from dpo_studio.generation.sampler import answer
    from dpo_studio.models.load import load

    sampling = SamplingSettings(k=k, temperature=1.0, top_p=1.0, repetition_penalty=1.0, max_new_tokens=tokens)
    conversations = [[Message("user", prompt)] for prompt in prompts]
    found = answer(load(str(base)), conversations, sampling, range(k))
    return [[{"text": a.text, "token_ids": list(a.token_ids)} for a in answers] for answers in found]

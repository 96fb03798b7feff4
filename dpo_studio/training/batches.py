"""From a run's `data.jsonl` to token ids, and from groups to optimiser steps and micro-batches.

What is left out is counted by its reason, never dropped in silence.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from dpo_studio.core import label_bias
from dpo_studio.core.errors import UserError
from dpo_studio.core.events import Notice
from dpo_studio.core.methods import METHODS, check_data, is_usable
from dpo_studio.core.ranking import is_trainable
from dpo_studio.core.types import Message, Ranks, messages_from_json

from .shortening import shortened_prompt


class Chat(Protocol):
    """The part of models.chat.ChatFormat that is used here."""

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]: ...

    def completion_ids(self, text: str, finish_reason: str) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Example:
    """One group as the model sees it.

    Attributes:
        group: its uuid.
        ranks: as the objectives take them: 1 is best, equal are tied, 0 is unranked.
        strength, annotator: as labelled.
        confidence: the annotator's in this label, from a half to 1; None where it is not known.
    """

    group: str
    held_out: bool
    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    ranks: tuple[int, ...]
    strength: int = 1
    annotator: str = ""
    confidence: float | None = None

    @property
    def longest(self) -> int:
        """Tokens of the prompt and its longest completion."""
        return len(self.prompt) + max(len(ids) for ids in self.completions)

    @property
    def tokens(self) -> int:
        """Tokens of the prompt, once, and of all completions."""
        return len(self.prompt) + sum(len(ids) for ids in self.completions)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The groups of a run, split; `notices` say what was left out."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    notices: tuple[Notice, ...]


_LEFT_OUT = {
    "too_long": "are longer than the model reads at once, or than the settings allow",
    "identical": "have the same answer in every place",
    "too_few": "have fewer than two answers",
    "too_many": "have more answers than {method} can weigh as one ranking ({most}); the method DPO takes any number",
    "nothing_ordered": "put no answer above another",
    "empty_prompt": "have an empty prompt",
    "refused": "hold a conversation that this model's chat template does not take",
}


def read(
    path: Path, chat: Chat, *, tokenizer_hash: str, max_length: int, method: str = "pl_dpo", shorten: bool = False
) -> Dataset:
    """The groups of a run's `data.jsonl` as token ids.

    Token ids that were stored are used where they belong to this tokenizer; other texts are tokenised.

    Args:
        max_length: tokens of a prompt and one completion at most; groups with a longer one are left out.
        method: whose use the groups are for; those that tell it nothing are left out.
        shorten: take the oldest turns off such a group's prompt first, and leave it out if that does not help.

    Raises:
        UserError: no group is left to train on, the method can learn nothing from those that are, or the file is
            damaged.
    """
    kept: list[Example] = []
    left_out: Counter[str] = Counter()
    shortened = 0
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        for row in rows:
            try:
                messages = messages_from_json(row["prompt"])
                prompt = chat.prompt_ids(messages)
            except UserError:
                left_out["refused"] += 1
                continue
            example = example_of(row, prompt, chat, tokenizer_hash)
            reason = _why_not(example, max_length, method)
            if reason == "too_long" and shorten:
                room = max_length - (example.longest - len(example.prompt))
                fitting = shortened_prompt(messages, chat, room=room)
                if fitting is not None:
                    example, reason = replace(example, prompt=tuple(fitting)), ""
                    shortened += 1
            if reason:
                left_out[reason] += 1
            else:
                kept.append(example)
    except FileNotFoundError as error:
        raise UserError("The run's data is missing.", "Start a new run.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"The run's data is damaged ({error}).", "Start a new run.") from error
    notices = tuple(_notice(reason, count, max_length, method) for reason, count in left_out.items())
    if shortened:
        notices += (_shortened_notice(shortened, max_length),)
    train = tuple(example for example in kept if not example.held_out)
    if not train:
        details = " ".join(notice.message for notice in notices)
        raise UserError(
            f"There is no group to train on. {details}".strip(),
            "Label groups in which one answer is better than another.",
        )
    prompts = {example.prompt for example in train if is_trainable(order_of(example))}
    check_data(method, [order_of(example) for example in train], prompts=len(prompts))
    held_out = tuple(example for example in kept if example.held_out)
    return Dataset(train, held_out, (*notices, *_seen_notices(train, held_out)))


def order_of(example: Example) -> Ranks:
    """The ranks as they were labelled: None is unranked."""
    return tuple(rank or None for rank in example.ranks)


def longer(examples: Sequence[Example]) -> tuple[int, int]:
    """In how many groups the best answers are longer than the worst, and in how many they differ in length.

    A group that several people ranked counts once.
    """
    lean = label_bias.longer(
        [
            (dict(enumerate(order_of(example))), {n: float(len(ids)) for n, ids in enumerate(example.completions)})
            for example in {example.group: example for example in examples}.values()
        ]
    )
    return lean.wins, lean.total


def ranks_of(row: Mapping[str, Any]) -> tuple[int, ...]:
    """The ranks of one line of a run's data, as `Example` has them."""
    return tuple(0 if rank is None else int(rank) for rank in row["ranks"])


def order(count: int, *, seed: int, epoch: int) -> list[int]:
    """The order in which an epoch visits `count` groups: the same for the same seed and epoch, everywhere."""
    numbers = list(range(count))
    random.Random(f"{seed}/{epoch}").shuffle(numbers)
    return numbers


def steps_per_epoch(count: int, batch_groups: int) -> int:
    """Optimiser steps of one pass; the last batch may be smaller."""
    return -(-count // batch_groups)


def batch_of_step(examples: Sequence[Example], step: int, *, batch_groups: int, seed: int) -> list[Example]:
    """The groups of optimiser step `step`, counted from 0 over all epochs."""
    epoch, index = divmod(step, steps_per_epoch(len(examples), batch_groups))
    numbers = order(len(examples), seed=seed, epoch=epoch)
    return [examples[n] for n in numbers[index * batch_groups : (index + 1) * batch_groups]]


def micro_batches(examples: Sequence[Example], token_budget: int) -> list[list[Example]]:
    """The groups in order, cut into runs of at most `token_budget` tokens (a larger group stands alone)."""
    parts: list[list[Example]] = []
    room = 0
    for example in examples:
        if not parts or example.tokens > room:
            parts.append([])
            room = token_budget
        parts[-1].append(example)
        room -= example.tokens
    return parts


def balanced(examples: Sequence[Example], token_budget: int, *, lanes: int) -> list[list[Example]]:
    """The groups, the longest first, each in the row that has the fewest tokens by then.

    There are as many rows for each lane as are needed for all tokens, and one more where a group fits none of them.

    Args:
        token_budget: of a row at most; a larger group stands alone.
    """
    needed = -(-sum(example.tokens for example in examples) // token_budget)
    rows: list[list[Example]] = [[] for _ in range(-(-needed // lanes) * lanes)]
    by_tokens = [(0, number) for number in range(len(rows))]
    for example in sorted(examples, key=lambda example: example.tokens, reverse=True):
        tokens, shortest = by_tokens[0]
        if tokens and tokens + example.tokens > token_budget:
            heapq.heappush(by_tokens, (example.tokens, len(rows)))
            rows.append([example])
        else:
            rows[shortest].append(example)
            heapq.heapreplace(by_tokens, (tokens + example.tokens, shortest))
    return [row for row in rows if row]


def example_of(row: Mapping[str, Any], prompt: Sequence[int], chat: Chat, tokenizer_hash: str) -> Example:
    """One group of a run's data as token ids, with the stored ones where they belong to this tokenizer."""
    completions = []
    for item in row["completions"]:
        ids = item.get("token_ids")
        if ids is None or item.get("tokenizer_hash") != tokenizer_hash:
            ids = chat.completion_ids(item["text"], item.get("finish_reason", "imported"))
        completions.append(tuple(int(token) for token in ids))
    confidence = None if row.get("confidence") is None else float(row["confidence"])
    if confidence is not None and not 0.5 <= confidence <= 1.0:
        raise ValueError(f"a confidence of {confidence:g}, where a half to 1 can be")
    ranks = ranks_of(row)
    if len(ranks) != len(completions):
        raise ValueError(f"{len(ranks)} ranks for {len(completions)} completions")
    return Example(
        group=row["group"],
        held_out=bool(row["held_out"]),
        prompt=tuple(int(token) for token in prompt),
        completions=tuple(completions),
        ranks=ranks,
        strength=int(row.get("strength", 1)),
        annotator=str(row.get("annotator", "")),
        confidence=confidence,
    )


def _why_not(example: Example, max_length: int, method: str) -> str:
    most = METHODS[method].most_answers
    if len(example.completions) < 2:
        return "too_few"
    if most and len(example.completions) > most:
        return "too_many"
    if not is_usable(method, order_of(example)):
        return "nothing_ordered"
    if len(set(example.completions)) == 1:
        return "identical"
    if not example.prompt:
        return "empty_prompt"
    return "too_long" if example.longest > max_length else ""


def _notice(reason: str, count: int, max_length: int, method: str) -> Notice:
    what = "1 group is" if count == 1 else f"{count} groups are"
    detail = f" ({max_length:,} tokens)" if reason == "too_long" else ""
    why = _LEFT_OUT[reason].format(method=METHODS[method].title, most=METHODS[method].most_answers)
    return Notice(f"left_out_{reason}", f"{what} left out. Left out are groups that {why}{detail}.")


def _seen_notices(train: Sequence[Example], held_out: Sequence[Example]) -> list[Notice]:
    """A word where prompts that are different texts are the same tokens, once shortened or trimmed by a template."""
    seen = {example.prompt for example in train}
    count = sum(example.prompt in seen for example in held_out)
    if not count:
        return []
    what = "1 held-out group reads" if count == 1 else f"{count} held-out groups read"
    text = f"{what} to this model like a group that trains it, so what is measured on it is not unseen."
    return [Notice("held_out_seen", text)]


def _shortened_notice(count: int, max_length: int) -> Notice:
    what = "1 prompt is" if count == 1 else f"{count} prompts are"
    return Notice(
        "shortened_too_long",
        f"{what} shortened by the oldest turns, since with the answers they are longer than {max_length:,} tokens.",
    )

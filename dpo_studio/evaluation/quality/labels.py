"""What the report needs to know of each labelled group: measured once, while its texts pass by."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from dpo_studio.core.types import CompletionId, GroupId, PromptId, Ranking
from dpo_studio.store.labelled_texts import LabelledTexts

from . import near
from .reading import seconds_to_read

#: Shorter answers than this may well be right for several prompts: "Paris.", "Yes, it is."
STOCK_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Comparison:
    """A labelled group without its texts.

    Attributes:
        lengths: characters by completion.
        reading_s: how long its answers take to read, all of them.
        likeness: "same" where two of its answers are the same but for case and spaces, "near" where two are nearly
            the same, else "".
    """

    id: GroupId
    prompt_id: PromptId
    lengths: Mapping[CompletionId, int]
    reading_s: float = 0.0
    likeness: str = ""
    repeat_of: GroupId | None = None


Label = tuple[Comparison, Ranking]
Labels = Sequence[Label]


@dataclass(frozen=True, slots=True)
class Stock:
    """One answer that several prompts got, word for word."""

    prompts: tuple[PromptId, ...]
    groups: tuple[GroupId, ...]


def measure(groups: Iterable[LabelledTexts]) -> tuple[dict[GroupId, Comparison], list[Stock]]:
    """The groups by id, and the answers that more than one prompt got, the most frequent first."""
    compared: dict[GroupId, Comparison] = {}
    where: dict[bytes, dict[PromptId, list[GroupId]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        texts = [near.plain(text) for _, text in group.answers]
        compared[group.id] = Comparison(
            id=group.id,
            prompt_id=group.prompt_id,
            lengths={key: len(text) for key, text in group.answers},
            reading_s=sum(seconds_to_read(text) for _, text in group.answers),
            likeness=_likeness(texts),
            repeat_of=group.repeat_of,
        )
        if group.repeat_of is None:
            for text in {text for text in texts if len(text) >= STOCK_CHARACTERS}:
                key = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
                where[key][group.prompt_id].append(group.id)
    stock = [
        Stock(tuple(by_prompt), tuple(sorted({group for found in by_prompt.values() for group in found})))
        for by_prompt in where.values()
        if len(by_prompt) > 1
    ]
    return compared, sorted(stock, key=lambda one: (-len(one.prompts), one.groups))


def _likeness(texts: Sequence[str]) -> str:
    if len(set(texts)) < len(texts):
        return "same"
    runs = [(near.shingles(text), near.numbers(text)) for text in texts]
    for (first, its), (second, others) in combinations(runs, 2):
        fewer, more = sorted((len(first), len(second)))
        if fewer >= near.NEAR_ANSWERS * more and its == others and near.jaccard(first, second) >= near.NEAR_ANSWERS:
            return "near"
    return ""

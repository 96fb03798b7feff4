"""What the report needs to know of each labelled group: measured once, while its texts pass by."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dpo_studio.core.types import CompletionId, GroupId, PromptId, Ranking
from dpo_studio.store.labelled_texts import LabelledTexts

from . import near, reading
from .letters import Letters
from .possible_pairs import possible

#: Shorter answers than this may well be right for several prompts: "Paris.", "Yes, it is."
STOCK_CHARACTERS = 40
#: Groups whose texts are in memory together.
_AT_ONCE = 500


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


def bare(group: LabelledTexts) -> Comparison:
    """A group of whose answers no more is known than that they are there."""
    return Comparison(
        group.id, group.prompt_id, dict.fromkeys((key for key, _ in group.answers), 0), repeat_of=group.repeat_of
    )


def measure(
    groups: Iterable[LabelledTexts], told: Callable[[int], None] = lambda _done: None
) -> tuple[dict[GroupId, Comparison], list[Stock]]:
    """The groups by id, and the answers that more than one prompt got, the most frequent first.

    Args:
        told: called now and then with the number of groups that were read; it may raise to give up.
    """
    compared: dict[GroupId, Comparison] = {}
    stock = _StockAnswers()
    rest = iter(groups)
    while some := list(islice(rest, _AT_ONCE)):
        _measure(some, compared, stock)
        told(len(compared))
    return compared, stock.found()


def _measure(groups: Sequence[LabelledTexts], compared: dict[GroupId, Comparison], stock: _StockAnswers) -> None:
    """Add what is known of these groups."""
    texts = [[near.plain(text) for _, text in group.answers] for group in groups]
    letters = Letters([text for answers in texts for text in answers])
    seconds = iter(reading.seconds(letters).tolist())
    likenesses = _likenesses(texts, letters)
    for group, answers, likeness in zip(groups, texts, likenesses, strict=True):
        compared[group.id] = Comparison(
            id=group.id,
            prompt_id=group.prompt_id,
            lengths={key: len(text) for key, text in group.answers},
            reading_s=sum(next(seconds) for _ in answers),
            likeness=likeness,
            repeat_of=group.repeat_of,
        )
        if group.repeat_of is None:
            stock.add(group, answers)


def _likenesses(texts: Sequence[Sequence[str]], letters: Letters) -> list[str]:
    """What is alike in each group; see `Comparison.likeness`."""
    found = ["same" if len(set(answers)) < len(answers) else "" for answers in texts]
    for number, i, j in possible(letters, [len(answers) for answers in texts], near.NEAR_ANSWERS):
        if not found[number] and _are_near(texts[number][i], texts[number][j]):
            found[number] = "near"
    return found


def _are_near(first: str, second: str) -> bool:
    return near.numbers(first) == near.numbers(second) and near.similarity(first, second) >= near.NEAR_ANSWERS


class _StockAnswers:
    """Gathers who got which answer, as the answers pass by."""

    def __init__(self) -> None:
        self._digests: list[bytes] = []
        self._places: list[tuple[PromptId, GroupId]] = []

    def add(self, group: LabelledTexts, answers: Sequence[str]) -> None:
        for text in {text for text in answers if len(text) >= STOCK_CHARACTERS}:
            self._digests.append(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest())
            self._places.append((group.prompt_id, group.id))

    def found(self) -> list[Stock]:
        """Those that more than one prompt got, the most frequent first."""
        times = Counter(self._digests)
        where: dict[bytes, dict[PromptId, list[GroupId]]] = defaultdict(lambda: defaultdict(list))
        for digest, (prompt, group) in zip(self._digests, self._places, strict=True):
            if times[digest] > 1:
                where[digest][prompt].append(group)
        stock = [
            Stock(tuple(by_prompt), tuple(sorted({group for found in by_prompt.values() for group in found})))
            for by_prompt in where.values()
            if len(by_prompt) > 1
        ]
        return sorted(stock, key=lambda one: (-len(one.prompts), one.groups))

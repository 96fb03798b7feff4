"""Preferences that can be stated in a sentence and measured on any answer.

They stand for a labeller who means what the guideline says: the sample project's rankings follow one,
and so the effect of training on it can be counted on answers nobody labelled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dpo_studio.core.types import Ranks

_SENTENCE_END = re.compile(r"[.!?…:](?=\s|$|[\"'”»)])")
_LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_FEWEST_WORDS, _LEAST_DISTINCT = 20, 0.4

_TO_THE_READER = frozenset("you your yours yourself yourselves you're you'll you've you'd".split())
_WARM_WORDS = frozenset(
    "amazing beautiful best better brave calm care caring celebrate charming cheerful comfort comfortable confident"
    " cosy cozy creative dear delicious delight delightful ease easy encourage enjoy enjoyable enjoying excellent"
    " excited exciting fantastic favorite favourite free fresh friend friendly friends fun generous gentle glad good"
    " grateful great happier happily happiness happy healthy help helpful helping hope inspire inspiring joy joyful"
    " kind kindness laugh laughter love loved lovely loving lucky memorable nice peace peaceful perfect pleasant"
    " pleasure positive proud relax relaxed relaxing rewarding safe smile smiling strong success successful support"
    " sweet thank thankful thanks thoughtful together treasure trust warm warmth welcome well wonderful"
    " worthwhile".split()
)


@dataclass(frozen=True, slots=True)
class StatedPreference:
    """A guideline and how well one answer keeps it.

    Attributes:
        guideline: what "better" means, for a person.
        level: (text, finish_reason) -> 0 for the best level, higher for worse; equal levels tie.
        kept_level: answers up to this level keep the guideline.
    """

    name: str
    guideline: str
    level: Callable[[str, str], int]
    kept_level: int

    def ranks(self, answers: Sequence[tuple[str, str]]) -> Ranks:
        """The weak order of (text, finish_reason) answers: 1 is best, equal levels tie."""
        levels = [self.level(text, finish_reason) for text, finish_reason in answers]
        places = {level: place for place, level in enumerate(sorted(set(levels)), 1)}
        return tuple(places[level] for level in levels)

    def keeps(self, text: str, finish_reason: str) -> bool:
        return self.level(text, finish_reason) <= self.kept_level


def sentences(text: str) -> int:
    """Sentences and list items of a text, at least 1."""
    return max(1, len(_SENTENCE_END.findall(text.strip())), len(_LIST_ITEM.findall(text)))


def _brevity_level(text: str, finish_reason: str) -> int:
    if finish_reason == "length" or not text.strip():
        return 4
    count = sentences(text)
    return 0 if count <= 2 else 1 if count <= 4 else 2 if count <= 7 else 3


def words(text: str) -> list[str]:
    """The words of a text in lower case; numbers and marks are none."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def says_something(found: Sequence[str]) -> bool:
    """Whether these words are an answer at all: 20 words or more, and no loop of the same few."""
    return len(found) >= _FEWEST_WORDS and len(set(found)) >= _LEAST_DISTINCT * len(found)


def per_hundred(found: Sequence[str], wanted: Collection[str]) -> int:
    """How many of a hundred words are wanted ones, rounded."""
    return round(100 * sum(word in wanted for word in found) / len(found))


def _share_level(text: str, wanted: Collection[str], *, enough: int) -> int:
    """0 from `enough` wanted words in a hundred on, one more for each that is missing; no answer is worst.

    A share and not a count, so that length does not matter; capped, so that more of the same does not help.
    """
    found = words(text)
    return max(0, enough - per_hundred(found, wanted)) if says_something(found) else enough + 1


def _personal_level(text: str, _finish_reason: str) -> int:
    return _share_level(text, _TO_THE_READER, enough=10)


def _warm_level(text: str, _finish_reason: str) -> int:
    return _share_level(text, _WARM_WORDS, enough=8)


def _plain_level(text: str, _finish_reason: str) -> int:
    """Tenths of a letter that the mean word is longer than four letters, 20 at most; 21 for no answer."""
    found = words(text)
    if not says_something(found):
        return 21
    letters = sum(len(word.replace("'", "")) for word in found) / len(found)
    return min(20, max(0, round(10 * (letters - 4))))


BREVITY = StatedPreference(
    name="brevity",
    guideline=(
        "Short and to the point. The best answer says it in one or two sentences and stops. Three or four sentences"
        " are second best, a long answer is worse, and an answer that never comes to an end is worst. Answers of"
        " the same kind tie: do not look for a difference that this guideline does not name."
    ),
    level=_brevity_level,
    kept_level=1,
)

PERSONAL = StatedPreference(
    name="personal",
    guideline=(
        "Speak to the reader. The more often an answer says you and your, for its length, the better, up to ten words"
        " in a hundred. How long it is does not matter, as long as it says something."
    ),
    level=_personal_level,
    kept_level=4,
)

WARM = StatedPreference(
    name="warm",
    guideline=(
        "Warm and encouraging. The more friendly and hopeful words an answer has, for its length, the better, up to"
        " eight in a hundred. How long it is does not matter, as long as it says something."
    ),
    level=_warm_level,
    kept_level=4,
)

PLAIN = StatedPreference(
    name="plain",
    guideline=(
        "Plain words. The shorter the words of an answer are, on average, the better, down to four letters. How long"
        " the answer is does not matter, as long as it says something."
    ),
    level=_plain_level,
    kept_level=3,
)

"""Preferences that can be stated in a sentence and measured on any answer.

They stand for a labeller who means what the guideline says: the sample project's rankings follow one,
and so the effect of training on it can be counted on answers nobody labelled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dpo_studio.core.types import Ranks

_SENTENCE_END = re.compile(r"[.!?…:](?=\s|$|[\"'”»)])")
_LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)


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

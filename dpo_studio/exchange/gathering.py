"""Rows with one completion each, gathered by their prompt into groups that can be compared. Kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dpo_studio.core.settings import MAX_CANDIDATES
from dpo_studio.core.types import Conversation
from dpo_studio.store.matching import Judged


@dataclass(slots=True)
class _OfPrompt:
    """(place, text) of each completion of a prompt, and the tags that any of its rows has."""

    found: list[tuple[str, str]] = field(default_factory=list)
    tags: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """Completions by prompt, in the order of the rows; each that is not there already."""

    _found: dict[Conversation, _OfPrompt] = field(default_factory=dict)

    def add(self, place: str, messages: Conversation, text: str, tags: tuple[str, ...]) -> bool:
        """Take a row; whether its prompt did not have this completion yet."""
        there = self._found.setdefault(messages, _OfPrompt())
        there.tags.update(dict.fromkeys(tags))
        if any(text == other for _, other in there.found):
            return False
        there.found.append((place, text))
        return True

    def groups(self) -> Iterator[tuple[str, Judged | None, str]]:
        """(place of its first row, a prompt's group or None, why there is none) of each prompt.

        A prompt with more completions than a group can have gives several groups, as equal in size as can be; no
        group is left with one.
        """
        for messages, one in self._found.items():
            found = one.found
            if len(found) < 2:
                yield found[0][0], None, "its prompt has no second completion to compare it with"
                continue
            number = -(-len(found) // MAX_CANDIDATES)
            for at in range(number):
                part = found[at::number]
                yield part[0][0], Judged("", messages, tuple(text for _, text in part), (), tags=tuple(one.tags)), ""

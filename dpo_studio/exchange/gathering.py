"""Rows with one completion each, gathered by their prompt into groups that can be compared. Kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dpo_studio.core.settings import MAX_CANDIDATES
from dpo_studio.core.types import Message
from dpo_studio.store.matching import Judged


@dataclass(slots=True)
class Gathered:
    """Completions by prompt, in the order of the rows; (place, text) of each that is not there already."""

    _found: dict[tuple[Message, ...], list[tuple[str, str]]] = field(default_factory=dict)

    def add(self, place: str, messages: tuple[Message, ...], text: str) -> bool:
        """Take a row; whether its prompt did not have this completion yet."""
        there = self._found.setdefault(messages, [])
        if any(text == other for _, other in there):
            return False
        there.append((place, text))
        return True

    def groups(self) -> Iterator[tuple[str, Judged | None, str]]:
        """(place of its first row, a prompt's group or None, why there is none) of each prompt.

        A prompt with more completions than a group can have gives several groups, as equal in size as can be; no
        group is left with one.
        """
        for messages, found in self._found.items():
            if len(found) < 2:
                yield found[0][0], None, "its prompt has no second completion to compare it with"
                continue
            number = -(-len(found) // MAX_CANDIDATES)
            for at in range(number):
                part = found[at::number]
                yield part[0][0], Judged("", messages, tuple(text for _, text in part), ()), ""

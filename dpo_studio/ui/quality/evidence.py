"""What is behind a warning or a number: handed from whoever shows it to whoever lists it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
    """Labels or prompts to look at.

    Attributes:
        sentence: why.
        groups: the labelled groups, by id.
        rankings: which of their labels are meant; empty for all of them.
        prompts: sets of prompts that are alike.
        reading: which reading of the report it is behind, or "".
    """

    sentence: str
    groups: tuple[int, ...] = ()
    rankings: tuple[int, ...] = ()
    prompts: tuple[tuple[int, ...], ...] = ()
    reading: str = ""

    @classmethod
    def of(cls, finding: Mapping[str, Any]) -> Evidence:
        """What is behind a finding of the report."""
        return cls(
            finding["sentence"],
            tuple(finding["groups"]),
            tuple(finding["rankings"]),
            tuple(tuple(ids) for ids in finding["prompts"]),
            finding["reading"],
        )

    def groups_of(self, annotator: str, report: Mapping[str, Any]) -> tuple[int, ...]:
        """The groups whose label in question is this person's; empty where that is not told apart."""
        for one in report["people"]["annotators"]:
            values = one.get(self.reading, {}) if one["name"] == annotator else {}
            if not frozenset(self.rankings).isdisjoint(values.get("rankings", ())):
                return tuple(values["groups"])
        return ()

    @property
    def button(self) -> str:
        """The text of a button that shows it; empty where there is nothing to show."""
        if self.groups:
            return f"Show the labels ({len(self.rankings or self.groups):,})"
        return f"Show the prompts ({sum(len(ids) for ids in self.prompts):,})" if self.prompts else ""

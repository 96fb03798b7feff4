"""Telling what is there from what chance does, when several things are looked at together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: The chance that a report on fair labels warns at all. Small, because a report is looked at again and again.
FALSE_ALARM = 0.01


@dataclass(frozen=True, slots=True)
class Test:
    """A question that chance may answer, and the sentence for when it does not.

    Attributes:
        reading: what is asked, by name.
        groups: what to look at, and `rankings` which of their labels where not all are meant.
        part_of: what the lean of all is called (`key`), of which this is one annotator's; where both lean alike, this
            one is told there, `in_short`.
    """

    reading: str
    p: float
    sentence: str
    groups: Sequence[int]
    rankings: Sequence[int] = ()
    key: str = ""
    part_of: str = ""
    in_short: str = ""


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value adjusted for the number of them (Holm 1979): the smallest counts n times, the next n - 1 times….

    Those at or below a level are then significant together: the chance that any one of them is a false alarm is at
    most that level, however the tests depend on each other.
    """
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = highest
    return adjusted

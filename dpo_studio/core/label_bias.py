"""Whether labels lean towards what was shown first, or towards what is longer. One trial per label.

Of each ranking only its best and its last bucket are compared, so that rankings of any size give one
independent trial each; under fair shuffling a label that ignores position has even odds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

ENOUGH_LABELS = 20
SIGNIFICANT_P = 0.01

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Lean:
    """How often one of two went before the other.

    Attributes:
        wins: labels that lean that way.
        total: labels in which one of the two could be told.
    """

    wins: int
    total: int

    @property
    def p_value(self) -> float:
        """Two-sided exact binomial test against even odds."""
        return binomial_p(self.wins, self.total)

    @property
    def significant(self) -> bool:
        """Whether there are enough labels and chance is a poor explanation."""
        return self.total >= ENOUGH_LABELS and self.p_value < SIGNIFICANT_P


def binomial_p(wins: int, total: int) -> float:
    """The chance of a split at least this uneven when both sides have even odds; 1 for no trials.

    Raises:
        ValueError: wins is not between 0 and total.
    """
    if not 0 <= wins <= total:
        raise ValueError(f"{wins} of {total} is not a share")
    few = min(wins, total - wins)
    if 2 * few == total:
        return 1.0
    # The chance of exactly `few`, times 1 + the ratios of those before it, which shrink fast.
    logs = math.lgamma(total + 1) - math.lgamma(few + 1) - math.lgamma(total - few + 1) - total * math.log(2)
    term = tail = math.exp(logs)
    for number in range(few, 0, -1):
        term *= number / (total - number + 1)
        tail += term
        if term < tail * 1e-17:
            break
    return min(1.0, 2 * tail)


def earlier_shown(labels: Sequence[tuple[Mapping[Key, int | None], Sequence[Key]]]) -> Lean:
    """In how many labels the best was shown before the worst.

    Args:
        labels: ranks by completion, and the completions in the order in which they were shown.
    """
    differences = []
    for ranks, presented in labels:
        place = {key: float(number) for number, key in enumerate(presented)}
        if all(key in place for key in ranks):
            differences.append(best_minus_worst(ranks, place))
    return _lean([None if difference is None else -difference for difference in differences])


def longer(labels: Sequence[tuple[Mapping[Key, int | None], Mapping[Key, float]]]) -> Lean:
    """In how many labels the best is longer than the worst.

    Args:
        labels: ranks by completion, and lengths by completion, in any one unit.
    """
    return _lean([best_minus_worst(ranks, lengths) for ranks, lengths in labels])


def position_warning(lean: Lean) -> str:
    """A sentence when position decides too often, else nothing."""
    return position_sentence(lean) if lean.significant else ""


def position_sentence(lean: Lean) -> str:
    """How often the position decided, and what to do about it."""
    where = "earlier" if lean.wins * 2 > lean.total else "later"
    wins = max(lean.wins, lean.total - lean.wins)
    return (
        f"The answer shown {where} won {wins} of {lean.total} times, more than chance explains:"
        " read all of them before you choose."
    )


def length_warning(lean: Lean) -> str:
    """A sentence when length decides too often, else nothing."""
    return length_sentence(lean) if lean.significant else ""


def length_sentence(lean: Lean) -> str:
    """How often the length decided, and what comes of it."""
    which = "longer" if lean.wins * 2 > lean.total else "shorter"
    wins = max(lean.wins, lean.total - lean.wins)
    return f"The {which} answer won {wins} of {lean.total} times: the model will learn length too, unless you mean it."


def _lean(differences: Sequence[float | None]) -> Lean:
    told = [difference for difference in differences if difference]
    return Lean(sum(difference > 0 for difference in told), len(told))


def best_minus_worst(ranks: Mapping[Key, int | None], value: Mapping[Key, float]) -> float | None:
    """Mean value of the best bucket minus that of the last one; None when nothing is ordered."""
    beyond = len(ranks) + 1
    places = {key: beyond if rank is None else rank for key, rank in ranks.items()}
    if not places or min(places.values()) == max(places.values()):
        return None
    best = [value[key] for key, place in places.items() if place == min(places.values())]
    worst = [value[key] for key, place in places.items() if place == max(places.values())]
    return sum(best) / len(best) - sum(worst) / len(worst)

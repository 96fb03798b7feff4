"""Whether a judge answers to the order in which two answers are shown, and not to what they say."""

from __future__ import annotations

from .intervals import wilson

#: A judge that guesses names another answer in the second order for half of the pairs.
GUESSING = 0.5
_LEAN = 0.7


def goes_by_order(pairs: int, disagreements: int) -> bool:
    """Whether the two orders of a pair named different answers more often than by guessing, chance excluded.

    The lower end of Wilson's 95% interval has to lie above a half: four of four pairs are enough.
    """
    return wilson(disagreements, pairs).low > GUESSING


def sentence(pairs: int, disagreements: int, first_shown: int) -> str:
    """What to tell a person of a judge that goes by the order; empty for another one.

    Args:
        first_shown: how many questions, two a pair, were answered with what was shown first.
    """
    if not goes_by_order(pairs, disagreements):
        return ""
    first = first_shown / (2 * pairs)
    place = "the first" if first >= _LEAN else "the second" if first <= 1 - _LEAN else ""
    lean = f", mostly for {place} of the two" if place else ""
    return (
        "This judge is of no use here: it goes by the order in which it is shown the answers, not by what they say"
        f" (turned round, {disagreements:,} of {pairs:,} pairs came out otherwise{lean})."
        " Ask a larger model, or judge by rules."
    )

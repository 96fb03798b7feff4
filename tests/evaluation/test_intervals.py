"""Intervals against published values and by brute force."""

from __future__ import annotations

import math

import pytest

from dpo_studio.evaluation.intervals import wilson, win_rate


def test_wilson_solves_its_defining_equation() -> None:
    """Each bound p satisfies |share − p| = z·sqrt(p(1−p)/n)."""
    for successes, n in [(8, 10), (1, 30), (52, 60), (13.5, 26)]:
        share = wilson(successes, n)
        for bound in (share.low, share.high):
            assert abs(share.value - bound) == pytest.approx(1.959963984540054 * math.sqrt(bound * (1 - bound) / n))


def test_wilson_of_the_textbook_example() -> None:
    """8 of 10: 0.4902 to 0.9433 (Brown, Cai and DasGupta's method, as statistics packages print it)."""
    share = wilson(8, 10)
    assert (round(share.low, 4), round(share.high, 4)) == (0.4902, 0.9433)


def test_no_trials_say_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_win_rate_counts_a_tie_as_half() -> None:
    share = win_rate([1, 2, 3, 3], [0, 2, 4, 1])
    assert share.value == pytest.approx(2.5 / 4)
    with pytest.raises(ValueError):
        win_rate([1.0], [])

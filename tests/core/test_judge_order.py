"""When a judge is said to go by the order of the answers: the interval's lower end, worked by hand."""

from __future__ import annotations

import pytest

from dpo_studio.core.judge_order import goes_by_order, sentence


@pytest.mark.parametrize(
    ("pairs", "disagreements", "by_order"),
    [
        (0, 0, False),
        (3, 3, False),  # n / (n + z²) = 3 / 6.84 = 0.44
        (4, 4, True),  # 4 / 7.84 = 0.51
        (20, 10, False),
        (72, 72, True),
        (72, 20, False),
    ],
)
def test_the_interval_has_to_lie_above_guessing(pairs, disagreements, by_order):
    assert goes_by_order(pairs, disagreements) is by_order
    assert bool(sentence(pairs, disagreements, pairs)) is by_order


@pytest.mark.parametrize(("first_shown", "words"), [(140, "the first of the two"), (4, "the second of the two")])
def test_the_place_it_leans_to_is_named(first_shown, words):
    assert f"72 of 72 pairs came out otherwise, mostly for {words})." in sentence(72, 72, first_shown)
    assert "mostly" not in sentence(72, 72, 72)

"""Bias readings against sums done by hand."""

import pytest

from dpo_studio.core import label_bias
from dpo_studio.core.label_bias import Lean


def test_binomial_p_by_hand():
    # 0 or 4 of 4: 2 · (1/2)^4
    assert label_bias.binomial_p(0, 4) == pytest.approx(0.125)
    assert label_bias.binomial_p(4, 4) == pytest.approx(0.125)
    # at most 1 or at least 4 of 5: 2 · (1 + 5) / 32
    assert label_bias.binomial_p(4, 5) == pytest.approx(0.375)
    assert label_bias.binomial_p(2, 4) == 1.0
    assert label_bias.binomial_p(0, 0) == 1.0
    with pytest.raises(ValueError):
        label_bias.binomial_p(5, 4)


def test_earlier_shown_counts_one_trial_a_label():
    labels = [
        ({"a": 1, "b": 2}, ["a", "b"]),  # the best came first
        ({"a": 2, "b": 1}, ["a", "b"]),  # the best came last
        ({"a": 1, "b": 1}, ["a", "b"]),  # a tie tells nothing
        ({"a": 1, "b": None, "c": None}, ["b", "a", "c"]),  # the middle against both ends: nothing
        ({"a": 1, "b": None, "c": None}, ["a", "b", "c"]),
        ({"a": 1, "b": 2}, ["a"]),  # not all were shown: nothing
    ]
    assert label_bias.earlier_shown(labels) == Lean(2, 3)


def test_longer_compares_best_and_last_bucket():
    labels = [
        ({"a": 1, "b": 2, "c": 3}, {"a": 10, "b": 1, "c": 9}),
        ({"a": 1, "b": 2, "c": 2}, {"a": 10, "b": 8, "c": 14}),  # mean of the worst is 11
        ({"a": 1, "b": 2}, {"a": 5, "b": 5}),
    ]
    assert label_bias.longer(labels) == Lean(1, 2)


def test_warnings_only_past_chance():
    assert label_bias.position_warning(Lean(12, 20)) == ""
    assert label_bias.position_warning(Lean(10, 10)) == ""  # too few
    assert "earlier won 19 of 20" in label_bias.position_warning(Lean(19, 20))
    assert "later won 19 of 20" in label_bias.position_warning(Lean(1, 20))
    assert "shorter answer won 30 of 32" in label_bias.length_warning(Lean(2, 32))
    assert label_bias.length_warning(Lean(16, 32)) == ""

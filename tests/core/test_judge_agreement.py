"""A person and a judge on the same groups, by hand."""

from __future__ import annotations

import pytest

from dpo_studio.core.intervals import wilson
from dpo_studio.core.judge_agreement import measure


def test_pairs_alike_and_opposite_and_kendalls_tau():
    said = measure([((1, 2, 3), (1, 3, 2)), ((1, 2), (1, 1)), ((1, 2), (1, 2))])
    assert (said.groups, said.pairs, said.same, said.opposite) == (3, 5, 3, 1)
    assert (said.alike, said.against) == (2, 0)
    assert said.share == wilson(2 / 3 + 0 + 1, 3)
    assert said.tau == pytest.approx((1 / 3 + 1) / 2)  # a complete tie orders nothing: it has no tau


def test_the_unranked_are_last():
    assert measure([((1, None, None), (1, 2, 2))]).same == 3
    assert measure([((1, None, 2), (1, 2, 3))]).opposite == 1


def test_an_answer_that_the_judge_never_saw_is_left_out():
    said = measure([((2, 3, 1), (1, 2, None))])
    assert (said.pairs, said.same, said.tau) == (1, 1, 1.0)


def test_nothing_in_common():
    said = measure([])
    assert (said.groups, said.tau, said.share.n) == (0, None, 0)

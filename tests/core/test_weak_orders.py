"""Ranks by hand-worked values, and their laws on random ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.core import ranking
from dpo_studio.core.errors import UserError

RANKS = st.lists(st.none() | st.integers(1, 4), min_size=2, max_size=6)


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        ([2, 3, 1], (2, 3, 1)),
        ([1, 3, 3], (1, 2, 2)),
        ([5, None, 2, 5], (2, None, 1, 2)),
        ([7, 7], (1, 1)),
        ([None, 4], (None, 1)),
    ],
)
def test_gaps_are_closed(ranks, expected):
    assert ranking.validate(ranks, len(ranks)) == expected


@pytest.mark.parametrize(
    ("ranks", "size", "sentence"),
    [
        ([1, 2], 3, "A ranking of 3 completions needs 3 ranks, and this one has 2."),
        ([0, 1], 2, "0 is not a rank."),
        ([-1, 1], 2, "-1 is not a rank."),
        ([1, 1.5], 2, "1.5 is not a rank."),
        ([True, 2], 2, "True is not a rank."),
        (["1", 2], 2, "'1' is not a rank."),
        ([None, None], 2, "at least one ranked completion"),
    ],
)
def test_what_is_no_weak_order_is_refused_with_a_hint(ranks, size, sentence):
    with pytest.raises(UserError) as caught:
        ranking.validate(ranks, size)
    assert sentence in caught.value.message and caught.value.hint


def test_buckets_best_first_and_the_unranked_last():
    assert ranking.buckets((2, 1, 2, None)) == [[1], [0, 2], [3]]
    assert ranking.buckets((1, 1)) == [[0, 1]]
    assert ranking.buckets((None, 1, None)) == [[1], [0, 2]]


def test_ranks_from_buckets():
    assert ranking.from_buckets([[2], [0, 1]], 4) == (2, 2, 1, None)


def test_pairs_by_hand():
    # 1 above {0, 2} above 3, and nothing between 0 and 2.
    assert set(ranking.strict_pairs((2, 1, 2, None))) == {(1, 0), (1, 2), (1, 3), (0, 3), (2, 3)}
    assert ranking.strict_pairs((1, 1, 1)) == []
    assert len(ranking.strict_pairs((3, 1, 4, 2))) == 6


def test_what_can_be_trained_on():
    assert ranking.is_trainable((1, 2))
    assert ranking.is_trainable((1, None))
    assert not ranking.is_trainable((1, 1, 1))
    assert not ranking.is_trainable((None, None))


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ((1, 2, 3), (1, 2, 3), 1.0),
        ((1, 2, 3), (3, 2, 1), -1.0),
        # Pairs 0<1, 0<2, 1<2 against 0<2, 0<1, 2<1: two agree, one does not.
        ((1, 2, 3), (1, 3, 2), 1 / 3),
        # Three pairs against two, both concordant: 2 / sqrt(3 * 2).
        ((1, 2, 3), (1, 2, 2), 2 / 6**0.5),
        ((1, 2, 3), (1, None, None), 2 / 6**0.5),
        ((1, 1, 1), (1, 2, 3), None),
        ((1, 2, 3), (2, 2, 2), None),
    ],
)
def test_agreement_by_hand(first, second, tau):
    assert ranking.agreement(first, second) == (None if tau is None else pytest.approx(tau, abs=1e-12))


@given(st.integers(2, 6).flatmap(lambda k: st.tuples(*[st.lists(st.integers(1, 4), min_size=k, max_size=k)] * 2)))
def test_agreement_equals_a_count_over_signs(pair):
    """Kendall's tau-b by its definition over the signs of rank differences."""
    first, second = pair
    both = [(i, j) for i in range(len(first)) for j in range(i)]
    sign = [((a := first[i] - first[j]) > 0) - (a < 0) for i, j in both]
    other = [((a := second[i] - second[j]) > 0) - (a < 0) for i, j in both]
    norm = sum(map(abs, sign)) * sum(map(abs, other))
    expected = None if norm == 0 else sum(x * y for x, y in zip(sign, other, strict=True)) / norm**0.5
    assert ranking.agreement(first, second) == (None if expected is None else pytest.approx(expected))


@given(RANKS)
def test_buckets_and_ranks_are_the_same_thing(ranks):
    if all(rank is None for rank in ranks):
        return
    dense = ranking.validate(ranks, len(ranks))
    ranked = [b for b in ranking.buckets(dense) if dense[b[0]] is not None]
    assert ranking.from_buckets(ranked, len(ranks)) == dense
    assert ranking.validate(dense, len(dense)) == dense


@given(RANKS)
def test_pairs_are_what_the_ranks_say(ranks):
    below_all = 99
    filled = [below_all if rank is None else rank for rank in ranks]
    expected = {(i, j) for i in range(len(ranks)) for j in range(len(ranks)) if filled[i] < filled[j]}
    pairs = ranking.strict_pairs(ranks)
    assert set(pairs) == expected and len(pairs) == len(expected)
    assert ranking.is_trainable(ranks) == bool(expected)

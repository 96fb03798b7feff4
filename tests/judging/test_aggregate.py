"""Scores and weak orders from pairs, against hand-worked values and a minimiser that knows nothing of them."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from scipy.optimize import minimize

from dpo_studio.judging.aggregate import Pair, confidence, scores, weak_order


def test_a_constant_lean_towards_a_place_cancels():
    quality, lean = 2.0, 0.7
    pair = Pair(quality + lean, quality - lean)
    assert pair.log_odds == pytest.approx(quality)
    assert not pair.disagrees and pair.named_first_shown == 1


def test_two_orders_that_name_different_answers_are_no_opinion():
    pair = Pair(2.7, -1.3)
    assert pair.disagrees and pair.named_first_shown == 2
    assert pair.log_odds == 0.0
    assert Pair(2.0, 1.0).disagrees is False and Pair(2.0, 1.0).named_first_shown == 1


def test_a_pair_with_one_order_alone_says_nothing():
    assert Pair(3.0, None).log_odds is None and Pair(None, 3.0).log_odds is None
    assert not Pair(3.0, None).disagrees


def test_with_every_pair_a_score_is_the_mean_of_the_log_odds():
    log_odds = {(0, 1): 1.0, (0, 2): 3.0, (1, 2): -0.5}
    assert scores(log_odds, 3) == pytest.approx([4 / 3, -1.5 / 3, -2.5 / 3])
    assert scores({(0, 1): 1.6}, 2) == pytest.approx([0.8, -0.8])


@pytest.mark.parametrize("seed", range(3))
def test_scores_with_pairs_missing_are_the_least_squares(seed):
    draw = random.Random(seed)
    log_odds = {pair: draw.gauss(0, 2) for pair in combinations(range(5), 2)}
    for missing in ((0, 1), (2, 4)):
        del log_odds[missing]
    found = scores(log_odds, 5)

    def misfit(values):
        return sum((values[i] - values[j] - said) ** 2 for (i, j), said in log_odds.items()) + sum(values) ** 2

    assert found == pytest.approx(list(minimize(misfit, [0.0] * 5, tol=1e-12).x), abs=1e-4)


def test_pairs_that_do_not_link_all_answers_give_no_order():
    assert scores({(0, 1): 1.0, (2, 3): 1.0}, 4) is None
    assert scores({}, 2) is None


def test_a_circle_is_a_tie():
    values = scores({(0, 1): 1.0, (1, 2): 1.0, (0, 2): -1.0}, 3)
    assert values == pytest.approx([0, 0, 0])
    assert weak_order(values, tie_below=0.55) == (1, 1, 1)


def test_what_is_not_told_apart_ties():
    margin = math.log(0.55 / 0.45)
    assert weak_order([1.0, 1.0 - 0.9 * margin], tie_below=0.55) == (1, 1)
    assert weak_order([1.0, 1.0 - 1.1 * margin], tie_below=0.55) == (1, 2)
    assert weak_order([0.0, 2.0, 2.0, 1.0], tie_below=0.5) == (3, 1, 1, 2)


def test_many_small_steps_do_not_tie_the_first_with_the_last():
    step = 0.75 * math.log(0.55 / 0.45)
    assert weak_order([0, -step, -2 * step, -3 * step], tie_below=0.55) == (1, 1, 2, 2)


def test_confidence_is_the_mean_probability_of_the_strict_pairs():
    values = [math.log(9.0), 0.0, 0.0]
    assert confidence(values, (1, 2, 2)) == pytest.approx(0.9)
    assert confidence(values, (1, 1, 1)) is None

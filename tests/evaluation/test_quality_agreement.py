"""Agreement against published examples and against other ways to the same number."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from scipy import stats

from dpo_studio.evaluation.quality import agreement, cycles


def test_kappa_of_the_textbook():
    """Two raters' diagnoses of 100 subjects: Fleiss, Levin and Paik (2003), table 18.1, kappa 0.68, error 0.087."""
    table = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert agreement.cohen_kappa(table) == pytest.approx(0.676, abs=0.0005)


def test_kappa_is_not_defined_where_chance_always_agrees():
    assert agreement.cohen_kappa(np.zeros((3, 3))) is None
    assert agreement.cohen_kappa(np.diag([5, 0, 0])) is None


def test_kappa_on_pairs_does_not_depend_on_which_answer_is_first():
    """18 of 20 alike, no ties: by chance half, so (0.9 - 0.5) / 0.5, though one answer wins nearly always."""
    one_sided = [[(-1, -1)]] * 18 + [[(-1, 1)], [(1, -1)]]
    balanced = [[(-1, -1)]] * 9 + [[(1, 1)]] * 9 + [[(-1, 1)], [(1, -1)]]
    for groups in (one_sided, balanced):
        assert agreement.kappa_of(groups).value == pytest.approx(0.8)


def test_the_interval_of_kappa_is_that_of_the_large_sample_formula():
    """Independent pairs, no ties: kappa is 2 p - 1, with a standard error of 2 sqrt(p (1 - p) / n)."""
    groups = [[(1, 1)]] * 300 + [[(1, -1)]] * 100
    found = agreement.kappa_of(groups)
    error = 2 * np.sqrt(0.75 * 0.25 / 400)
    assert found.value == pytest.approx(0.5)
    assert found.error == pytest.approx(error, rel=0.1)
    assert (found.low, found.high) == (pytest.approx(0.5 - 1.96 * error, abs=0.02), pytest.approx(0.585, abs=0.02))
    assert found.p_below(0.6) == pytest.approx(stats.norm.cdf(-0.1 / error), abs=0.01)


def test_pairs_of_one_group_are_not_taken_for_independent():
    """Ten equal pairs a group say no more than one: the same interval as for one a group."""
    groups = [[(1, 1)]] * 30 + [[(1, -1)]] * 10
    many = [pairs * 10 for pairs in groups]
    assert agreement.kappa_of(many).error == pytest.approx(agreement.kappa_of(groups).error)


def test_kappa_without_spread():
    assert agreement.kappa_of([]) is None
    assert agreement.kappa_of([[(0, 0)]] * 30) is None
    sure = agreement.kappa_of([[(1, 1)]] * 30)
    assert (sure.value, sure.low, sure.p_below(0.4)) == (1, 1, 1)
    assert agreement.kappa_of([[(1, -1)]] * 30).p_below(0.4) == 0


def test_what_was_left_unranked_says_nothing():
    """2 and 3 are below 1 for the first, in unknown order; the second puts all in order."""
    assert agreement.verdicts({1: 1, 2: None, 3: None}, {1: 1, 2: 2, 3: 3}) == [(-1, -1), (-1, -1)]
    assert agreement.verdicts({1: 1, 2: 1}, {1: 2, 2: 1}) == [(0, 1)]


def test_alpha_of_the_published_example():
    """Krippendorff (2011), "Computing Krippendorff's alpha-reliability", example C: ordinal alpha 0.815."""
    observers = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
        (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
    )
    rows = [{unit: value for unit, value in enumerate(row) if value is not None} for row in observers]
    assert agreement.krippendorff_alpha(rows) == pytest.approx(0.815, abs=0.0005)


def test_alpha_is_one_for_equal_rows_and_below_zero_for_opposite_ones():
    row = {(1, 1): 1, (1, 2): 2, (2, 3): 2, (2, 4): 1}
    assert agreement.krippendorff_alpha([row, row]) == pytest.approx(1)
    assert agreement.krippendorff_alpha([row, {unit: 3 - place for unit, place in row.items()}]) < 0
    assert agreement.krippendorff_alpha([row]) is None


def test_w_of_the_textbook():
    """Three interviewers rank six applicants: Siegel (1956), chapter 9, s = 25.5, W = 0.16."""
    rankings = [dict(enumerate(row)) for row in ((1, 6, 3, 2, 5, 4), (1, 5, 6, 4, 2, 3), (6, 3, 2, 5, 4, 1))]
    assert agreement.kendall_w(rankings) == pytest.approx(25.5 / 157.5)


@pytest.mark.parametrize("seed", range(5))
def test_w_is_friedmans_statistic_over_its_largest(seed):
    """W = chi² / (m (n - 1)), ties included (Kendall and Smith 1939); scipy has Friedman's."""
    draw = random.Random(seed)
    rows = [[draw.randint(1, 3) for _ in range(5)] for _ in range(4)]
    friedman = stats.friedmanchisquare(*np.array(rows).T).statistic
    assert agreement.kendall_w([dict(enumerate(row)) for row in rows]) == pytest.approx(friedman / (4 * 4))


def test_w_is_not_defined_where_all_is_tied():
    assert agreement.kendall_w([{1: 1, 2: 1}, {1: 1, 2: 1}]) is None
    assert agreement.kendall_w([{1: 1, 2: 2}]) is None


def test_circles_go_across_groups_and_need_a_majority():
    a_b, b_c, c_a = {1: 1, 2: 2}, {2: 1, 3: 2}, {3: 1, 1: 2}
    assert cycles.find([a_b, b_c, c_a]) == [[1, 2, 3]]
    assert cycles.find([a_b, b_c, c_a, {1: 1, 3: 2}]) == []
    assert cycles.find([{1: 1, 2: 1}]) == []


@pytest.mark.parametrize("seed", range(20))
def test_circles_are_those_that_walking_finds(seed):
    """Two answers are in one circle where each can be reached from the other (Warshall's closure)."""
    draw = random.Random(seed)
    keys = list(range(7))
    labels = [dict(zip(pair, draw.choice([(1, 2), (2, 1)]), strict=True)) for pair in itertools.combinations(keys, 2)]
    labels = draw.sample(labels, 12)
    reach = {(a, b): any(label.get(a, 9) < label.get(b, 0) for label in labels) for a in keys for b in keys}
    for k, a, b in itertools.product(keys, keys, keys):
        reach[a, b] = reach[a, b] or (reach[a, k] and reach[k, b])
    together = {frozenset(b for b in keys if b == a or (reach[a, b] and reach[b, a])) for a in keys}
    assert cycles.find(labels) == sorted(sorted(part) for part in together if len(part) > 1)

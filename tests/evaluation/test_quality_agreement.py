"""Agreement against published examples and against other ways to the same number."""

from __future__ import annotations

import itertools
import random

import krippendorff
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
    units = [[{unit: row[unit]} for row in observers if row[unit] is not None] for unit in range(12)]
    assert agreement.alpha_of(units).value == pytest.approx(0.815, abs=0.0005)


def test_alpha_is_one_for_equal_rankings_and_below_zero_for_opposite_ones():
    groups = [{1: 1, 2: 2}, {3: 2, 4: 1}]
    assert agreement.alpha_of([[one, one] for one in groups]).value == pytest.approx(1)
    turned = [{key: 3 - place for key, place in one.items()} for one in groups]
    assert agreement.alpha_of(zip(groups, turned, strict=True)).value < 0
    assert agreement.alpha_of([[one] for one in groups]) is None
    assert agreement.alpha_of([[{1: 1, 2: 1}] * 2]) is None


def rankings_by(draw, groups, *, noise, annotators=3):
    """Rankings of three answers, some missing, each a true order that is shuffled with this chance."""
    found = []
    for number in range(groups):
        order = draw.sample([1, 2, 3], 3)
        rows = [draw.sample(order, 3) if draw.random() < noise else order for _ in range(annotators)]
        rows = [row for row in rows if draw.random() < 0.9]
        found.append([dict(zip((3 * number, 3 * number + 1, 3 * number + 2), row, strict=True)) for row in rows])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_another_library(seed):
    """The package krippendorff, on rankings with some annotators missing."""
    groups = rankings_by(random.Random(seed), 40, noise=0.5)
    table = [[np.nan] * 120 for _ in range(3)]
    for rows in groups:
        for annotator, row in enumerate(rows):
            for key, place in row.items():
                table[annotator][key] = place
    theirs = krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal")
    assert agreement.alpha_of(groups).value == pytest.approx(theirs, abs=1e-12)


def test_the_interval_of_alpha_is_that_of_drawing_groups_one_by_one():
    """Another way to it: draw groups in Python and have the package compute each alpha."""
    draw = random.Random(1)
    groups = [rows for rows in rankings_by(draw, 40, noise=0.5) if len(rows) > 1]
    alphas = []
    for _ in range(300):
        drawn = [(rows, key) for rows in draw.choices(groups, k=len(groups)) for key in rows[0]]
        cells = [[rows[n][key] if n < len(rows) else np.nan for rows, key in drawn] for n in range(3)]
        alphas.append(krippendorff.alpha(reliability_data=cells, level_of_measurement="ordinal"))
    low, high = agreement.alpha_of(groups).interval
    assert (low, high) == (
        pytest.approx(np.quantile(alphas, 0.025), abs=0.05),
        pytest.approx(np.quantile(alphas, 0.975), abs=0.05),
    )


def test_the_interval_of_mean_w_is_that_of_the_large_sample_formula():
    """A mean of independent values: its standard error is their deviation over the root of their number."""
    groups = rankings_by(random.Random(2), 400, noise=0.6)
    found = agreement.mean_concordance(groups)
    each = np.array([w for rows in groups if (w := agreement.kendall_w(rows)) is not None])
    half = 1.96 * each.std(ddof=1) / np.sqrt(len(each))
    assert found.value == pytest.approx(each.mean(), abs=1e-12)
    assert found.interval == (
        pytest.approx(each.mean() - half, abs=half / 5),
        pytest.approx(each.mean() + half, abs=half / 5),
    )


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Alpha of annotators who rank by chance is zero: of 95 % intervals about 5 in 100 miss it."""
    missed = 0
    for seed in range(60):
        low, high = agreement.alpha_of(rankings_by(random.Random(seed), 60, noise=1.0, annotators=2)).interval
        missed += not low <= 0 <= high
    assert missed <= 9  # of 60 at 5 %: more than 9 is a chance of 1 in 1,000


def test_the_same_labels_have_the_same_interval():
    groups = rankings_by(random.Random(3), 30, noise=0.5)
    assert agreement.alpha_of(groups) == agreement.alpha_of(groups)


@pytest.mark.parametrize("annotators", [2, 4])
def test_w_of_annotators_who_rank_by_chance_is_one_over_their_number(annotators):
    draw = random.Random(4)
    groups = [[dict(enumerate(draw.sample([1, 2, 3, 4], 4))) for _ in range(annotators)] for _ in range(2000)]
    assert agreement.mean_concordance(groups).value == pytest.approx(1 / annotators, abs=0.02)


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

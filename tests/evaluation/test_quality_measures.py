"""The report's numbers against scipy, and against labels whose bias is known."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from scipy import stats

from dpo_studio.evaluation.quality import measures, report
from dpo_studio.evaluation.quality.findings import findings
from dpo_studio.evaluation.quality.reading import seconds_to_read
from dpo_studio.evaluation.quality.significance import holm
from tests.evaluation.quality_labels import label

NOTHING = {
    "each_judge": [],
    "prompts": {"same": [], "near": [], "across": [], "held_out": 0},
    "answers": {"same": [], "near": [], "stock": []},
}


def found(people, judges=()):
    return findings({"people": report.of_labels(people), "judges": report.of_labels(judges), **NOTHING})


def test_reading_time_of_words_and_of_characters():
    assert seconds_to_read("word " * 300) == pytest.approx(60)
    assert seconds_to_read("字" * 500) == pytest.approx(60)
    assert seconds_to_read("don't word-break") == pytest.approx(60 * 4 / 300)


def test_a_bias_to_the_first_shown_is_found_in_the_recorded_order_alone():
    labels = []
    for n in range(1, 61):
        turned = n % 2 == 0
        labels.append(label(n, (2, 1) if turned else (1, 2), presented=(1, 0) if turned else (0, 1)))
    said = report.of_labels(labels)["position"]
    assert (said["count"], said["of"], len(said["groups"])) == (60, 60, 60)
    assert said["p"] == pytest.approx(stats.binomtest(60, 60).pvalue)
    assert said["places"] == [{"size": 2, "counts": [60, 0]}]
    assert [one["reading"] for one in found(labels)] == ["position"]


def test_position_and_length_are_scipys():
    draw = random.Random(0)
    labels = [
        label(n, draw.choice([(1, 2), (2, 1), (2, 1)]), presented=(0, 1), lengths=(draw.randint(1, 90), 95))
        for n in range(1, 201)
    ]
    said = report.of_labels(labels)
    firsts = sum(one.ranks[one.presented[0]] == 1 for _, one in labels)
    test = stats.binomtest(firsts, 200)
    assert said["position"]["p"] == pytest.approx(test.pvalue)
    interval = test.proportion_ci(method="wilson")
    assert said["position"]["interval"] == [pytest.approx(interval.low), pytest.approx(interval.high)]
    gaps = [group.lengths[_best(one)] - group.lengths[_worst(one)] for group, one in labels]
    student = stats.ttest_1samp(gaps, 0).confidence_interval()
    assert said["length"]["mean_gap"] == pytest.approx(sum(gaps) / 200)
    assert said["length"]["mean_gap_interval"] == [pytest.approx(student.low), pytest.approx(student.high)]
    longer = sum(gap > 0 for gap in gaps)
    interval = stats.binomtest(longer, 200).proportion_ci(method="wilson")
    assert said["length"]["count"] == longer
    assert said["length"]["interval"] == [pytest.approx(interval.low), pytest.approx(interval.high)]
    largest = max(range(200), key=lambda place: abs(gaps[place]))
    assert said["length"]["groups"][0] == labels[largest][0].id


def test_several_labels_of_a_group_count_once_for_its_length():
    labels = [label(n, (2, 1), lengths=(10, 30), annotator=who) for n in range(1, 31) for who in ("ann", "bob")]
    said = report.of_labels(labels)
    assert (said["length"]["count"], said["length"]["of"]) == (30, 30)
    assert said["position"]["of"] == 60
    assert said["length"]["points"][0] == [1, 30, 10]


def test_haste_is_a_share_against_a_fifth():
    labels = [label(n, (2, 1), seconds=1.0 if n <= 30 else 99.0, reading_s=20) for n in range(1, 61)]
    said = report.of_labels(labels)["hasty"]
    assert (said["count"], said["of"], said["median_s"]) == (30, 60, 50)
    assert said["p"] == pytest.approx(sum(stats.binom.pmf(k, 60, 0.2) for k in range(30, 61)))
    assert said["groups"] == list(range(1, 31))
    slow = [label(n, (2, 1), seconds=99.0) for n in range(1, 31)]
    assert report.of_labels(slow)["hasty"]["count"] == 0


def test_a_repeat_is_compared_with_the_same_annotators_first_label():
    labels = []
    for n in range(1, 41):
        ranks = (1, 2) if n % 4 < 2 else (2, 1)
        turned = tuple(3 - rank for rank in ranks)
        labels += [
            label(n, ranks),
            label(n, turned if n % 2 else ranks, repeat_of=n, new=100 + n),
            label(n, turned, annotator="other", repeat_of=n, new=100 + n),
        ]
    said = report.of_labels(labels)
    assert (said["labels"], said["repeats"]) == (40, 80)
    assert (said["with_oneself"]["count"], said["with_oneself"]["of"]) == (20, 40)
    assert said["with_oneself"]["kappa"] == pytest.approx(0)
    assert said["with_oneself"]["groups"] == [100 + n for n in range(1, 41, 2)]


def test_two_annotators_who_always_agree_and_a_third_who_does_not():
    orders = {n: (1, 2) if n % 2 else (2, 1) for n in range(1, 31)}
    labels = [label(n, ranks, annotator=who) for n, ranks in orders.items() for who in ("ann", "bob")]
    between = report.of_labels(labels)["between"]
    assert between["kappas"][0]["kappa"] == pytest.approx(1) and between["disagreeing"] == []
    assert between["alpha"] == pytest.approx(1) and between["mean_w"] == pytest.approx(1)
    labels += [label(n, ranks[::-1], annotator="eve") for n, ranks in orders.items()]
    between = report.of_labels(labels)["between"]
    kappas = {tuple(pair["annotators"]): pair for pair in between["kappas"]}
    assert kappas["ann", "eve"]["kappa"] == pytest.approx(-1) and kappas["ann", "eve"]["same"] == 0
    assert between["disagreeing"] == list(range(1, 31))
    sentences = [one["sentence"] for one in found(labels) if one["reading"] == "between"]
    assert len(sentences) == 2 and all("eve" in sentence for sentence in sentences)


def test_one_card_for_all_and_those_who_lean_most():
    """Haste of one of two: told of all with the one named; position of one, hidden among all, is told of the one."""
    labels = [label(n, (1, 2), presented=(0, 1), seconds=1.0 if n > 20 else 60.0) for n in range(1, 61)]
    labels += [label(100 + n, (2, 1), presented=(0, 1), seconds=60.0, annotator="bob") for n in range(1, 61)]
    hasty, position, other = sorted(found(labels), key=lambda one: one["sentence"])
    assert hasty["sentence"].startswith("40 of 120") and hasty["sentence"].endswith(
        "again. By annotator: ann 40 of 60."
    )
    assert hasty["rankings"] == hasty["groups"] == list(range(21, 61))
    assert position["sentence"].startswith("ann: The answer shown earlier won 60 of 60 times")
    assert position["rankings"] == list(range(1, 61))
    assert other["sentence"].startswith("bob: The answer shown later won 60 of 60 times")
    labels += [label(200 + n, (2, 1), presented=(0, 1), seconds=60.0, annotator="bob") for n in range(1, 61)]
    position = [one["sentence"] for one in found(labels) if one["reading"] == "position"]
    assert position[0].startswith("The answer shown later won 120 of 180") and position[0].endswith(
        " By annotator: bob 120 of 120."
    )
    assert [one.startswith("ann: The answer shown earlier") for one in position[1:]] == [True]


def test_a_judge_is_no_part_of_the_people():
    people = [label(n, (1, 2), presented=(0, 1)) for n in range(1, 61)]
    judges = [label(100 + n, (1, 2), presented=(0, 1), annotator="rule") for n in range(1, 31)]
    judges += [label(200 + n, (2, 1), presented=(0, 1), annotator="model") for n in range(1, 31)]
    sentences = [one["sentence"] for one in found(people, judges)]
    assert [one.split(":")[0] for one in sentences] == [
        "The answer shown earlier won 60 of 60 times, more than chance explains",
        "model",
        "rule",
    ]


def test_circles_name_the_groups_in_which_they_meet():
    first, second = label(1, (1, 2, 3)), label(1, (3, 1, 2), annotator="bob")
    third = label(1, (2, 3, 1), annotator="eve")
    said = report.of_labels([first, second, third, label(2, (1, 2))])
    assert said["cycles"] == [{"completions": [10, 11, 12], "groups": [1]}]
    assert "round in a circle" in found([first, second, third])[0]["sentence"]


def test_an_unranked_rest_is_no_tie():
    said = report.of_labels([label(1, (1, None, None)), label(2, (1, 1, 2)), label(3, (1, 2, 3))])
    assert said["ties"]["count"] == 1


def test_holm_by_hand():
    """0.005 counts four times, 0.01 three, 0.03 twice, and the largest no less than the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.6, 0.7]) == [1, 1]


def test_holm_is_the_closure_of_bonferroni():
    """The least over all sets that hold a test of the worst Bonferroni in them: the definition, by trying all."""
    draw = random.Random(7)
    for _ in range(20):
        p = [draw.random() ** 3 for _ in range(5)]
        sets = [[k for k in range(5) if bits >> k & 1] for bits in range(1, 32)]
        closed = [max(min(1, len(s) * min(p[k] for k in s)) for s in sets if one in s) for one in range(5)]
        assert holm(p) == pytest.approx(closed)


def test_fair_labels_seldom_raise_an_alarm():
    """Several tests a report, together wrong once in a hundred: of 60 fair projects 5 that warn would be odd."""
    alarms = 0
    for seed in range(60):
        draw = random.Random(seed)
        labels = []
        for n in range(1, 41):
            lengths = (draw.randint(5, 60), draw.randint(5, 60))
            shown = draw.choice([(0, 1), (1, 0)])
            best = draw.choice([(1, 2), (2, 1)])
            # Both say the same: their agreement is no alarm, and position and length are chance.
            labels += [label(n, best, presented=shown, lengths=lengths, seconds=60)]
            labels += [label(n, best, presented=draw.choice([(0, 1), (1, 0)]), lengths=lengths, annotator="bob")]
        alarms += bool(found(labels))
    assert alarms < 5


def test_few_labels_give_counts_and_no_shares():
    said = measures.position([label(n, (1, 2)) for n in range(1, 6)])
    assert (said["count"], said["of"], said["share"], said["p"]) == (5, 5, None, None)
    assert found([replace_kind(label(1, (1, 2)))]) == []


def replace_kind(one):
    group, ranking = one
    return group, replace(ranking, kind="skip", ranks={})


def _best(ranking):
    return min(ranking.ranks, key=ranking.ranks.get)


def _worst(ranking):
    return max(ranking.ranks, key=ranking.ranks.get)

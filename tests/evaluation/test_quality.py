"""The report on labels: hand-worked values, known biases, and no alarm on fair labels."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from dpo_studio import cli
from dpo_studio.cli_output import run
from dpo_studio.core.types import Completion, Group, Message, Prompt, Ranking
from dpo_studio.evaluation.quality import agreement, cycles, in_words, report
from dpo_studio.evaluation.quality.reading import seconds_to_read
from dpo_studio.store import Project, completions, prompts, rankings


def pair(number, ranks, *, presented=None, annotator="ann", kind="person", seconds=None, lengths=(10, 20), words=1):
    """A group of two completions with one label."""
    ids = (2 * number, 2 * number + 1)
    prompt = Prompt(number, f"p{number}", (Message("user", "q"),))
    made = tuple(Completion(i, f"c{i}", number, "a" * n + " b" * words) for i, n in zip(ids, lengths, strict=True))
    group = Group(number, f"g{number}", prompt, made, 2)
    return group, Ranking(
        id=number,
        uuid=f"r{number}{annotator}",
        group_id=number,
        kind="ranking",
        annotator=annotator,
        annotator_kind=kind,
        ranks=dict(zip(ids, ranks, strict=True)),
        presented=presented or ids,
        seconds=seconds,
        created="2026-01-02T00:00:00Z",
    )


def test_kappa_by_hand():
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5, kappa 0.4."""
    said = [(1, 1)] * 20 + [(1, -1)] * 5 + [(-1, 1)] * 10 + [(-1, -1)] * 15
    assert agreement.cohen_kappa(said) == pytest.approx(0.4)
    assert agreement.cohen_kappa([]) is None
    assert agreement.cohen_kappa([(1, 1)] * 5) is None


def test_kendall_w_by_hand():
    same = {1: 1, 2: 2, 3: 3}
    assert agreement.kendall_w([same, same]) == pytest.approx(1)
    assert agreement.kendall_w([same, {1: 3, 2: 2, 3: 1}]) == pytest.approx(0)
    # Sums 3, 3, 6 of mean 4: S = 6, so W = 12 * 6 / (4 * 24) = 0.75.
    assert agreement.kendall_w([same, {1: 2, 2: 1, 3: 3}]) == pytest.approx(0.75)
    # One tie of two: sums 2.5, 3.5, 6, S = 6.5, W = 78 / (96 - 2 * 6).
    assert agreement.kendall_w([same, {1: 1, 2: 1, 3: 2}]) == pytest.approx(78 / 84)
    assert agreement.kendall_w([{1: 1, 2: 1}, {1: 1, 2: 1}]) is None


def test_alpha_is_one_for_equal_rows_and_below_zero_for_opposite_ones():
    row = {(1, 1): 1, (1, 2): 2, (2, 3): 2, (2, 4): 1}
    assert agreement.krippendorff_alpha([row, row]) == pytest.approx(1)
    assert agreement.krippendorff_alpha([row, {unit: 3 - place for unit, place in row.items()}]) < 0
    assert agreement.krippendorff_alpha([row]) is None


def test_circles_go_across_groups_and_need_a_majority():
    a_b, b_c, c_a = {1: 1, 2: 2}, {2: 1, 3: 2}, {3: 1, 1: 2}
    assert cycles.find([a_b, b_c, c_a]) == [[1, 2, 3]]
    assert cycles.find([a_b, b_c, c_a, {1: 1, 3: 2}]) == []
    assert cycles.find([{1: 1, 2: 1}]) == []


def test_reading_time_of_words_and_of_characters():
    assert seconds_to_read("word " * 300) == pytest.approx(60)
    assert seconds_to_read("字" * 500) == pytest.approx(60)


def test_a_bias_to_the_first_shown_is_found_in_the_recorded_order_alone():
    labels = []
    for n in range(1, 61):
        flip = n % 2 == 0
        ids = (2 * n, 2 * n + 1)
        labels.append(pair(n, (2, 1) if flip else (1, 2), presented=ids[::-1] if flip else ids, lengths=(10, 10)))
    said = report.of_labels(labels)
    assert (said["position"]["count"], said["position"]["of"]) == (60, 60)
    assert said["position"]["p"] == pytest.approx(2 / 2**60)
    assert said["length"]["of"] == 0 and said["length"]["share"] is None


def test_length_gap_and_haste():
    said = report.of_labels([pair(n, (2, 1), seconds=1.0, words=100) for n in range(1, 31)])
    assert said["length"]["mean_gap"] == pytest.approx(10)
    assert said["length"]["share"] == 1
    assert said["hasty"]["count"] == 30 and said["a_day"] == {"2026-01-02": 30}
    assert report.of_labels([pair(n, (2, 1), seconds=99.0) for n in range(1, 31)])["hasty"]["count"] == 0


def test_a_repeat_is_compared_with_the_same_annotators_first_label():
    labels = []
    for n in range(1, 41):
        group, label = pair(n, (1, 2) if n % 4 < 2 else (2, 1))
        turned = {key: 3 - rank for key, rank in label.ranks.items()}
        again = replace(label, id=100 + n, group_id=100 + n, ranks=turned if n % 2 else label.ranks)
        stranger = replace(again, annotator="other", ranks=turned)
        twice = replace(group, id=100 + n, repeat_of=n)
        labels += [(group, label), (twice, again), (twice, stranger)]
    said = report.of_labels(labels)
    assert (said["labels"], said["repeats"]) == (40, 80)
    assert (said["with_oneself"]["count"], said["with_oneself"]["of"]) == (20, 40)
    assert said["with_oneself"]["kappa"] == pytest.approx(0)


def test_two_annotators_who_always_agree():
    labels = [pair(n, (1, 2) if n % 2 else (2, 1), annotator=who) for n in range(1, 31) for who in ("ann", "bob")]
    between = report.of_labels(labels)["between"]
    assert between["kappas"] == [{"annotators": ["ann", "bob"], "pairs": 30, "kappa": pytest.approx(1)}]
    assert between["alpha"] == pytest.approx(1) and between["mean_w"] == pytest.approx(1)


def test_fair_labels_seldom_raise_an_alarm():
    """Two tests at 1 % each: of 200 fair projects about 4 at most are warned."""
    alarms = 0
    for seed in range(200):
        draw = random.Random(seed)
        labels = [pair(n, draw.choice([(1, 2), (2, 1)]), presented=None) for n in range(1, 61)]
        said = report.of_labels(labels)
        alarms += said["position"]["p"] < 0.01 or said["length"]["p"] < 0.01
    assert alarms <= 8


@pytest.fixture
def folder(tmp_path):
    with Project.create(tmp_path / "project") as project:
        for n in range(30):
            prompt = prompts.add(project, [Message("user", f"question {n}")])
            group = completions.add_group(project, prompt.id, size=2)
            for text in ("Same  answer", "same answer") if n == 0 else ("short", "a much longer answer"):
                completions.add(project, group.id, text)
            group = completions.get_group(project, group.id)
            shown = [c.id for c in group.completions][:: 1 if n % 2 else -1]
            rankings.add(project, group, ranks=(1, 2), presented=shown)
            rankings.add(project, group, ranks=(2, 1), presented=shown)
            rankings.add(project, group, ranks=(1, 2), annotator="judge", annotator_kind="judge", presented=shown)
    return tmp_path / "project"


def test_the_command_says_what_stands_out_and_keeps_judges_apart(folder, capfd):
    assert run(cli.cli, ["report", str(folder), "--json"]) == 0
    values = json.loads(capfd.readouterr().out)
    assert values["people"]["labels"] == 30 and values["people"]["repeats"] == 0
    assert values["people"]["length"]["count"] == 29
    assert values["judges"]["labels"] == 30 and values["judges"]["length"]["count"] <= 1
    assert len(values["duplicates"]["groups_with_equal_answers"]) == 1
    assert any(text.startswith("The longer answer won") for text in values["findings"])
    assert run(cli.cli, ["report", str(folder)]) == 0
    out = capfd.readouterr().out
    assert "The longer answer won" in out and "too few data" in out


def test_an_empty_project_is_no_error(tmp_path):
    with Project.create(tmp_path / "empty") as project:
        values = report.make(project)
    assert values["findings"] == [] and "Nothing stands out" in in_words.text(values)

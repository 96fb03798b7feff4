"""Comparisons asked once more: which, when, for whom, and what the second answer says."""

import random

import pytest

from dpo_studio.store import Project, completions, rankings, repeats, runs, waits
from tests.groups import add_group


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        for number in range(24):
            add_group(made, f"prompt {number}", [f"{number}{letter}" for letter in "abc"])
        yield made


def label(project, group_id, ranks=(1, 2, 3), *, seconds=2.0, annotator="me"):
    group = completions.get_group(project, group_id)
    presented = [c.id for c in group.completions]
    return rankings.add(project, group, ranks=ranks, presented=presented, seconds=seconds, annotator=annotator)


def test_nothing_comes_back_before_twenty_others(project):
    for group_id in range(1, 21):
        label(project, group_id)
        assert repeats.make(project, "me", random.Random(1)) is None
    label(project, 21)
    made = repeats.make(project, "me", random.Random(1))
    assert made.repeat_of == 1, "the only one that is old enough"
    assert [c.text for c in made.completions] == ["0a", "0b", "0c"]
    assert repeats.make(project, "me", random.Random(1)) is None, "each comes back once"


def test_only_rankings_given_on_the_page_come_back_and_all_of_them_can(project):
    label(project, 1, seconds=None)  # imported
    rankings.add(project, completions.get_group(project, 2), kind="skip", seconds=1.0)
    for group_id in range(3, 25):
        label(project, group_id)
    label(project, 3, annotator="Ada")
    drawn = set()
    for seed in range(40):
        made = repeats.make(project, "me", random.Random(seed))
        if made is not None:
            drawn.add(made.repeat_of)
    assert drawn == {3, 4}


def test_a_repeat_waits_for_its_person_uncounted_and_is_never_trained_on(project):
    for group_id in range(1, 24):
        label(project, group_id)
    before = (rankings.counts(project), waits.count(project, "Ada"))
    made = repeats.make(project, "me", random.Random(5))
    assert (rankings.counts(project), waits.count(project, "Ada")) == before
    assert waits.is_waiting(project, "me", made.id) and not waits.is_waiting(project, "Ada", made.id)
    trained_on = len(runs.training_data(project).train)
    label(project, made.id, (3, 2, 1))
    assert rankings.counts(project) == before[0]
    assert len(runs.training_data(project).train) == trained_on
    rankings.undo(project)
    assert waits.is_waiting(project, "me", made.id) and rankings.counts(project) == before[0]


def test_an_answer_of_ones_own_is_not_shown_again(project):
    label(project, 1)
    group = completions.get_group(project, 1)
    own = completions.add(project, 1, "mine", finish_reason="written")
    rankings.add(
        project,
        completions.get_group(project, 1),
        ranks=(2, 3, 4, 1),
        presented=[c.id for c in group.completions],
        seconds=1.0,
    )
    for group_id in range(2, 22):
        label(project, group_id)
    made = repeats.make(project, "me", random.Random(0))
    assert made.repeat_of == 1 and own.id not in {c.id for c in made.completions} and made.ready


def test_agreement_with_oneself_by_hand(project):
    for group_id in range(1, 24):
        label(project, group_id)
    assert repeats.agreement(project, "me") == repeats.SelfAgreement()
    first, second, third = (repeats.make(project, "me", random.Random(n)) for n in range(3))
    label(project, first.id, (1, 2, 3))  # three pairs as before
    label(project, second.id, (1, 3, 2))  # one of three turned round
    assert repeats.agreement(project, "me") == repeats.SelfAgreement(same=5, pairs=6, repeats=2)
    label(project, third.id, (1, 1, 2))  # a tie where there was an order
    assert repeats.agreement(project, "me") == repeats.SelfAgreement(same=7, pairs=9, repeats=3)
    label(project, second.repeat_of, (1, 3, 2))  # thought again about the first time
    assert repeats.agreement(project, "me") == repeats.SelfAgreement(same=8, pairs=9, repeats=3)
    rankings.add(project, third, kind="skip", seconds=1.0)
    assert repeats.agreement(project, "me") == repeats.SelfAgreement(same=6, pairs=6, repeats=2)
    assert repeats.agreement(project, "Ada") == repeats.SelfAgreement()

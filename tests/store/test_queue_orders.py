"""The orders of the queue, against orders worked out by hand."""

import pytest

from dpo_studio.store import Project, completions, policies, queue, rankings, scores
from tests.groups import add_group


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        for number in range(6):
            add_group(made, f"prompt {number}", [f"{number}{letter}" for letter in "abc"])
        yield made


def label(project, group_id, ranks, annotator, *, kind="person"):
    group = completions.get_group(project, group_id)
    return rankings.add(project, group, ranks=ranks, annotator=annotator, annotator_kind=kind)


def test_random_is_decided_by_the_seed_alone_and_stays_while_labels_are_given(project):
    first = queue.at_random(project, "me", seed=7)
    assert sorted(first) == [1, 2, 3, 4, 5, 6] and first != sorted(first)
    assert queue.at_random(project, "me", seed=7) == first
    orders = {tuple(queue.at_random(project, "me", seed)) for seed in range(50)}
    assert len(orders) > 40
    label(project, first[2], [1, 2, 3], "me")
    assert queue.at_random(project, "me", seed=7) == [one for one in first if one != first[2]]


def test_each_place_is_as_likely_for_each(project):
    """Of 1,200 seeds, each of six groups comes first about 200 times (standard deviation 13)."""
    firsts = [queue.shuffled([1, 2, 3, 4, 5, 6], seed)[0] for seed in range(1200)]
    assert all(140 < firsts.count(one) < 260 for one in range(1, 7))


def test_the_smallest_gap_comes_first_under_this_policy_only(project):
    base = policies.add(project, "starter")
    trained = policies.add(project, "starter", adapter="runs/x/adapter", parent_id=base.id)
    other = policies.add(project, "starter", adapter="runs/y/adapter", parent_id=base.id)
    scores.keep(project, other.id, {1: 0.001})
    scores.keep(project, trained.id, {2: 0.5, 3: 0.02, 5: 0.3, 99: 0.0})
    assert queue.most_informative(project, "me", trained.id) == [3, 5, 2]
    assert scores.unscored(project, "me", trained.id) == [1, 4, 6]
    label(project, 5, [1, 2, 3], "me")
    assert queue.most_informative(project, "me", trained.id) == [3, 2]
    assert scores.progress(project, "me", trained.id) == scores.Progress(2, 5)
    scores.keep(project, other.id, {3: 0.0})
    assert queue.most_informative(project, "me", trained.id) == [2], "a score belongs to one policy"


def test_disagreement_by_hand():
    full, turned, tied = {1: 1, 2: 2, 3: 3}, {1: 3, 2: 2, 3: 1}, {1: 1, 2: 1, 3: 1}
    assert queue.dispute([full, full]) == 0
    assert queue.dispute([full, turned]) == 1
    assert queue.dispute([full, tied]) == 0.5
    assert queue.dispute([full, {1: 1, 2: 3, 3: 2}]) == pytest.approx(1 / 3)
    assert queue.dispute([full, {1: 1, 2: None, 3: None}]) == pytest.approx(1 / 6), "2 and 3 are tied there"
    assert queue.dispute([full, turned, full]) == pytest.approx(2 / 3), "two of the three pairs differ"
    assert queue.dispute([full]) == 0 and queue.dispute([{1: 1}, {2: 1}]) == 0


def test_what_others_differ_about_comes_first_until_it_is_settled(project):
    for group_id, ben in ((1, [1, 2, 3]), (2, [3, 2, 1]), (4, [1, 3, 2]), (5, [2, 1, 3])):
        label(project, group_id, [1, 2, 3], "Ada")
        label(project, group_id, ben, "Ben")
    label(project, 3, [1, 2, 3], "Ada")
    label(project, 6, [3, 2, 1], "rules", kind="judge")
    label(project, 6, [1, 2, 3], "Ada")
    assert queue.most_disputed(project, "me") == [2, 6, 4, 5]
    label(project, 2, [1, 2, 3], "me")
    label(project, 4, [1, 2, 3], "Ben")  # Ben thinks again
    assert queue.most_disputed(project, "me") == [6, 5]
    assert queue.most_disputed(project, "Ada") == []

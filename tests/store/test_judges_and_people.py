"""A judge never takes a person's place, whatever it is called."""

from __future__ import annotations

import pytest

from dpo_studio.store import completions, prompt_states, rankings


@pytest.fixture
def group(project, make_group):
    return make_group(project, answers=("hello", "no"))


def judge(project, ranks):
    (group,) = completions.recent_groups(project)
    return rankings.add(project, group, ranks=ranks, annotator=project.annotator, annotator_kind="judge")


def test_a_judge_of_the_same_name_leaves_a_persons_label_standing(project, group):
    mine = rankings.add(project, group, ranks=[1, 2])
    its = judge(project, [2, 1])
    assert its.supersedes is None
    assert [one.id for _, one in rankings.labelled(project)] == [mine.id]
    assert rankings.current(project, group.id).id == mine.id
    assert rankings.current(project, group.id, annotator_kind="judge").id == its.id
    assert [one.id for one in rankings.recent(project)] == [mine.id]
    counts = rankings.counts(project)
    assert (counts.rankings, counts.left) == (1, 0)


def test_what_a_judge_labelled_still_waits_for_the_person(project, group):
    judge(project, [2, 1])
    assert [one.id for one in rankings.next_groups(project)] == [group.id]
    assert rankings.counts(project).left == 1
    assert prompt_states.by_prompt(project)[group.prompt.id].labelled == 0
    assert rankings.recent(project) == []


def test_undo_takes_back_the_persons_label_past_a_judges(project, group):
    mine = rankings.add(project, group, ranks=[1, 2])
    its = judge(project, [2, 1])
    assert rankings.undo(project).id == mine.id
    assert rankings.current(project, group.id) is None
    assert rankings.current(project, group.id, annotator_kind="judge").id == its.id
    assert rankings.undo(project) is None


def test_a_judge_corrects_itself(project, group):
    first, second = judge(project, [2, 1]), judge(project, [1, 2])
    assert second.supersedes == first.id
    assert [one.id for one in rankings.all_current(project, annotator_kind="judge")] == [second.id]

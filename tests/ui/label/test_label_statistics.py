"""The numbers of the Label page, counted by hand."""

import pytest

from dpo_studio.store import Project, completions, rankings, repeats
from dpo_studio.ui.label import statistics
from tests.groups import add_group


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        for number in range(30):
            add_group(made, f"prompt {number}", ("short", "of middling length", "the longest of all these three"))
        yield made


def label(project, group_id, ranks=(), *, kind="ranking", seconds=None, turned=False):
    group = completions.get_group(project, group_id)
    presented = [c.id for c in group.completions]
    presented = presented[::-1] if turned else presented
    rankings.add(project, group, kind=kind, ranks=ranks, presented=presented, seconds=seconds)


def test_left_done_median_and_ties(project):
    assert statistics.summary(project).text() == "30 left  ·  0 done"
    label(project, 1, (1, 2, 3), seconds=2.0)
    label(project, 2, (1, 1, 2), seconds=4.0)
    label(project, 3, (1, None, None), seconds=9.0)  # unranked together is no tie
    label(project, 4, kind="skip", seconds=3.0)
    label(project, 5, (2, 2, None))  # imported: no time
    rankings.add(project, completions.get_group(project, 6), ranks=(1, 1, 1), annotator="Ada", seconds=99.0)
    found = statistics.summary(project)
    assert (found.left, found.done, found.skipped, found.given_here) == (25, 5, 1, 4)
    assert found.median_s == 3.5 and found.tie_share == 0.5
    assert found.text() == "25 left  ·  5 done  ·  3.5 s a label  ·  50% with ties"
    label(project, 2, (1, 2, 3), seconds=4.0)
    assert statistics.summary(project).tie_share == 0.25, "what stands now counts"


def test_agreement_is_told_as_a_share_once_there_is_enough(project):
    base = statistics.summary(project)
    few, many = repeats.SelfAgreement(5, 6, 2), repeats.SelfAgreement(9, 12, 4)
    with_few, with_many = (
        statistics.Summary(base.ready, 3, 27, 0, None, None, 0, again).text() for again in (few, many)
    )
    assert with_few.endswith("5 of 6 as before when asked again")
    assert with_many.endswith("75% as before when asked again")


def test_a_lean_is_warned_of_when_chance_does_not_explain_it(project):
    for group_id in range(1, 20):
        label(project, group_id, (1, 2, 3), turned=group_id % 2 == 0)
    assert statistics.warnings(project) == [], "too few to tell"
    for group_id in range(20, 31):
        label(project, group_id, (1, 2, 3), turned=group_id % 2 == 0)
    (length,) = statistics.warnings(project)
    assert length.startswith("The shorter answer won 30 of 30 times")
    for group_id in range(1, 31):
        label(project, group_id, (1, 2, 3) if group_id % 2 else (3, 2, 1), turned=group_id % 2 == 0)
    (position,) = statistics.warnings(project)
    assert position.startswith("The answer shown earlier won 30 of 30 times")

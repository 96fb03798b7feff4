"""A judge's rankings in the project: what waits for it, what is kept, and that people's labels stay people's."""

from __future__ import annotations

import json

import pytest

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.judges import Judge
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import completions, judgements, policies, prompts, rankings, runs

SHORTER = Judge("rules", rules=("shorter",))
MODEL = Judge("model", base="starter", model_name="small", principles="Be brief.")


def judged(group, ranks, **numbers):
    return events.GroupJudged("job", group.id, ranks, "because", 0.5, **numbers)


def test_a_judge_goes_on_where_it_was(project, make_group):
    first, second, third = (make_group(project, f"Q{n}?", answers=("a", "b")) for n in range(3))
    assert judgements.waiting(project, SHORTER) == [first.id, second.id, third.id]
    judgements.record(project, SHORTER, judged(first, (1, 2)))
    assert judgements.waiting(project, SHORTER, limit=1) == [second.id]
    assert judgements.waiting(project, MODEL) == [first.id, second.id, third.id]
    rankings.add(project, second, ranks=[1, 2])
    assert judgements.waiting(project, SHORTER) == [second.id, third.id]


def test_repeats_unfinished_and_archived_ones_do_not_wait(project, make_group):
    group = make_group(project, answers=("a", "b"))
    again = make_group(project, answers=("a", "b"))
    away = make_group(project, "Away?", answers=("a", "b"))
    completions.add_group(project, prompts.add(project, [Message("user", "Later?")]).id, size=2)
    with project.transaction() as db:
        db.conn.execute("UPDATE groups SET repeat_of = ? WHERE id = ?", [group.id, again.id])
        db.conn.execute("UPDATE prompts SET archived = 1 WHERE id = ?", [away.prompt.id])
    assert judgements.waiting(project, SHORTER) == [group.id]


def test_what_it_says_is_kept_as_a_judges(project, make_group):
    group = make_group(project, answers=("a", "b"))
    said = judgements.record(project, MODEL, judged(group, (2, 1), confidence=0.75))
    assert (said.annotator, said.annotator_kind, said.note) == (MODEL.name, "judge", "because")
    assert (said.confidence, said.seconds) == (0.75, None)
    assert judgements.latest(project, group.id) == said
    assert rankings.judge_names(project) == {MODEL.name: 1}


def test_an_answer_that_came_meanwhile_is_not_the_worst(project, make_group):
    group = make_group(project, answers=("a", "b"))
    completions.add(project, group.id, "mine", finish_reason="written")
    said = judgements.record(project, SHORTER, judged(group, (2, 1)))
    assert list(said.ranks.values()) == [2, 1]
    ((ranked, _),) = rankings.labelled(project, judges=SHORTER.name)
    assert [c.text for c in ranked.completions] == ["a", "b"]


def test_how_a_model_answered_adds_up(project, make_group):
    first, second = make_group(project, "1", answers=("a", "b")), make_group(project, "2", answers=("a", "b"))
    assert judgements.answered(project, MODEL.name) is None
    judgements.record(project, MODEL, judged(first, (2, 1), pairs=3, disagreements=1, first_shown=4, asked=6))
    refused = events.GroupNotJudged("job", second.id, "no", "", 2, 2)
    assert judgements.record(project, MODEL, refused) is None
    assert judgements.answered(project, MODEL.name) == judgements.Answered(3, 1, 4, 8, 2)
    assert judgements.waiting(project, MODEL) == [second.id]
    judgements.record(project, SHORTER, judged(first, (1, 1)))
    assert judgements.answered(project, SHORTER.name) is None


def test_the_guideline_stands_in_for_principles(project):
    assert judgements.principles(project) == "Shorter is better."
    project.set_fact(judgements.PRINCIPLES_FACT, "Be kind.")
    assert judgements.principles(project) == "Be kind."


@pytest.fixture
def mixed(project, make_group):
    """Four groups: labelled by a person and a judge, skipped by a person and judged, judged by one, judged by two."""
    groups = [make_group(project, f"Q{n}?", answers=("a", "b")) for n in range(4)]
    mine = rankings.add(project, groups[0], ranks=[1, 2])
    rankings.add(project, groups[1], kind="skip")
    its = {(g.id, judge): judgements.record(project, judge, judged(g, (2, 1))) for g in groups for judge in (SHORTER,)}
    its[groups[3].id, MODEL] = judgements.record(project, MODEL, judged(groups[3], (2, 1)))
    return groups, mine, its


def test_a_judges_rankings_are_taken_only_when_asked_and_only_where_no_person_judged(project, mixed):
    groups, mine, its = mixed

    def ids(judges=""):
        return [ranking.id for _, ranking in rankings.labelled(project, judges=judges)]

    assert ids() == [mine.id]
    by_rules = [its[groups[2].id, SHORTER].id, its[groups[3].id, SHORTER].id]
    assert ids(SHORTER.name) == [mine.id, *by_rules]
    assert ids(MODEL.name) == [mine.id, its[groups[3].id, MODEL].id]
    assert sorted(ids("all")) == sorted([mine.id, *by_rules, its[groups[3].id, MODEL].id])
    with pytest.raises(UserError, match="No judge called 'nobody'"):
        ids("nobody")


def test_a_run_learns_from_people_unless_judges_are_asked(project, mixed):
    policy = policies.add(project, "starter")
    plain = runs.create(project, policy, TrainingSettings(method="dpo"))
    told = runs.create(project, policy, TrainingSettings(method="dpo"), judges="all")

    def rows(run):
        return [json.loads(line) for line in (project.folder / run.folder / "data.jsonl").read_text().splitlines()]

    assert [row["annotator_kind"] for row in rows(plain)] == ["person"]
    assert sorted(row["annotator_kind"] for row in rows(told)) == ["judge"] * 3 + ["person"]
    assert json.loads((project.folder / told.folder / "settings.json").read_text())["judges"] == "all"


def test_nothing_a_person_sees_counts_a_judges(project, mixed):
    groups, mine, _ = mixed
    counts = rankings.counts(project)
    assert (counts.rankings, counts.skips, counts.left) == (1, 1, 2)
    assert [group.id for group in rankings.next_groups(project, limit=9)] == [groups[2].id, groups[3].id]
    assert {ranking.annotator_kind for ranking in rankings.recent(project)} == {"person"}
    assert {ranking.annotator_kind for ranking in rankings.all_current(project)} == {"person"}


def test_prompts_that_only_a_judge_has_ranked_still_come_first_as_samples(project, make_group):
    by_me, by_it = make_group(project, "mine?", answers=("a", "b")), make_group(project, "its?", answers=("a", "b"))
    rankings.add(project, by_me, ranks=[1, 2])
    judgements.record(project, SHORTER, judged(by_it, (1, 2)))
    run = runs.create(project, policies.add(project, "starter"), TrainingSettings(method="dpo"))
    lines = (project.folder / run.folder / "sample_prompts.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["messages"][0]["content"] == "its?"

"""Groups fill up, become ready, and keep what each completion came from."""

from __future__ import annotations

import pytest

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import completions, policies, prompts


@pytest.fixture
def prompt(project):
    return prompts.add(project, [Message("user", "Why?")])


def test_a_group_is_ready_once_it_has_its_size(project, prompt):
    group = completions.add_group(project, prompt.id, size=3)
    for text in ("a", "b"):
        completions.add(project, group.id, text)
        assert [g.id for g in completions.unfinished(project)] == [group.id]
        assert not completions.get_group(project, group.id).ready
    assert completions.recent_groups(project) == []
    completions.add(project, group.id, "c")
    assert completions.unfinished(project) == [] and completions.count_unfinished(project) == 0
    ready = completions.get_group(project, group.id)
    assert ready.ready and [c.text for c in ready.completions] == ["a", "b", "c"]
    assert completions.recent_groups(project) == [ready]


def test_candidates_may_finish_in_any_order(project, prompt):
    group = completions.add_group(project, prompt.id, size=3)
    for candidate in (2, 0):
        completions.add(project, group.id, f"answer {candidate}", candidate=candidate)
    assert not completions.get_group(project, group.id).ready
    completions.add(project, group.id, "answer 1", candidate=1)
    group = completions.get_group(project, group.id)
    assert group.ready and [(c.candidate, c.text) for c in group.completions] == [
        (0, "answer 0"),
        (1, "answer 1"),
        (2, "answer 2"),
    ]


def test_a_candidate_that_is_there_stays_as_it_is(project, prompt):
    group = completions.add_group(project, prompt.id, size=2)
    first = completions.add(project, group.id, "first", candidate=0)
    assert completions.add(project, group.id, "second try", candidate=0) == first
    assert [c.text for c in completions.get_group(project, group.id).completions] == ["first"]


def test_an_answer_added_later_makes_the_group_larger(project, make_group):
    group = make_group(project, answers=("a", "b"))
    written = completions.add(project, group.id, "mine", finish_reason="written")
    group = completions.get_group(project, group.id)
    assert (group.size, group.ready, written.candidate) == (3, True, 2)


def test_where_a_completion_came_from_comes_back(project, prompt):
    policy = policies.add(project, "starter")
    group = completions.add_group(project, prompt.id, size=2, policy_id=policy.id, sampling={"temperature": 0.5})
    finished = events.CompletionFinished(
        job="j",
        group=group.id,
        candidate=1,
        text="grün",
        token_ids=(5, 6, 2),
        tokenizer_hash="abc",
        logp=-3.25,
        finish_reason="stop",
        seed=7,
    )
    made = completions.record(project, finished)
    assert completions.get_group(project, group.id).completions == (made,)
    assert (made.text, made.token_ids, made.tokenizer_hash, made.logp) == ("grün", (5, 6, 2), "abc", -3.25)
    assert (made.seed, made.finish_reason, made.candidate, made.policy_id) == (7, "stop", 1, policy.id)
    assert made.sampling == {"temperature": 0.5} and made.prompt_id == prompt.id


def test_an_unfinished_group_of_two_can_be_accepted(project, prompt):
    group = completions.add_group(project, prompt.id, size=4)
    completions.add(project, group.id, "a")
    with pytest.raises(UserError, match="fewer than two completions"):
        completions.accept_as_is(project, group.id)
    completions.add(project, group.id, "b", candidate=3)
    completions.accept_as_is(project, group.id)
    accepted = completions.get_group(project, group.id)
    assert accepted.ready and accepted.size == 2 and completions.count_unfinished(project) == 0


def test_a_comparison_of_one_is_refused(project, prompt):
    with pytest.raises(UserError, match="at least two completions"):
        completions.add_group(project, prompt.id, size=1)


def test_many_groups_come_in_the_order_asked_for(project, make_group):
    groups = [make_group(project, f"prompt {n}", answers=(f"{n} a", f"{n} b")) for n in range(7)]
    wanted = [groups[5], groups[0], groups[5], groups[6]]
    assert completions.get_groups(project, [g.id for g in wanted[:2]] + [999] + [g.id for g in wanted[2:]]) == wanted


def test_more_groups_than_one_query_takes(project, prompt):
    with project.transaction():
        made = [completions.add_group(project, prompt.id, size=2) for _ in range(1001)]
    assert [g.id for g in completions.get_groups(project, (g.id for g in made))] == [g.id for g in made]


def test_unknown_groups_give_a_sentence(project):
    with pytest.raises(UserError, match="There is no group 7"):
        completions.get_group(project, 7)
    with pytest.raises(UserError, match="There is no group not-a-uuid"):
        completions.group_by_uuid(project, "not-a-uuid")


def test_policies_are_held_once_and_count_their_rounds(project):
    base = policies.add(project, "starter", name="SmolLM2")
    assert policies.add(project, "starter") == base and base.round == 0
    tuned = policies.add(project, "starter", name="+ Run 1", adapter="runs/a/adapter", parent_id=base.id)
    again = policies.add(project, "starter", adapter="runs/b/adapter", parent_id=tuned.id)
    assert (tuned.round, again.round, again.parent_id) == (1, 2, tuned.id)
    assert policies.all_policies(project) == [base, tuned, again]

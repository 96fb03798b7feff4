"""The states of prompts and the queue of unfinished groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompt_states, prompts, rankings
from dpo_studio.store.prompt_states import PromptState


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "project") as made:
        yield made


def make_group(project: Project, text: str, *, size: int, have: int, **more):
    prompt = prompts.add(project, [Message("user", text)])
    group = completions.add_group(project, prompt.id, size=size, **more)
    for number in range(have):
        completions.add(project, group.id, f"{text} {group.id} {number}")
    return completions.get_group(project, group.id)


def test_every_state_is_told(project: Project) -> None:
    fresh = prompts.add(project, [Message("user", "fresh")])
    waiting = make_group(project, "waiting", size=4, have=2)
    ready = make_group(project, "ready", size=2, have=2)
    labelled = make_group(project, "labelled", size=2, have=2)
    rankings.add(project, labelled, ranks=[1, 2])
    rankings.add(project, ready, ranks=[1, 2], annotator="another person")
    make_group(project, "labelled", size=3, have=1)

    states = prompt_states.by_prompt(project)
    assert fresh.id not in states
    assert states[waiting.prompt.id] == PromptState(groups=1, have=2, size=4)
    assert states[ready.prompt.id] == PromptState(groups=1, ready=1)
    assert states[labelled.prompt.id] == PromptState(groups=2, ready=1, labelled=1, have=1, size=3)
    assert states[labelled.prompt.id].unfinished == 1
    assert prompt_states.by_prompt(project, waiting.prompt.id) == {waiting.prompt.id: states[waiting.prompt.id]}


def test_an_undone_label_no_longer_counts(project: Project) -> None:
    group = make_group(project, "a", size=2, have=2)
    rankings.add(project, group, ranks=[1, 2])
    rankings.undo(project)
    assert prompt_states.by_prompt(project)[group.prompt.id].labelled == 0


def test_latest_group(project: Project) -> None:
    first = make_group(project, "a", size=2, have=2)
    second = make_group(project, "a", size=3, have=1)
    assert prompt_states.latest_group(project, first.prompt.id).id == second.id
    assert prompt_states.latest_group(project, prompts.add(project, [Message("user", "b")]).id) is None


def test_used_seeds_are_those_of_the_policy(project: Project) -> None:
    one, other = policies.add(project, "starter"), policies.add(project, "other")
    group = make_group(project, "a", size=2, have=0, policy_id=one.id, sampling={"seed": 5})
    make_group(project, "a", size=2, have=0, policy_id=one.id, sampling={"seed": 7})
    make_group(project, "a", size=2, have=0, policy_id=other.id, sampling={"seed": 9})
    make_group(project, "a", size=2, have=2)
    assert prompt_states.used_seeds(project, one.id, [group.prompt.id]) == {group.prompt.id: {5, 7}}


def test_taking_out_of_the_queue_keeps_every_completion(project: Project) -> None:
    enough = make_group(project, "enough", size=4, have=3)
    short = make_group(project, "short", size=4, have=1)
    empty = make_group(project, "empty", size=4, have=0)
    ready = make_group(project, "ready", size=2, have=2)
    ids = [group.id for group in (enough, short, empty, ready)]

    assert prompt_states.take_out_of_queue(project, ids) == 3
    assert completions.count_unfinished(project) == 0
    assert [group.id for group in rankings.next_groups(project, limit=9)] == [enough.id, ready.id]
    assert completions.get_group(project, enough.id).size == 3
    assert [group.id for group in completions.get_groups(project, ids)] == [enough.id, ready.id]
    assert project.db.execute("SELECT count(*) FROM completions").fetchone()[0] == 6
    assert {prompt.title for prompt in prompts.without_group(project)} == {"short", "empty"}

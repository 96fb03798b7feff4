"""`generate` with a spread and with a mix of models: what is kept of each answer, and going on afterwards."""

from __future__ import annotations

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, runs
from tests.tiny_models import adapter

QUICK = ("--k", 4, "--max-new-tokens", 6, "--temperature", 1, "--device", "cpu")


@pytest.fixture
def folder(tmp_path, tiny_llama):
    """A project with two prompts and two adapters, as runs leave them."""
    with Project.create(tmp_path / "project") as project:
        for text in ("Name a colour.", "Say hello."):
            prompts.add(project, [Message("user", text)])
        base = policies.add(project, str(tiny_llama), name="Tiny")
        for seed, name in enumerate(("Warm", "Plain"), 1):
            made = adapter(project.folder / "runs" / name / "adapter", tiny_llama, seed=seed)
            policies.add(
                project,
                str(tiny_llama),
                name=name,
                adapter=made.relative_to(project.folder).as_posix(),
                parent_id=base.id,
            )
    return tmp_path / "project"


def kept(folder):
    with Project.open(folder) as project:
        names = {policy.id: policy.name for policy in policies.all_policies(project)}
        return {
            (group.prompt.title, completion.candidate): (
                names[completion.policy_id],
                completion.sampling["temperature"],
                completion.text,
                completion.logp,
            )
            for group in completions.recent_groups(project)
            for completion in group.completions
        }


def test_base_and_tuned_stand_in_one_group(call, folder):
    status, made, err = call("generate", folder, "--run", "Warm", "--run", "base", *QUICK)
    assert status == 0 and (made["groups"], made["completions"], made["left"]) == (2, 8, 0), err
    assert err.count("loading the model") == 1
    found = kept(folder)
    assert [found["Say hello.", c][0] for c in range(4)] == ["Warm", "Tiny", "Warm", "Tiny"]
    assert len({answer[2] for (title, _), answer in found.items() if title == "Say hello."}) == 4


def test_a_spread_is_kept_with_each_answer(call, folder, tiny_llama):
    status, _, err = call("generate", folder, "--model", tiny_llama, "--spread", "wide", *QUICK)
    assert status == 0, err
    assert [kept(folder)["Say hello.", c][1] for c in range(4)] == [0.6, 0.8667, 1.1333, 1.4]


def test_an_interrupted_mix_goes_on_to_the_answers_of_one_that_was_not(call, folder):
    asked = ("--run", "Warm", "--run", "Plain", "--run", "base", "--spread", "slight", *QUICK)
    status, _, err = call("generate", folder, *asked)
    assert status == 0, err
    whole = kept(folder)
    with Project.open(folder) as project, project.transaction() as db:
        for group, candidate in ((1, 0), (1, 2), (2, 1), (2, 3)):
            db.conn.execute("DELETE FROM group_items WHERE group_id = ? AND candidate = ?", [group, candidate])
            db.conn.execute("UPDATE groups SET ready = 0 WHERE id = ?", [group])
    status, made, err = call("generate", folder, "--continue")
    assert status == 0 and (made["completions"], made["left"]) == (4, 0), err
    again = kept(folder)
    assert {key: answer[:3] for key, answer in again.items()} == {key: answer[:3] for key, answer in whole.items()}
    for key, answer in again.items():
        assert answer[3] == pytest.approx(whole[key][3], abs=1e-4)


def test_a_model_and_a_run_take_turns(call, folder, tiny_llama):
    status, _, err = call("generate", folder, "--run", "Plain", "--model", tiny_llama, "--limit", 1, *QUICK)
    assert status == 0, err
    assert [kept(folder)["Name a colour.", c][0] for c in range(4)] == ["Tiny", "Plain", "Tiny", "Plain"]


def test_a_run_that_is_not_there_writes_nothing(call, folder):
    status, answer, err = call("generate", folder, "--run", "Warm", "--run", "Cold", *QUICK)
    assert status == 2 and "Cold" in answer["error"] and "Traceback" not in err
    with Project.open(folder) as project:
        assert not completions.unfinished(project) and not runs.all_runs(project)

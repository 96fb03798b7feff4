"""`generate` on a tiny real model: what is kept, what is continued, how it ends."""

from __future__ import annotations

import json
import signal

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts
from tests.command_process import start


@pytest.fixture
def folder(tmp_path):
    """A project with three prompts."""
    with Project.create(tmp_path / "project") as project:
        for text in ("Name a colour.", "Say hello.", "Count to three."):
            prompts.add(project, [Message("user", text)])
    return tmp_path / "project"


def test_generate_keeps_answers_with_their_provenance(call, folder, tiny_llama):
    status, made, err = call(
        "generate", folder, "--model", tiny_llama, "--k", 3, "--max-new-tokens", 5, "--limit", 2, "--seed", 9
    )
    assert status == 0 and (made["groups"], made["completions"], made["left"]) == (2, 6, 0)
    assert "2/2" in err
    with Project.open(folder) as project:
        groups = completions.recent_groups(project)
        assert len(groups) == 2 and len(prompts.without_group(project)) == 1
        for completion in (c for group in groups for c in group.completions):
            assert completion.token_ids and completion.tokenizer_hash and completion.logp < 0
            assert completion.sampling["seed"] == 9 and completion.sampling["max_new_tokens"] == 5
            assert policies.get(project, completion.policy_id).base == str(tiny_llama)


def test_generate_keeps_its_stop_strings_and_reads_line_breaks(call, folder, tiny_llama):
    stops = ("--stop", r"\n\n", "--stop", "User:")
    status, _, _ = call("generate", folder, "--model", tiny_llama, "--max-new-tokens", 3, "--limit", 1, *stops)
    assert status == 0
    with Project.open(folder) as project:
        (group,) = completions.recent_groups(project)
        assert {tuple(c.sampling["stop"]) for c in group.completions} == {("\n\n", "User:")}


def test_the_same_prompts_again_get_a_further_group_with_another_seed(call, folder, tiny_llama):
    quick = ("--model", tiny_llama, "--k", 2, "--max-new-tokens", 4)
    call("generate", folder, *quick)
    status, answer, _ = call("generate", folder, *quick)
    assert status == 2 and "Every prompt has its answers" in answer["error"]
    status, made, _ = call("generate", folder, *quick, "--prompts", "all")
    assert status == 0 and made["groups"] == 3
    with Project.open(folder) as project:
        seeds = sorted(group.sampling["seed"] for group in completions.recent_groups(project))
        assert seeds == [0, 0, 0, 1, 1, 1]


def test_a_further_group_never_takes_a_seed_that_was_used(call, folder, tiny_llama):
    """Seed 1 first, then seed 0 twice: counting groups would land on 1 again, and give the same answers."""
    quick = ("--model", tiny_llama, "--k", 2, "--max-new-tokens", 4, "--limit", 1)
    call("generate", folder, *quick, "--seed", 1)
    for _ in range(2):
        call("generate", folder, *quick, "--prompts", "all", "--seed", 0)
    with Project.open(folder) as project:
        assert sorted(group.sampling["seed"] for group in completions.recent_groups(project)) == [0, 1, 2]


def test_a_models_folder_is_known_from_anywhere(call, folder, tiny_llama, monkeypatch):
    monkeypatch.chdir(tiny_llama.parent)
    quick = ("--k", 2, "--max-new-tokens", 4, "--limit", 1)
    status, _, _ = call("generate", folder, "--model", tiny_llama.name, *quick)
    assert status == 0
    with Project.open(folder) as project:
        assert [policy.base for policy in policies.all_policies(project)] == [str(tiny_llama.resolve())]


def test_a_model_that_cannot_be_used_leaves_nothing_behind(call, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    status, answer, _ = call("generate", folder, "--model", tmp_path / "empty")
    assert status == 2 and "config.json" in answer["error"]
    with Project.open(folder) as project:
        assert completions.count_unfinished(project) == 0 and policies.all_policies(project) == []
        assert len(prompts.without_group(project)) == 3


def test_imported_groups_that_name_no_model_cannot_be_continued(call, folder):
    with Project.open(folder) as project:
        completions.add_group(project, prompts.all_prompts(project)[0].id, size=2)
    status, answer, _ = call("generate", folder, "--continue")
    assert status == 2 and "which model" in answer["error"]


def test_continue_draws_only_what_is_missing(call, folder, tiny_llama):
    with Project.open(folder) as project:
        policy = policies.add(project, str(tiny_llama))
        sampling = {"k": 4, "max_new_tokens": 4, "seed": 3}
        group = completions.add_group(
            project, prompts.all_prompts(project)[0].id, size=4, policy_id=policy.id, sampling=sampling
        )
        completions.add(project, group.id, "kept", candidate=1)
    status, made, _ = call("generate", folder, "--continue")
    assert status == 0 and (made["completions"], made["groups"], made["left"]) == (3, 1, 0)
    with Project.open(folder) as project:
        (group,) = completions.recent_groups(project)
        assert [c.candidate for c in group.completions] == [0, 1, 2, 3] and group.completions[1].text == "kept"
        assert all(c.sampling["seed"] == 3 for c in group.completions if c.text != "kept")
    status, answer, _ = call("generate", folder, "--continue")
    assert status == 2 and "No group waits" in answer["error"]


def test_ctrl_c_keeps_what_is_finished(folder, tiny_llama):
    # End tokens are forbidden by nothing, so answers may be short: many tokens for many answers leave time enough.
    process = start("generate", folder, "--model", tiny_llama, "--k", 9, "--max-new-tokens", 400, "--temperature", 5)
    for line in process.stderr:
        if line.startswith("1/3"):
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=120)
    made = json.loads(out)
    with Project.open(folder) as project:
        kept = [len(group.completions) for group in completions.recent_groups(project)]
        waiting = completions.unfinished(project)
        assert kept and all(count == 9 for count in kept)
        assert sum(kept) + sum(len(group.completions) for group in waiting) == made["completions"]
        assert (len(waiting), made["left"]) == (3 - len(kept), 3 - len(kept))
    if made["cancelled"]:
        assert process.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--k", "1"), "K is 1"),
        (("--temperature", "9"), "Temperature is 9"),
        (("--stop", ""), "1 to 200 characters"),
        (("--run", "Run 7"), "no run called 'Run 7'"),
        (("--model", "/nowhere/at/all"), "/nowhere/at/all"),
        (("--k", "2", "--model", "a", "--model", "b", "--model", "c"), "cannot come from 3 models"),
        (("--temperature", "0", "--spread", "wide"), "nothing to spread"),
        (("--run", "base"), "Which model is meant"),
    ],
)
def test_generate_refuses_what_cannot_be_used(call, folder, arguments, sentence):
    status, answer, err = call("generate", folder, *arguments)
    assert status == 2 and sentence in answer["error"] and "Traceback" not in err

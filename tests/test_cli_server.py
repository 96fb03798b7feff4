"""Servers from the command line: their models, their keys, and answers that are kept and trained on."""

from __future__ import annotations

import io

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs
from tests import keyring_in_a_file


@pytest.fixture
def folder(tmp_path):
    with Project.create(tmp_path / "project") as project:
        for text in ("Name a colour.", "Say hello."):
            prompts.set_held_out(project, prompts.add(project, [Message("user", text)]).id, False)
    return tmp_path / "project"


def test_answers_are_kept_and_another_model_learns_from_them(call, folder, server, tiny_llama):
    base = f"openai:{server.url}#small"
    status, made, err = call("generate", folder, "--model", base, "--k", 3)
    assert status == 0 and (made["groups"], made["completions"], made["left"]) == (2, 6, 0), err
    assert "the server answers" in err
    with Project.open(folder) as project:
        for group in completions.recent_groups(project):
            assert len({completion.text for completion in group.completions}) == 3
            for completion in group.completions:
                assert (completion.token_ids, completion.tokenizer_hash, completion.logp) == (None, None, None)
                assert policies.get(project, completion.policy_id).base == base
            rankings.add(project, group, ranks=[1, 2, 3])
        assert policies.all_policies(project)[0].name == f"small at {server.url}"
    quick = ("--set", "lora_rank=2", "--set", "device=cpu", "--set", "dtype=float32", "--set", "max_steps=1")
    status, refused, err = call("train", folder, *quick)
    assert status == 2 and "cannot be trained" in refused["error"] and "Traceback" not in err
    with Project.open(folder) as project:
        assert not runs.all_runs(project)
        assert not list((project.folder / "runs").glob("*"))
    status, ended, err = call("train", folder, *quick, "--model", tiny_llama)
    assert status == 0 and ended["steps"] == 1, err


def test_a_prompt_at_which_the_server_fails_waits_and_is_gone_on_with(call, folder, server):
    server.statuses = [200, 200, 500]
    status, answer, err = call("generate", folder, "--model", f"openai:{server.url}#small", "--k", 2)
    assert status == 0 and "status 500" in answer["refused"][0]["message"] and "Traceback" not in err
    assert (answer["groups"], answer["left"]) == (1, 1)
    with Project.open(folder) as project:
        assert completions.count_unfinished(project) == 1
    status, made, err = call("generate", folder, "--continue")
    assert status == 0 and made["left"] == 0, err
    assert len(server.asked) in (5, 6)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("openai:http://localhost/v1", "which model"), ("openai:{url}#huge", "no model huge")],
)
def test_a_model_that_cannot_answer_leaves_the_project_as_it_was(call, folder, server, model, sentence):
    status, answer, err = call("generate", folder, "--model", model.format(url=server.url))
    assert status == 2 and sentence in answer["error"] and "Traceback" not in err
    with Project.open(folder) as project:
        assert not policies.all_policies(project) and not completions.unfinished(project)


def test_a_key_is_kept_used_for_its_address_and_forgotten(call, folder, server, tmp_path, monkeypatch):
    keyring_in_a_file.use(monkeypatch, tmp_path)
    server.key = "sk-secret"
    status, answer, err = call("server", server.url)
    assert status == 2 and answer["error"] == "The server wants an API key.", err
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-secret\n"))
    status, answer, err = call("server", server.url + "/", "--keep-key")
    assert status == 0 and answer == {"address": server.url, "key": "keyring", "models": ["small", "big"]}, err
    status, made, err = call("generate", folder, "--model", f"openai:{server.url}#small", "--k", 2)
    assert status == 0 and made["completions"] == 4 and "sk-secret" not in err
    for path in folder.rglob("*"):
        assert path.is_dir() or b"sk-secret" not in path.read_bytes(), path
    status, answer, _ = call("server", server.url, "--forget-key", "--no-models")
    assert status == 0 and answer == {"address": server.url, "key": ""}
    assert keyring_in_a_file.entries() == {}


def test_a_machine_without_a_keyring_says_what_to_do(call, server, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-secret\n"))
    status, answer, err = call("server", server.url, "--keep-key")
    assert status == 2 and answer["error"] == "This machine has no keyring that could keep the key."
    assert f"DPO_STUDIO_API_ADDRESS to {server.url}" in answer["hint"] and "Traceback" not in err


@pytest.mark.parametrize("address", ["", "localhost:8000/v1", "http://me:secret@host/v1", "http://[broken"])
def test_an_address_that_is_none_is_one_sentence(call, address):
    status, answer, err = call("server", address)
    assert status == 2 and answer["error"] and answer["hint"] and "Traceback" not in err

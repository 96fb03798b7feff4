"""`dpo-studio score` on a tiny trained model: what is scored, gone on with, and refused."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model

from dpo_studio import cli_score
from dpo_studio.core.types import Message
from dpo_studio.jobs.command import CommandProcess
from dpo_studio.models import load as loading
from dpo_studio.models.load import load
from dpo_studio.store import Project, completions, policies, prompts, queue, rankings, scores
from dpo_studio.training import scoring


@pytest.fixture
def folder(tmp_path, tiny_llama):
    """A project with one ranking and five comparisons that wait; one of them has the same answer twice."""
    with Project.create(tmp_path / "project") as project:
        policy = policies.add(project, str(tiny_llama))
        for number, text in enumerate(("Name a colour.", "Say hello.", "Count.", "Why?", "Who?", "Where?")):
            prompt = prompts.add(project, [Message("user", text)])
            group = completions.add_group(project, prompt.id, size=2, policy_id=policy.id)
            for answer in ("red", "red" if number == 5 else f"blue {number}"):
                completions.add(project, group.id, answer, policy_id=policy.id, finish_reason="stop")
        rankings.add(project, completions.get_group(project, 1), ranks=[1, 2])
    return tmp_path / "project"


@pytest.fixture
def trained(folder, tiny_llama, monkeypatch):
    """The same with a run that left an adapter which changes the model."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = load(str(tiny_llama), device="cpu", dtype="float32").model
    torch.manual_seed(3)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.2)
    adapted.save_pretrained(folder / "runs" / "first" / "adapter")
    with Project.open(folder) as project, project.transaction() as db:
        base = policies.all_policies(project)[0]
        made = policies.add(project, base.base, name="tiny + Run 1", adapter="runs/first/adapter", parent_id=base.id)
        db.conn.execute(
            "INSERT INTO runs (uuid, name, folder, policy_id, result_policy_id, settings, created)"
            " VALUES ('u', 'Run 1', 'runs/first', ?, ?, '{}', '2026')",
            [base.id, made.id],
        )
    return folder


def test_a_base_model_alone_is_refused_with_the_reason(call, folder):
    status, said, _ = call("score", folder)
    assert status == 2 and "implicit rewards are zero" in said["error"] and "Train" in said["hint"]


def test_scores_are_kept_gone_on_with_and_belong_to_their_run(call, trained, monkeypatch):
    folder = trained
    status, said, err = call("score", folder, "--limit", 3, "--device", "cpu")
    assert status == 0 and said["scored"] + said["left_out"] == 3 and said["scored"] + said["left"] == 5
    assert "3 comparisons to score" in err
    scored_before = said["scored"]
    with Project.open(folder) as project:
        policy = scores.current_policy(project)
        assert policy.parent_id is not None
        first = queue.most_informative(project, "me", policy.id)
        assert len(first) == scored_before
        gaps = dict(project.db.conn.execute("SELECT group_id, gap FROM group_scores"))
        assert all(gap > 0 for gap in gaps.values()), "the adapter moved the answers' rewards apart"

    monkeypatch.setattr(cli_score, "_KEEP_EVERY_S", 0.0)
    monkeypatch.setattr(cli_score, "_CHUNK", 2)
    status, said, _ = call("score", folder, "--run", "Run 1", "--device", "cpu")
    assert (status, said["scored"], said["left_out"], said["left"]) == (0, 4 - scored_before, 1, 1)
    with Project.open(folder) as project:
        again = dict(project.db.conn.execute("SELECT group_id, gap FROM group_scores"))
        assert set(again) == {2, 3, 4, 5}, "the labelled one is not scored, nor the one with equal answers"
        assert {key: again[key] for key in gaps} == gaps, "what was scored is not computed again"
        assert queue.most_informative(project, "me", policy.id) == sorted(again, key=again.get)


def test_who_follows_hears_what_it_does_before_the_first_score(trained):
    heard = []
    arguments = ["score", "--follow", "--device", "cpu", "--limit", "1", "--", str(trained)]
    assert CommandProcess(arguments, heard=heard.append).run()["scored"] <= 1
    doing = [said["doing"] for said in heard]
    assert doing[0] == "1 comparison to score with tiny + Run 1" and "loading the model" in doing


def test_scores_of_a_small_model_are_those_of_float64_also_where_it_is_loaded_in_bfloat16(trained, monkeypatch):
    monkeypatch.setattr(
        loading,
        "load",
        lambda base, *, dtype, **more: load(base, dtype="bfloat16" if dtype == "auto" else dtype, **more),
    )
    with Project.open(trained) as project:
        policy = scores.current_policy(project)
        cli_score.score(
            project, run_name=None, limit=None, device="cpu", cancelled=lambda: False, report=lambda _: None
        )
        kept = dict(project.db.conn.execute("SELECT group_id, gap FROM group_scores"))
        loaded, _ = cli_score._load(project, policy, "cpu", lambda _: None)
        groups = completions.get_groups(project, list(kept))
    examples, _ = scoring.examples_of([cli_score._row(group) for group in groups], loaded)
    model = loaded.model.double()

    def logp(prompt, answer):
        with torch.no_grad():
            logps = model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        return sum(logps[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer))

    for group, example in zip(groups, examples, strict=True):
        with_it = [logp(example.prompt, answer) for answer in example.completions]
        with model.disable_adapter():
            without = [logp(example.prompt, answer) for answer in example.completions]
        first, second = (scoring.BETA * (a - b) for a, b in zip(with_it, without, strict=True))
        assert kept[group.id] == pytest.approx(abs(first - second), abs=1e-5)


def test_ctrl_c_keeps_what_was_scored(trained, monkeypatch):
    monkeypatch.setattr(cli_score, "_KEEP_EVERY_S", 0.0)
    monkeypatch.setattr(cli_score, "_CHUNK", 1)
    asked = []

    def after_two():
        asked.append(1)
        return len(asked) > 4

    with Project.open(trained) as project:
        done = cli_score.score(
            project, run_name=None, limit=None, device="cpu", cancelled=after_two, report=lambda _: None
        )
        assert done.cancelled and 0 < done.scored < 4
        assert scores.progress(project, "me", scores.current_policy(project).id).scored == done.scored

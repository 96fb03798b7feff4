"""`train` on a tiny real model: what a run is made of, what it leaves, how it ends and goes on."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from dpo_studio import cli_train
from dpo_studio.core import events
from dpo_studio.core.types import Message
from dpo_studio.jobs import training
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs
from tests.command_process import start

_QUICK = ("--set", "lora_rank=2", "--set", "device=cpu", "--set", "dtype=float32", "--set", "evaluate_every=0")


@pytest.fixture
def labelled(tmp_path, tiny_llama):
    """A project with a ranking of four answers on each of three prompts, none held out."""
    with Project.create(tmp_path / "project") as project:
        policy = policies.add(project, str(tiny_llama))
        for text in ("Name a colour.", "Say hello.", "Count to three."):
            prompt = prompts.add(project, [Message("user", text)])
            prompts.set_held_out(project, prompt.id, False)
            group = completions.add_group(project, prompt.id, size=4, policy_id=policy.id)
            for answer in ("red", "green leaf", "blue sky", "no"):
                completions.add(project, group.id, answer, policy_id=policy.id, finish_reason="stop")
            rankings.add(project, completions.get_group(project, group.id), ranks=[1, 2, 3, None])
    return tmp_path / "project"


def test_train_adopts_the_adapter_which_then_answers_and_is_exported(call, labelled, tiny_llama, tmp_path):
    status, ended, err = call("train", labelled, *_QUICK, "--set", "max_steps=3", "--name", "Warm")
    assert status == 0, err
    assert (ended["run"], ended["state"], ended["steps"]) == ("Warm", "finished", 3)
    assert "step    3" in err
    with Project.open(labelled) as project:
        (one,) = runs.all_runs(project)
        policy = policies.get(project, one.result_policy_id)
        assert policy.base == str(tiny_llama), "trained is the model that gave the labelled answers"
        assert ended["adapter"] == str(project.folder / policy.adapter)
    status, made, _ = call("generate", labelled, "--run", "Warm", "--prompts", "all", "--limit", 1, "--k", 2)
    assert status == 0 and made["completions"] == 2
    status, exported, _ = call("export", labelled, tmp_path / "out", "--as", "adapter")
    assert status == 0 and exported["steps"] == 3 and "adapter_model.safetensors" in exported["files"]


def test_a_model_trained_whole_answers_is_exported_and_trained_further(call, labelled, tiny_llama, tmp_path):
    status, ended, err = call("train", labelled, *_QUICK, "--set", "max_steps=2", "--set", "trains=full")
    assert status == 0, err
    with Project.open(labelled) as project:
        (one,) = runs.all_runs(project)
        policy = policies.get(project, one.result_policy_id)
        assert (policy.base, policy.adapter) == (f"{one.folder}/model", None)
        assert one.settings["learning_rate"] < 5e-5, "all weights have a rate of their own"
        assert ended["adapter"] == str(project.folder / policy.base)
    moved = labelled.rename(labelled.with_name("moved"))
    status, made, err = call("generate", moved, "--run", "Run 1", "--prompts", "all", "--limit", 1, "--k", 2)
    assert status == 0 and made["completions"] == 2, err
    status, exported, err = call("export", moved, tmp_path / "whole", "--as", "model")
    assert status == 0 and {"config.json", "model.safetensors", "README.md"} <= set(exported["files"]), err
    status, ended, err = call("train", moved, *_QUICK, "--set", "max_steps=1", "--run-from", "Run 1")
    assert status == 0 and ended["run"] == "Run 2", err
    status, exported, err = call("export", moved, tmp_path / "merged", "--as", "model", "--run", "Run 2")
    assert status == 0 and "model.safetensors" in exported["files"], err
    assert not [name for name in exported["files"] if "adapter" in name]


def test_a_run_that_was_only_prepared_is_trained_by_two_processes_later(call, labelled):
    status, prepared, _ = call("train", labelled, *_QUICK, "--set", "max_steps=2", "--prepare-only", "--processes", 2)
    assert status == 0 and prepared["run"] == "Run 1"
    folder = Path(prepared["folder"])
    assert (folder / "data.jsonl").is_file() and training.outcome(folder).state == "new"
    assert prepared["command"][-5:] == ["-m", "dpo_studio", "worker", "train", str(folder)]
    assert prepared["command"][1:6] == ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    status, ended, err = call("train", labelled, "--resume", "Run 1", "--processes", 2)
    assert status == 0, err
    assert (ended["state"], ended["steps"]) == ("finished", 2)
    with Project.open(labelled) as project:
        assert runs.all_runs(project)[0].result_policy_id is not None


def test_an_estimate_is_measured_and_makes_no_run(call, labelled):
    status, found, err = call("train", labelled, *_QUICK, "--set", "epochs=3", "--set", "max_steps=5", "--estimate")
    assert status == 0, err
    assert found["steps"] == 5  # three passes of two steps, cut short
    assert found["seconds"] > found["steps"] * found["step_seconds"] > 0 and found["memory_gb"] > 0.1
    with Project.open(labelled) as project:
        assert runs.all_runs(project) == []
    assert not list((labelled / "runs").glob("*"))
    status, answer, _ = call("train", labelled, "--estimate", "--prepare-only")
    assert status == 2 and "--estimate" in answer["error"]
    # It is kept for a run like that, which says at its end how near it was.
    status, made, err = call("train", labelled, *_QUICK, "--set", "epochs=3", "--set", "max_steps=5", "--prepare-only")
    assert status == 0, err
    kept = events.from_line((Path(made["folder"]) / "estimate.json").read_text(encoding="utf-8"))
    assert kept == events.Estimated(**found)


def test_the_ending_tells_the_estimate_beside_what_it_took(labelled):
    with Project.open(labelled) as project:
        policy, settings, _ = cli_train.choose(
            project, method=None, given={}, assignments=(), model=None, run_from=None
        )
        run = runs.create(project, policy, settings)
    expected = events.Estimated(seconds=180.0, memory_gb=1.6, step_seconds=2.0, steps=80)
    ended = cli_train.Ended(run, "finished", 80, 200.0, "adapter", "it", estimated=expected, memory_gb=1.5)
    assert "Estimated 3 min and 1.6 GB; took 3 min 20 s (11% more) and 1.5 GB (6% less)." in ended.sentence()
    values = ended.to_json()
    assert (values["estimated"]["seconds"], values["estimated"]["memory_gb"]) == (180.0, 1.6)
    assert (values["seconds"], values["memory_gb"]) == (200.0, 1.5)
    ended.state = "stopped"
    assert "Estimated" not in ended.sentence() and "drifted" not in ended.sentence()
    ended.adapter, ended.steps = "", 0
    assert "nothing that it learnt" in ended.sentence() and "--run" not in ended.sentence()
    ended.adapter, ended.steps = "adapter", 80
    ended.drifted, ended.kept_step = True, 60
    assert "past the bound (max_kl) by step 80; what it had learnt by step 60 is kept" in ended.sentence()


def test_launched_in_several_processes_the_command_makes_no_runs(call, labelled, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, answer, _ = call("train", labelled, *_QUICK)
    assert status == 2 and "--processes" in answer["hint"]
    with Project.open(labelled) as project:
        assert runs.all_runs(project) == []


def test_train_takes_a_settings_file_and_the_options_above_it(call, labelled, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"beta": 0.3, "epochs": 2, "max_steps": 9}))
    status, _, err = call(
        "train", labelled, "--settings", tmp_path / "settings.json", *_QUICK, "--set", "max_steps=1", "--method", "dpo"
    )
    assert status == 0, err
    with Project.open(labelled) as project:
        settings = runs.all_runs(project)[0].settings
    assert [settings[n] for n in ("beta", "epochs", "max_steps", "method")] == [0.3, 2, 1, "dpo"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--method", "simpo"), {"method": "simpo", "beta": 2.0}),
        (("--set", "method=hinge"), {"method": "hinge", "beta": 0.05}),
        (("--method", "hinge", "--set", "beta=0.2"), {"method": "hinge", "beta": 0.2}),
        (("--method", "dpo", "--set", "strength_use=margin"), {"method": "dpo", "beta": 0.3, "strength_use": "margin"}),
    ],
)
def test_a_method_brings_its_own_defaults(call, labelled, arguments, expected):
    status, prepared, err = call("train", labelled, "--prepare-only", *arguments)
    assert status == 0, err
    settings = json.loads((Path(prepared["folder"]) / "settings.json").read_text())["training"]
    assert {name: settings[name] for name in expected} == expected


def test_a_settings_files_method_brings_its_defaults_under_what_the_file_says(call, labelled, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"method": "davidson", "beta": 0.3}))
    status, prepared, err = call("train", labelled, "--prepare-only", "--settings", tmp_path / "settings.json")
    assert status == 0, err
    settings = json.loads((Path(prepared["folder"]) / "settings.json").read_text())["training"]
    assert (settings["method"], settings["nu"], settings["beta"]) == ("davidson", 1.0, 0.3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "orpo", "--set", "beta=0.2"), "Beta is not used by ORPO"),
        (("--set", "strength_use=smoothing"), "with PL-DPO use one of off, weight"),
        (("--set", "beta"), "'beta' is not a setting"),
        (("--set", "betta=1"), "no setting called 'betta'"),
        (("--set", "beta=-1"), "Beta is -1"),
        (("--settings", "/nowhere.json"), "cannot be read"),
        (("--run-from", "Run 7"), "no run called"),
        (("--resume", "Run 7"), "no run called"),
        (("--resume", "Run 7", "--method", "dpo"), "keeps its own settings"),
    ],
)
def test_train_refuses_what_cannot_be_used_and_makes_no_run(call, labelled, arguments, sentence):
    status, answer, _ = call("train", labelled, *arguments)
    assert status == 2 and sentence in answer["error"]
    with Project.open(labelled) as project:
        assert runs.all_runs(project) == []


def test_train_without_labels_is_a_sentence(call, tmp_path):
    Project.create(tmp_path / "empty").close()
    status, answer, _ = call("train", tmp_path / "empty")
    assert status == 2 and "no rankings yet" in answer["error"]


def test_ctrl_c_stops_the_training_and_keeps_the_adapter(labelled):
    process = start("train", labelled, *_QUICK, "--set", "max_steps=100000", "--set", "epochs=1000")
    for line in process.stderr:
        if line.startswith("step    2"):
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=120)
    ended = json.loads(out)
    assert process.returncode == 130 and ended["state"] == "stopped" and ended["steps"] < 1000
    with Project.open(labelled) as project:
        (one,) = runs.all_runs(project)
        assert one.result_policy_id is not None
        assert training.outcome(project.folder / one.folder).state == "stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_killed_worker_is_a_sentence_and_the_run_resumes(call, labelled):
    process = start(
        "train", labelled, *_QUICK, "--set", "epochs=60", "--set", "batch_groups=4", "--set", "checkpoint_every=2"
    )
    for line in process.stderr:
        if line.startswith("step    5"):
            break
    with Project.open(labelled) as project:
        (one,) = runs.all_runs(project)
    _kill_worker(project.folder / one.folder)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "was killed" in json.loads(out)["error"] and "--resume" in json.loads(out)["hint"]
    status, ended, err = call("train", labelled, "--resume", "Run 1")
    assert status == 0 and (ended["state"], ended["steps"]) == ("finished", 60), err
    assert "from step" in err


@pytest.mark.skipif(sys.platform == "win32", reason="limits on files are a Unix thing")
def test_a_disk_that_fills_leaves_labels_and_checkpoints_and_the_run_resumes(call, labelled):
    """No file may grow past 160 kB, which the database stays under and the fifth step's optimiser does not."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (160_000, 160_000))

    wide = ("--set", "device=cpu", "--set", "dtype=float32", "--set", "lora_rank=64", "--set", "batch_groups=4")
    process = start("train", labelled, *wide, "--set", "epochs=8", "--set", "checkpoint_every=5", preexec_fn=limit)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "disk is full" in json.loads(out)["error"] and "Free some space" in json.loads(out)["hint"]
    assert "Traceback" not in err
    with Project.open(labelled) as project:
        assert rankings.counts(project).rankings == 3
        (one,) = runs.all_runs(project)
        assert training.outcome(project.folder / one.folder).state == "failed"
        assert not list((project.folder / one.folder).glob("checkpoints/*"))
    status, ended, err = call("train", labelled, "--resume", "Run 1")
    assert status == 0 and (ended["state"], ended["steps"]) == ("finished", 8), err


def _kill_worker(run_folder):
    """Kill the process whose command line names the run's folder, and nothing else."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "worker" in words and str(run_folder) in words:
                os.kill(int(entry), signal.SIGKILL)
                return
    raise AssertionError("the worker is not there")

"""What runs know of their reference model is shared between them, and never of another model, nor damaged."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading

import pytest
import torch
from peft import LoraConfig, get_peft_model

from dpo_studio.core import events
from dpo_studio.training import engine, loading, reference, reference_cache
from dpo_studio.training.engine import train
from dpo_studio.training.fingerprint import fingerprint
from dpo_studio.training.forward import Scorer
from dpo_studio.training.reference import CACHE_FILE
from dpo_studio.training.reference_cache import ReferenceCache


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def sharing_run(make_run, tmp_path):
    """A run like `make_run`'s that shares the cache in the folder above it."""

    def make(name: str, **settings):
        folder = make_run(name, **{"max_steps": 2, "fresh_samples": 0, **settings})
        body = json.loads((folder / "settings.json").read_text())
        (folder / "settings.json").write_text(json.dumps({**body, "reference_cache": "../cache"}))
        return folder

    return make


def passes(folder) -> tuple[bool, list[dict]]:
    """Whether the run scored anything with the starting model, and what its steps measured."""
    said = list(train(folder))
    scored = any(isinstance(event, events.ModelLoading) and "scoring" in event.stage for event in said)
    clock = ("tokens_per_s", "memory_gb")
    steps = [event.metrics for event in said if isinstance(event, events.StepDone)]
    return scored, [{name: value for name, value in step.items() if name not in clock} for step in steps]


def test_a_second_run_on_the_same_data_makes_no_reference_pass(sharing_run):
    scored, steps = passes(sharing_run("first"))
    assert scored
    assert passes(sharing_run("second")) == (False, steps)


@pytest.mark.parametrize("settings", [{"dtype": "bfloat16"}, {"dtype": "float32"}, {"method": "ld_dpo"}])
def test_what_the_first_step_gives_is_what_a_pass_of_the_reference_gives(make_run, monkeypatch, settings):
    rng = random.Random(7)
    groups = [make_run.group(rng, n, held_out=n >= 6, k=2) for n in range(9)]
    settings = {"epochs": 2, "batch_groups": 3, "fresh_samples": 0, **settings}
    folder = make_run("without", groups=groups, **settings)
    scored_in_pass, real = [], reference.Reference.compute
    monkeypatch.setattr(
        reference.Reference,
        "compute",
        lambda self, *args, **kwargs: (scored_in_pass.append(len(args[2])), real(self, *args, **kwargs)),
    )
    _, steps = passes(folder)
    assert scored_in_pass == [3] and len(steps) == 4  # neither the three held out nor the three of the first step
    assert steps[0]["margin"] == 0.0
    monkeypatch.setattr(engine, "is_the_policy", lambda *_: False)
    other = make_run("with", groups=groups, **settings)
    assert passes(other)[1] == steps and scored_in_pass == [3, 9]
    assert (folder / "adapter/adapter_model.safetensors").read_bytes() == (
        other / "adapter/adapter_model.safetensors"
    ).read_bytes()
    assert (folder / CACHE_FILE).read_bytes() == (other / CACHE_FILE).read_bytes()


@pytest.mark.parametrize("settings", [{"lora_dropout": 0.1}, {"method": "kto"}])
def test_where_the_policy_is_not_the_reference_all_groups_are_scored(make_run, monkeypatch, settings):
    asked = []
    monkeypatch.setattr(
        engine, "is_the_policy", lambda *args: asked.append(reference.is_the_policy(*args)) or asked[-1]
    )
    assert passes(make_run("run", fresh_samples=0, max_steps=1, **settings))[0]
    assert asked == [False]


def test_new_groups_alone_are_scored(sharing_run, make_run, monkeypatch):
    monkeypatch.setitem(loading.TOKEN_BUDGET, "cpu", 1)  # every group has a row of its own
    rng = random.Random(7)
    groups = [make_run.group(rng, n, held_out=n >= 10) for n in range(14)]
    passes(sharing_run("first", groups=groups[:9] + groups[10:]))
    seen, real = [], Scorer.logps

    def counted(scorer, examples):
        if not torch.is_grad_enabled():
            seen.extend(example.group for example in examples)
        return real(scorer, examples)

    folder = sharing_run("second", groups=groups)
    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "logps", counted)
        run = train(folder)
        for event in run:
            if isinstance(event, events.ModelLoading) and "scoring" in event.stage:
                seen.clear()
            if isinstance(event, events.AnswerSampled):
                break
        run.close()
    assert seen == ["group-009"]


def test_deleting_the_cache_changes_no_bit_of_a_resumed_run(sharing_run, tmp_path):
    _, expected = passes(sharing_run("first", max_steps=4))
    folder, steps = sharing_run("second", max_steps=4), []
    run = train(folder)
    for event in run:
        if isinstance(event, events.CheckpointSaved):
            break
    run.close()
    shutil.rmtree(tmp_path / "cache")
    scored, steps = passes(folder)
    assert not scored and steps == expected[-len(steps) :] and len(steps) == 2


def test_another_model_another_adapter_or_another_format_is_another_reference(sharing_run, tmp_path, tiny_model):
    passes(sharing_run("first"))
    copied = shutil.copytree(tiny_model, tmp_path / "copied")
    assert not passes(sharing_run("a copy elsewhere", base=copied))[0]
    assert passes(sharing_run("bf16", dtype="bfloat16"))[0]
    assert passes(sharing_run("later round", adapter="../first/adapter"))[0]
    config = json.loads((copied / "config.json").read_text())
    config["rms_norm_eps"] = 0.1
    (copied / "config.json").write_text(json.dumps(config))
    assert passes(sharing_run("another config", base=copied))[0]


def test_files_that_are_damaged_are_as_if_they_were_not_there(sharing_run, tmp_path):
    _, expected = passes(sharing_run("first"))
    for path in (tmp_path / "cache").glob("*/*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    assert passes(sharing_run("second")) == (True, expected)
    assert not passes(sharing_run("third"))[0]


def test_a_cache_that_cannot_be_written_stops_nothing(sharing_run, tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    assert passes(sharing_run("first"))[0]


def test_two_who_write_at_once_lose_nothing(tmp_path):
    def write(start: int) -> None:
        cache = ReferenceCache(tmp_path, "one")
        for number in range(start, start + 20):
            cache.add({f"key{number}": torch.full((3,), float(number))})

    writers = [threading.Thread(target=write, args=(start,)) for start in (0, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = ReferenceCache(tmp_path, "one").read()
    assert {name: row.tolist() for name, row in found.items()} == {f"key{n}": [float(n)] * 3 for n in range(40)}
    assert ReferenceCache(tmp_path, "another").read() == {}
    assert not list(tmp_path.glob("*/*.partial"))


def test_the_oldest_files_go_when_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(reference_cache, "LIMIT_BYTES", 3_000)
    for number in range(6):
        cache = ReferenceCache(tmp_path, f"model {number % 2}")
        cache.add({f"key{number}": torch.zeros(200)})
        for path in tmp_path.glob("*/*"):
            if path.stat().st_mtime > 1_000:
                os.utime(path, (number, number))
    kept = {name for number in range(2) for name in ReferenceCache(tmp_path, f"model {number}").read()}
    assert kept == {"key3", "key4", "key5"}


def test_a_fingerprint_sees_every_bit_and_no_path(build_model):
    model = build_model("llama")
    known = fingerprint(model)
    model.config._name_or_path = "/elsewhere"
    assert fingerprint(model) == known == fingerprint(build_model("llama"))
    weight = model.model.layers[1].mlp.down_proj.weight
    seen = {known}
    with torch.no_grad():
        for row, column in ((0, 0), (7, 40), (31, 47)):
            before = weight[row, column].item()
            weight[row, column] = torch.nextafter(torch.tensor(before), torch.tensor(9.0))
            seen.add(fingerprint(model))
            weight[row, column] = before
        weight[:, [0, 1]] = weight[:, [1, 0]]  # the same numbers in other places
        seen.add(fingerprint(model))
        weight[:, [0, 1]] = weight[:, [1, 0]]
    assert len(seen) == 5 and fingerprint(model) == known
    assert fingerprint(model.bfloat16()) not in seen


def test_a_fingerprint_sees_the_adapter_and_its_scale(build_model):
    def adapted(alpha: int):
        torch.manual_seed(0)
        config = LoraConfig(r=2, lora_alpha=alpha, target_modules=["q_proj", "o_proj"])
        return get_peft_model(build_model("llama"), config)

    assert fingerprint(adapted(4)) == fingerprint(adapted(4)) != fingerprint(adapted(8))

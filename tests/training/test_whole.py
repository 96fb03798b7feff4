"""Training all weights: gradients against the naive forward, the model it leaves, resuming, memory and disk."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections import namedtuple

import pytest
import torch

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SettingsError, TrainingSettings
from dpo_studio.models.load import load
from dpo_studio.models.logprobs import token_logps
from dpo_studio.training import batches, head, whole
from dpo_studio.training.engine import train
from dpo_studio.training.forward import Scorer
from dpo_studio.training.learner import Learner

AT_ZERO = (math.log(3) + math.log(2)) / 2


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def of_kind(said, kind):
    return [event for event in said if isinstance(event, kind)]


def losses(said):
    return [event.metrics["loss"] for event in of_kind(said, events.StepDone)]


def whole_run(make_run, name="run", **settings):
    return make_run(name, trains="full", **{"learning_rate": 2e-3, **settings})


@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("qwen3", False), ("gpt2", True), ("gemma2", True)])
@pytest.mark.parametrize("shared", [True, False])
def test_gradients_of_all_weights_are_those_of_the_naive_forward(
    build_model, make_example, monkeypatch, family, tied, shared
):
    monkeypatch.setitem(head._CHUNK_ELEMENTS, "cpu", 64 * 4)  # four positions at a time
    model, _ = whole.prepare(build_model(family, tie_word_embeddings=tied))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied
    rng = random.Random(3)
    examples = [make_example(rng, f"g{n}") for n in range(2)]
    coefficients = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))

    found = torch.stack(Scorer(model, shared=shared).logps(examples))
    (found * coefficients).sum().backward()
    ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    rows = [[token_logps(model, e.prompt, ids).sum() for ids in e.completions] for e in examples]
    naive = torch.stack([torch.stack(row) for row in rows])
    (naive * coefficients).sum().backward()

    assert torch.allclose(found, naive, atol=1e-4)
    assert {name.rpartition(".")[2] for name in ours} >= {"weight"}
    for name, parameter in model.named_parameters():
        scale = parameter.grad.abs().max().item() + 1e-6
        assert torch.allclose(ours[name], parameter.grad, atol=2e-4 * scale, rtol=1e-3), name


def test_a_whole_run_leaves_a_model_that_gives_the_runs_numbers(make_run, tiny_model):
    folder = whole_run(make_run)
    said = list(train(folder))
    started, done = of_kind(said, events.RunStarted)[0], said[-1]
    assert started.trainable_parameters == started.parameters
    assert isinstance(done, events.RunDone) and (done.reason, done.adapter) == ("finished", "model")
    assert losses(said)[0] == pytest.approx(AT_ZERO, abs=1e-4)
    assert losses(said)[-1] < 0.7 * AT_ZERO
    names = {path.name for path in (folder / "model").iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not (folder / "adapter").exists()
    divergence = [event.metrics["kl"] for event in of_kind(said, events.Sampled)]
    assert divergence[0] == pytest.approx(0, abs=1e-6) and divergence[-1] > 0.01

    loaded = load(str(folder / "model"), device="cpu", dtype="float32")
    assert loaded.tokenizer_hash == started.tokenizer_hash
    data = batches.read(
        folder / "data.jsonl", loaded.chat, tokenizer_hash=loaded.tokenizer_hash, max_length=loaded.context_length
    )
    logged = json.loads((folder / "final_logps.json").read_text())
    for example in data.held_out:
        with torch.no_grad():
            found = [token_logps(loaded.model, example.prompt, ids).sum().item() for ids in example.completions]
        assert found == pytest.approx(logged[example.group], abs=1e-3)


def test_an_interrupted_run_goes_on_with_the_same_numbers(make_run):
    unbroken = list(train(whole_run(make_run, "unbroken")))
    folder, first = whole_run(make_run, "broken"), []
    broken = train(folder)
    for event in broken:
        first.append(event)
        if isinstance(event, events.StepDone) and event.step == 7:
            break
    broken.close()
    rest = list(train(folder))
    assert of_kind(rest, events.RunStarted)[0].first_step == 6
    assert losses(first)[:6] + losses(rest) == losses(unbroken)
    assert of_kind(rest, events.Sampled)[-1].metrics["kl"] == of_kind(unbroken, events.Sampled)[-1].metrics["kl"]
    last = [folder.parent / name / "model" / "model.safetensors" for name in ("broken", "unbroken")]
    assert last[0].read_bytes() == last[1].read_bytes()


def test_it_goes_on_from_an_adapter_and_refers_to_it(make_run, tiny_model):
    first = make_run("first", max_steps=6)
    ended = of_kind(train(first), events.Evaluated)[-1]
    said = list(train(whole_run(make_run, "second", adapter=str(first / "adapter"), max_steps=2)))
    assert losses(said)[0] == pytest.approx(AT_ZERO, abs=1e-4)
    begun = of_kind(said, events.Evaluated)[0]
    assert begun.metrics["logp_best"] == pytest.approx(ended.metrics["logp_best"], abs=1e-3)
    names = [path.name for path in (first.parent / "second" / "model").iterdir()]
    assert not any("adapter" in name for name in names)
    load(str(first.parent / "second" / "model"), device="cpu", dtype="float32")


def test_an_adapter_goes_on_from_a_model_of_the_project_wherever_that_is(make_run, tmp_path):
    first = whole_run(make_run, "first", max_steps=2)
    list(train(first))
    second = make_run("second", base="../first/model", max_steps=1)
    (tmp_path / "moved").mkdir()
    for folder in (first, second):
        shutil.move(folder, tmp_path / "moved" / folder.name)
    said = list(train(tmp_path / "moved" / "second"))
    assert losses(said)[0] == pytest.approx(AT_ZERO, abs=1e-4)
    assert said[-1].adapter == "adapter"


def test_a_disk_that_is_too_small_is_told_before_anything_is_trained(make_run, monkeypatch):
    folder = whole_run(make_run)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(whole.shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 100_000, 100_000))
    with pytest.raises(UserError, match=r"GB of disk.* are free") as caught:
        list(train(folder))
    assert "adapter" in caught.value.hint
    assert not (folder / "checkpoints").exists()


def test_too_little_memory_is_told_before_anything_is_trained(make_run, monkeypatch):
    memory = whole.psutil.virtual_memory()._replace(available=1_000)
    monkeypatch.setattr(whole.psutil, "virtual_memory", lambda: memory)
    with pytest.raises(UserError, match=r"GB of memory beside its weights.* are free") as caught:
        list(train(whole_run(make_run)))
    assert "adapter" in caught.value.hint


def test_without_memory_for_a_copy_there_is_no_divergence_and_a_word(make_run, monkeypatch):
    memory = namedtuple("memory", "available")
    monkeypatch.setattr(whole.psutil, "virtual_memory", lambda: memory(100_000_000))
    said = list(train(whole_run(make_run, max_steps=1)))
    assert "no_kl" in {notice.code for notice in of_kind(said, events.Notice)}
    found = of_kind(said, events.Sampled)
    assert found and all(event.metrics["kl"] is None and event.metrics["mean_length"] for event in found)


def test_numbers_that_are_not_finite_keep_the_last_good_model(make_run, monkeypatch):
    folder = whole_run(make_run)
    real, calls = Learner._losses, []

    def spoiled(self, part):
        scored = real(self, part)
        if torch.is_grad_enabled():
            calls.append(1)
            if len(calls) > 4:
                return scored._replace(losses=scored.losses * float("nan"))
        return scored

    monkeypatch.setattr(Learner, "_losses", spoiled)
    with pytest.raises(UserError, match="not finite any more"):
        list(train(folder))
    kept = load(str(folder / "model"), device="cpu", dtype="float32").model
    saved = {name: weight.clone() for name, weight in kept.named_parameters()}
    whole.put_back(kept, folder / "checkpoints" / "step-000003" / "adapter")  # nothing was measured at the fourth
    assert all(torch.equal(saved[name], weight) for name, weight in kept.named_parameters())


def test_a_large_model_is_told_that_an_adapter_suits_it_better(build_model, monkeypatch):
    monkeypatch.setattr(whole, "RECOMMENDED_PARAMETERS", 100)
    _, notices = whole.prepare(build_model("llama"))
    assert [notice.code for notice in notices] == ["large_for_whole"]


def test_settings_that_cannot_be():
    with pytest.raises(SettingsError, match="Trains is 'half'"):
        TrainingSettings(trains="half").validate()
    with pytest.raises(SettingsError, match="float32"):
        TrainingSettings(trains="full", dtype="bfloat16").validate()

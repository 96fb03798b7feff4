"""An exported whole model opens with transformers alone and computes what the run's policy computes."""

from __future__ import annotations

import json

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.exchange import adapter, whole_model
from dpo_studio.store import policies, runs
from tests.exchange import labelled_project

IDS = torch.arange(8)[None] + 3


@pytest.fixture
def project(tmp_path):
    with labelled_project.make(tmp_path / "project", held_out=(1,)) as opened:
        yield opened


def adapted(project, base):
    """A run that left an adapter; the logits of base and adapter."""
    from peft import LoraConfig, get_peft_model

    run = runs.create(project, policies.add(project, str(base)), TrainingSettings())
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False),
    )
    model.save_pretrained(project.folder / run.folder / "adapter")
    with torch.no_grad():
        return run, model.eval()(IDS).logits


def trained_whole(project, base):
    """A run that left a model, with weights that differ from the base's; its logits."""
    run = runs.create(project, policies.add(project, str(base)), TrainingSettings(trains="full"))
    model = AutoModelForCausalLM.from_pretrained(base)
    folder = project.folder / run.folder / "model"
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.1)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    (folder / "training_args.bin").write_bytes(b"pickle")
    with torch.no_grad():
        return run, model.eval()(IDS).logits


def logits_of(folder):
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder).eval()(IDS).logits


def test_an_adapter_is_merged_into_its_base(project, tiny_llama, tmp_path):
    run, expected = adapted(project, tiny_llama)
    folder = whole_model.write(project, run, tmp_path / "out")
    assert torch.allclose(logits_of(folder), expected, atol=1e-4)
    assert not torch.allclose(logits_of(tiny_llama), expected, atol=1e-2)
    assert not [path.name for path in folder.iterdir() if "adapter" in path.name]
    tokenizers = [AutoTokenizer.from_pretrained(where) for where in (folder, tiny_llama)]
    assert tokenizers[0].chat_template == tokenizers[1].chat_template
    assert tokenizers[0]("Why is it blue?").input_ids == tokenizers[1]("Why is it blue?").input_ids


def test_the_merged_weights_have_the_format_of_the_base(project, tiny_llama, tmp_path):
    half = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(tiny_llama).save_pretrained(half)
    run, _ = adapted(project, half)
    folder = whole_model.write(project, run, tmp_path / "out")
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_a_model_that_was_trained_whole_is_copied(project, tiny_llama, tmp_path):
    run, expected = trained_whole(project, tiny_llama)
    folder = whole_model.write(project, run, tmp_path / "out")
    assert torch.equal(logits_of(folder), expected)
    assert not (folder / "training_args.bin").exists()
    card = (folder / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---")[1])
    assert header["library_name"] == "transformers" and "lora" not in header["tags"]
    assert "AutoModelForCausalLM" in card and "peft" not in card and '> Warm: "kind" words' in card
    with pytest.raises(UserError, match="no adapter") as caught:
        adapter.write(project, run, tmp_path / "adapter")
    assert "whole model" in caught.value.hint


def test_what_a_later_adapter_began_as_is_the_first_base(project, tiny_llama, tmp_path):
    run, _ = trained_whole(project, tiny_llama)
    whole = runs.adopt(project, run, "model")
    later = runs.create(project, whole, TrainingSettings())
    assert adapter.facts(project, later).base == str(tiny_llama)


def test_runs_that_left_nothing_are_sentences(project, tmp_path):
    policy = policies.add(project, "starter")
    for trains, word in (("lora", "adapter"), ("full", "model")):
        run = runs.create(project, policy, TrainingSettings(trains=trains))
        with pytest.raises(UserError, match=f"{run.name} has left no {word} yet"):
            whole_model.write(project, run, tmp_path / "out")
    assert whole_model.all_exportable(project) == []

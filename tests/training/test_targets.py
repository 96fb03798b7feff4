"""Which layers an adapter is put on, seen from the weights that PEFT made."""

from __future__ import annotations

import copy
import random

import pytest
import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SettingsError, TrainingSettings
from dpo_studio.training import adapter
from dpo_studio.training.forward import Scorer

ATTENTION = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"}
MLP = {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}


def adapted_layers(model, targets: str) -> set[str]:
    model, _ = adapter.attach(model, TrainingSettings(lora_rank=2, lora_targets=targets))
    names = [name.partition(".lora_")[0] for name, _ in adapter.trainable(model)]
    assert all(name.count(".") > 1 for name in names)
    return {".".join(name.split(".")[-2:]) for name in names}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("all-linear", ATTENTION | MLP),
        ("attention", ATTENTION),
        ("mlp", MLP),
        ("q_proj, self_attn.v_proj", {"self_attn.q_proj", "self_attn.v_proj"}),
    ],
)
def test_layers_of_a_llama(build_model, targets, expected):
    assert adapted_layers(build_model("llama"), targets) == expected


def test_names_that_both_parts_share_are_told_apart(build_model):
    """GPT-2 calls the last layer of its attention and of its MLP c_proj."""
    assert adapted_layers(build_model("gpt2"), "attention") == {"attn.c_attn", "attn.c_proj"}
    assert adapted_layers(build_model("gpt2"), "mlp") == {"mlp.c_fc", "mlp.c_proj"}


@pytest.mark.parametrize(("family", "told"), [("qwen3_moe", True), ("llama", False)])
def test_experts_without_an_adapter_are_told(family, told, build_model):
    _, notices = adapter.attach(build_model(family), TrainingSettings())
    assert [notice.code for notice in notices] == ["experts_not_adapted"] * told


@pytest.mark.parametrize("family", ["llama4_text", "phimoe"])
def test_routers_that_give_more_than_a_product_are_left_alone(family, build_model, make_example):
    model = build_model(family, num_local_experts=4, num_experts_per_tok=2, interleave_moe_layer_step=2)
    assert any(type(module).__name__.endswith("Router") for module in model.modules())
    for targets in ("all-linear", "mlp") if family == "llama4_text" else ("all-linear",):
        adapted, _ = adapter.attach(copy.deepcopy(model), TrainingSettings(lora_rank=2, lora_targets=targets))
        names = [name for name, _ in adapter.trainable(adapted)]
        assert names and not any("router" in name for name in names)
        example = make_example(random.Random(2))
        Scorer(adapted, shared=False).logps([example])[0].sum().backward()
    with pytest.raises(UserError, match="'router'"):
        adapter.attach(model, TrainingSettings(lora_targets="router"))


def test_a_wrong_name_is_refused_with_the_names_there_are(build_model):
    with pytest.raises(UserError, match="'query'") as caught:
        adapted_layers(build_model("llama"), "q_proj, query")
    assert "down_proj" in caught.value.hint and "all-linear" in caught.value.hint
    assert "lm_head" not in caught.value.hint
    with pytest.raises(UserError, match="'proj'"):
        adapted_layers(build_model("llama"), "proj")
    with pytest.raises(UserError, match="attention"):
        adapted_layers(build_model("mamba"), "attention")


def test_an_empty_choice_is_refused():
    with pytest.raises(SettingsError, match="Lora targets is empty"):
        TrainingSettings(lora_targets=" , ").validate()


def test_only_the_chosen_weights_move(make_run):
    from safetensors.torch import load_file

    from dpo_studio.training.engine import train

    folder = make_run(lora_targets="attention", max_steps=2)
    list(train(folder))
    saved = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert saved and all("self_attn" in name for name in saved)
    assert any(torch.count_nonzero(weight) for name, weight in saved.items() if "lora_B" in name)

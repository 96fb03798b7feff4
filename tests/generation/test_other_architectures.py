"""Architectures whose state is kept in other ways: recurrent, mixed, windows only, positions by bias, keys and values
of different widths or of another layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    DeepseekV3Config,
    DogeConfig,
    Gemma3nTextConfig,
    Gemma3TextConfig,
    Gemma4TextConfig,
    Lfm2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    PreTrainedConfig,
)

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.sampler import answer
from dpo_studio.generation.shared_attention import UNLIMITED, reach
from dpo_studio.models.load import load
from dpo_studio.models.logprobs import token_logps
from tests.tiny_models import VOCABULARY, save

SHORT = (Message("user", "Where is the library?"),)
LONG = (Message("system", "Be brief, and write for a child."), Message("user", "Why is the sky blue? " * 3))
ATTENTION = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
)
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "mamba": lambda: MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4),
    "bloom": lambda: BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4),
    "mistral": lambda: MistralConfig(**ATTENTION, sliding_window=16),
    "gemma3": lambda: Gemma3TextConfig(
        **ATTENTION, head_dim=8, sliding_window=16, layer_types=["sliding_attention", "full_attention"]
    ),
    "deepseek_v3": lambda: DeepseekV3Config(
        **{**ATTENTION, "num_key_value_heads": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 2},
        **{"topk_group": 1, "moe_intermediate_size": 16, "q_lora_rank": 16, "kv_lora_rank": 8},
        **{"qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8},
    ),
    "gemma3n": lambda: Gemma3nTextConfig(
        **{**ATTENTION, "num_hidden_layers": 4, "head_dim": 8, "num_kv_shared_layers": 2, "sliding_window": 200},
        **{"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": VOCABULARY, "laurel_rank": 4},
        altup_num_inputs=2,
        activation_sparsity_pattern=[0.5, 0.0, 0.0, 0.0],
        layer_types=["sliding_attention", "full_attention"] * 2,
    ),
    "gemma4": lambda: Gemma4TextConfig(**ATTENTION, head_dim=8, vocab_size_per_layer_input=VOCABULARY),
    "lfm2": lambda: Lfm2Config(**ATTENTION, layer_types=["conv", "full_attention"]),
}


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("family", CONFIGS)
def test_answers_have_the_log_probabilities_of_a_plain_forward(family: str, temperature: float, tmp_path: Path) -> None:
    """Several prompts, two rows each; at temperature 0 each token is also the plain forward's favourite."""
    loaded = load(str(save(tmp_path / family, CONFIGS[family]())), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=temperature, repetition_penalty=1.0, max_new_tokens=24)
    for messages, got in zip([SHORT, LONG], answer(loaded, [SHORT, LONG], sampling, (0, 1)), strict=True):
        prompt = loaded.chat.prompt_ids(messages)
        for item in got:
            with torch.no_grad():
                plain = token_logps(loaded.model, prompt, item.token_ids)
                logits = loaded.model(torch.tensor([[*prompt, *item.token_ids]])).logits[0, len(prompt) - 1 : -1]
            assert item.logp == pytest.approx(plain.double().sum().item(), abs=1e-4)
            if temperature == 0:
                assert item.token_ids == tuple(logits.argmax(-1).tolist())


def test_a_layer_that_makes_a_mask_of_its_own_is_left_alone() -> None:
    """Doge weighs keys by what their values are; nothing but a mask tells its attention."""
    assert reach(AutoModelForCausalLM.from_config(DogeConfig(**ATTENTION))) == 0
    assert reach(AutoModelForCausalLM.from_config(LlamaConfig(**ATTENTION))) == UNLIMITED

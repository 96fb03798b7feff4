"""Architectures whose state is kept in other ways: recurrent, mixed, windows only, positions by bias."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BloomConfig, Gemma3TextConfig, Lfm2Config, MambaConfig, MistralConfig, PreTrainedConfig

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.sampler import answer
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

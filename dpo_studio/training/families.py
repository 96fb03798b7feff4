"""What is known of model families: whose prompt can be shared, and how their output layer works.

A prompt can be shared among completions where every layer's attention is fully causal over the lengths of the run
and nothing else passes along the sequence. That is decided here by an allow-list on the model's config; the engine
then checks it by measurement.
"""

from __future__ import annotations

from typing import Any

import torch

from . import attention
from .head import Head

#: Families with causal attention only, that take a 4-D mask and positions that restart.
SHAREABLE = frozenset(
    "llama qwen2 qwen3 gpt2 gpt_neox gemma gemma2 gemma3_text mistral phi phi3 olmo2 smollm3 granite cohere"
    " starcoder2 stablelm helium glm4 nemotron ministral seed_oss".split()
)

#: Rotary embeddings whose angles depend on the longest position of the row.
_LENGTH_DEPENDENT_ROPE = frozenset({"dynamic", "longrope"})


def why_not_shared(model: Any, longest: int) -> str:
    """Why this model (a causal LM of transformers) needs a row for each completion; "" when it does not.

    Args:
        longest: tokens of a prompt with its longest completion, over the run.
    """
    config = model.config
    if config.model_type not in SHAREABLE:
        return f"the {config.model_type} family is not known to allow it"
    if config._attn_implementation not in ("sdpa", "eager", attention.NAME):
        return f"its attention ({config._attn_implementation}) takes no mask of ours"
    window = _window(config)
    if window is not None and longest > window:
        return f"it looks back {window} tokens and the longest answer ends at {longest}"
    if _rope_types(config) & _LENGTH_DEPENDENT_ROPE:
        return "its positions depend on the length of the row"
    if head_of(model) is None:
        return "its output layer is adapted"
    return ""


def head_of(model: Any) -> Head | None:
    """The output layer of a model of a shareable family, or None when it is not a plain one."""
    layer = model.get_output_embeddings()
    if type(layer) is not torch.nn.Linear:
        return None
    config = model.config
    scale = 1.0
    if config.model_type == "granite":
        scale = 1.0 / config.logits_scaling
    elif config.model_type == "cohere":
        scale = config.logit_scale
    return Head(layer.weight, layer.bias, scale=scale, softcap=getattr(config, "final_logit_softcapping", None))


def _window(config: Any) -> int | None:
    kinds = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if kinds is not None:
        if set(kinds) - {"full_attention", "sliding_attention"}:
            return 0
        return window if "sliding_attention" in kinds else None
    return window


def _rope_types(config: Any) -> set[str]:
    rope = getattr(config, "rope_parameters", None) or {}
    nested = [value for value in rope.values() if isinstance(value, dict)]
    return {str(part.get("rope_type", "default")) for part in [rope, *nested]}

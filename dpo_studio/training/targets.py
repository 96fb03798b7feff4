"""Which linear layers of a model get an adapter: all, those of attention, those of the MLP, or named ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import LORA_TARGETS

_WITH_MAMBA_LAYERS = frozenset({"mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h"})
#: Parts of a module's path that say what it belongs to.
_KINDS = {
    "attention": ("attn", "attention"),
    "mlp": ("mlp", "feed_forward", "ffn", "experts", "moe"),
}


def targets_of(model: Any, wanted: str) -> str | list[str]:
    """What PEFT is told to adapt.

    Args:
        wanted: "all-linear", "attention", "mlp", or endings of module names with commas between them.

    Raises:
        UserError: the model has no such layers, with the names that it has.
    """
    layers, others = _linear_layers(model)
    if wanted == "all-linear":
        # Of a Mamba all but those whose weights its kernels read past any adapter.
        if model.config.model_type in _WITH_MAMBA_LAYERS:
            return sorted({_last(name) for name in layers} - {"out_proj", "dt_proj"})
        return _endings(layers, others) if others else wanted
    if wanted in LORA_TARGETS:
        chosen = [name for name in layers if any(mark in name.lower() for mark in _KINDS[wanted])]
        if not chosen:
            raise UserError(f"This model has no linear layers of the kind {wanted!r}.", _names_there_are(layers))
        return _endings(chosen, {*layers, *others} - set(chosen))
    endings = [part.strip() for part in wanted.split(",") if part.strip()]
    for ending in endings:
        if not any(name == ending or name.endswith(f".{ending}") for name in layers):
            raise UserError(f"This model has no linear layer called {ending!r}.", _names_there_are(layers))
    return sorted(set(endings))


def _linear_layers(model: Any) -> tuple[list[str], list[str]]:
    """The full names of the linear layers, the output layer left out; and of those that give something else than a
    product, such as the routers of some mixtures of experts, on which no adapter can be put.
    """
    output = model.get_output_embeddings()
    layers: list[str] = []
    others: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not output:
            plain = type(module).forward in (torch.nn.Linear.forward, Conv1D.forward)
            (layers if plain else others).append(name)
    return layers, others


def _endings(chosen: Iterable[str], others: Iterable[str]) -> list[str]:
    """Names that fit the chosen layers alone: the last part of each, or the last two where the last is not enough."""
    taken = {_last(name) for name in others}
    return sorted({_last(name) if _last(name) not in taken else ".".join(name.split(".")[-2:]) for name in chosen})


def _names_there_are(layers: Iterable[str]) -> str:
    names = sorted({_last(name) for name in layers})
    return f"Use {', '.join(LORA_TARGETS)}, or some of: {', '.join(names)}."


def _last(name: str) -> str:
    return name.rpartition(".")[2]

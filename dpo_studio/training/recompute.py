"""Long rows keep each layer's input only and compute the layer again in the backward pass: a third more work, and
the memory of one layer instead of all of them. Values and gradients are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer


@contextmanager
def recomputed(model: Any, *, when: bool) -> Iterator[None]:
    """While it lasts, the layers of a transformers model are computed again in the backward pass (if `when`).

    Only the layers themselves are marked as training, as transformers asks for; what is in them is not.
    """
    found = model.modules() if when else ()
    layers: list[Any] = [module for module in found if isinstance(module, GradientCheckpointingLayer)]
    were = [(layer.training, layer.gradient_checkpointing) for layer in layers]
    try:
        for layer in layers:
            layer.training = layer.gradient_checkpointing = True
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
        yield
    finally:
        for layer, (training, checkpointing) in zip(layers, were, strict=True):
            layer.training, layer.gradient_checkpointing = training, checkpointing


def worth_it(tokens: int, *, above: int) -> bool:
    """Whether a row of this length is to be recomputed: it is long, and there will be a backward pass."""
    return torch.is_grad_enabled() and tokens > above

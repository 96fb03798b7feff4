"""A linear layer with its LoRA as one operation: y = x·Wᵀ (+ b) + s·(x·Aᵀ)·Bᵀ in the frozen weight's own format.

PEFT's own forward makes an fp32 copy of the layer's input and output whenever the weight is bf16. Here A and B, which
stay fp32, are rounded for the products, and only the input and x·Aᵀ are kept for the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn.functional import linear


def install(model: Any) -> int:
    """Give every plain LoRA layer of a PEFT model the one-operation forward; returns how many there are.

    A layer goes back to PEFT's own forward by itself where ours does not cover what it is asked: another adapter than
    the one it was made with, several at once, merged weights, dropout.
    """
    found: list[Any] = [module for module in model.modules() if type(module) is LoraLinear and _is_plain(module)]
    for module in found:
        module.forward = _Forward(module, module.forward)
    return len(found)


def _is_plain(layer: LoraLinear) -> bool:
    names = list(layer.lora_A)
    return (
        type(layer.base_layer) is nn.Linear
        and not layer.base_layer.weight.requires_grad
        and not (layer.base_layer.bias is not None and layer.base_layer.bias.requires_grad)
        and not layer.lora_variant
        and not layer.fan_in_fan_out
        and all(layer.lora_A[name].bias is None and layer.lora_B[name].bias is None for name in names)
    )


class _Forward:
    """Takes the place of a layer's `forward`."""

    takes_the_place_of_forward = True

    def __init__(self, layer: Any, theirs: Any) -> None:
        self._layer, self._theirs = layer, theirs

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layer, base = self._layer, self._layer.base_layer
        if args or kwargs or layer.merged:
            return self._theirs(x, *args, **kwargs)
        if layer.disable_adapters:
            return linear(x, base.weight, base.bias)
        if len(layer.active_adapters) != 1 or x.dtype != base.weight.dtype:
            return self._theirs(x)
        (name,) = layer.active_adapters
        dropout = layer.lora_dropout[name] if name in layer.lora_dropout else None
        if dropout is None or (dropout.training and not isinstance(dropout, nn.Identity)):
            return self._theirs(x)
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        return _AdaptedLinear.apply(x, base.weight, base.bias, a, b, layer.scaling[name])


class _AdaptedLinear(torch.autograd.Function):
    """On x (…, in), W (out, in), A (rank, in), B (out, rank)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        a_rounded, b_rounded = a.to(x.dtype), (b * scaling).to(x.dtype)
        low = linear(rows, a_rounded)
        out = linear(rows, weight, bias).addmm_(low, b_rounded.t())
        ctx.save_for_backward(rows, low, weight, a_rounded, b_rounded)
        ctx.shape, ctx.scaling, ctx.kinds = x.shape, scaling, (a.dtype, b.dtype)
        # Not a view, which some models (Gemma 3n) could not change in place.
        return torch.ops.aten._unsafe_view(out, (*x.shape[:-1], out.shape[-1]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, weight, a, b = ctx.saved_tensors
        by_out = grads[0].reshape(-1, weight.shape[0])
        by_low = by_out @ b
        by_x = None
        if ctx.needs_input_grad[0]:
            by_x = (by_out @ weight).addmm_(by_low, a).view(ctx.shape)
        of_a, of_b = ctx.kinds
        by_a = (by_low.t() @ rows).to(of_a)
        by_b = (by_out.t() @ low).to(of_b).mul_(ctx.scaling)
        return by_x, None, None, by_a, by_b, None

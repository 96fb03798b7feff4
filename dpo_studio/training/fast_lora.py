"""A linear layer with its LoRA as one operation: y = x·Wᵀ (+ b) + s·(x·Aᵀ)·Bᵀ in the frozen weight's own format.

PEFT's own forward makes an fp32 copy of the layer's input and output whenever the weight is bf16. Here A and B, which
stay fp32, are rounded for the products, and only the input and x·Aᵀ are kept for the backward pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
        if not args and not kwargs and layer.disable_adapters and not layer.merged:
            return linear(x, base.weight, base.bias)
        adapter = None if args or kwargs else self.adapter(x)
        if adapter is None:
            return self._theirs(x, *args, **kwargs)
        return _AdaptedLinear.apply(x, base.bias, *adapter)

    def adapter(self, x: Tensor) -> Adapter | None:
        """The one adapter that is on for `x`; None where PEFT's own forward is to compute it."""
        layer, weight = self._layer, self._layer.base_layer.weight
        if layer.merged or layer.disable_adapters or len(layer.active_adapters) != 1 or x.dtype != weight.dtype:
            return None
        (name,) = layer.active_adapters
        dropout = layer.lora_dropout[name] if name in layer.lora_dropout else None
        if dropout is None or (dropout.training and not isinstance(dropout, nn.Identity)):
            return None
        return Adapter(weight, layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name])


class Adapter(NamedTuple):
    """W (out, in), A (rank, in), B (out, rank) and the scale of B."""

    weight: Tensor
    a: Tensor
    b: Tensor
    scaling: float


def adapter_of(layer: Any, x: Tensor) -> Adapter | None:
    """A layer's adapter if the layer has no bias and would compute `x` by one operation."""
    forward = layer.__dict__.get("forward")
    if not isinstance(forward, _Forward) or layer.base_layer.bias is not None:
        return None
    return forward.adapter(x)


class Rounded(NamedTuple):
    """A layer's tensors in the weight's own format, for the products; `b` is scaled."""

    weight: Tensor
    a: Tensor
    b: Tensor


def rounded(weight: Tensor, a: Tensor, b: Tensor, scaling: float) -> Rounded:
    return Rounded(weight, a.to(weight.dtype), (b * scaling).to(weight.dtype))


def forward(rows: Tensor, layer: Rounded, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The layer's output (rows, out), and x·Aᵀ (rows, rank)."""
    low = linear(rows, layer.a)
    return linear(rows, layer.weight, bias).addmm_(low, layer.b.t()), low


def backward(by_out: Tensor, rows: Tensor, low: Tensor, layer: Rounded) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x·Aᵀ (rows, rank), of A and of the scaled B."""
    by_low = by_out @ layer.b
    return by_low, by_low.t() @ rows, by_out.t() @ low


class _AdaptedLinear(torch.autograd.Function):
    """On x (…, in) and an `Adapter`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor | None, weight: Tensor, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        layer = rounded(weight, a, b, scaling)
        out, low = forward(rows, layer, bias)
        ctx.save_for_backward(rows, low, *layer)
        ctx.shape, ctx.scaling, ctx.kinds = x.shape, scaling, (a.dtype, b.dtype)
        # Not a view, which some models (Gemma 3n) could not change in place.
        return torch.ops.aten._unsafe_view(out, (*x.shape[:-1], out.shape[-1]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, *tensors = ctx.saved_tensors
        layer = Rounded(*tensors)
        by_out = grads[0].reshape(-1, layer.weight.shape[0])
        by_low, by_a, by_b = backward(by_out, rows, low, layer)
        by_x = None
        if ctx.needs_input_grad[0]:
            by_x = (by_out @ layer.weight).addmm_(by_low, layer.a).view(ctx.shape)
        of_a, of_b = ctx.kinds
        return by_x, None, None, by_a.to(of_a), by_b.to(of_b).mul_(ctx.scaling), None

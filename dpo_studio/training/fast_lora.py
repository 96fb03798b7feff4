"""A linear layer with its LoRA as one operation: y = x·Wᵀ (+ b) + s·(x·Aᵀ)·Bᵀ in the frozen weight's own format.

PEFT's own forward makes an fp32 copy of the layer's input and output whenever the weight is bf16. Here A and B, which
stay fp32, are rounded for the products, and only the input and x·Aᵀ are kept for the backward pass. Layers that read
the same x, as query, key and value do, are computed together where there will be a backward pass: one product with all
their As instead of one each. The values are to the last bit those of the layers one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn.functional import linear

#: Layers of an attention that read the same x. Whether they really do is seen at each call.
_SAME_INPUT = ("q_proj", "k_proj", "v_proj")


def install(model: Any) -> int:
    """Give every plain LoRA layer of a PEFT model the one-operation forward; returns how many there are.

    A layer goes back to PEFT's own forward by itself where ours does not cover what it is asked: another adapter than
    the one it was made with, several at once, merged weights, dropout.
    """
    found: dict[Any, None] = dict.fromkeys(m for m in model.modules() if type(m) is LoraLinear and _is_plain(m))
    for module in found:
        module.forward = _Forward(module, module.forward)
    for module in model.modules():
        readers = [getattr(module, name, None) for name in _SAME_INPUT]
        forwards = [reader.forward for reader in readers if reader is not None and reader in found]
        if len(forwards) == len(_SAME_INPUT):
            together = _Together(forwards)
            for forward in forwards:
                forward.together = together
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
    """Takes the place of a layer's `forward`.

    Attributes:
        together: the layers that most likely read the same x, this one among them; None if there are none.
    """

    takes_the_place_of_forward = True

    def __init__(self, layer: Any, theirs: Any) -> None:
        self._layer, self._theirs = layer, theirs
        self.together: _Together | None = None

    @property
    def bias(self) -> Tensor | None:
        return self._layer.base_layer.bias

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layer, base = self._layer, self._layer.base_layer
        if not args and not kwargs and layer.disable_adapters and not layer.merged:
            return linear(x, base.weight, base.bias)
        adapter = None if args or kwargs else self.adapter(x)
        if adapter is None:
            return self._theirs(x, *args, **kwargs)
        if self.together is not None and torch.is_grad_enabled():
            found = self.together.output(self, adapter, x)
            if found is not None:
                return found
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


class _Together:
    """Layers that read the same x: the first that is asked computes all, and the others give what is theirs."""

    def __init__(self, forwards: Sequence[_Forward]) -> None:
        self._forwards = tuple(forwards)
        self._by_thread: dict[int, dict[_Forward, tuple[_Asked, Tensor]]] = {}

    def output(self, forward: _Forward, adapter: Adapter, x: Tensor) -> Tensor | None:
        """The output of one of the layers; None where they cannot be computed together."""
        waiting = self._by_thread.setdefault(threading.get_ident(), {})
        made_for, found = waiting.pop(forward, (None, None))
        if made_for is not None and made_for.same(_Asked.now(x, adapter)):
            return found
        waiting.clear()
        adapters = [its for each in self._forwards if (its := each.adapter(x)) is not None]
        if len(adapters) < len(self._forwards):
            return None
        arguments = [part for each, its in zip(self._forwards, adapters, strict=True) for part in (each.bias, *its)]
        outputs = _AdaptedTogether.apply(x, *arguments)
        for each, its, output in zip(self._forwards, adapters, outputs, strict=True):
            waiting[each] = _Asked.now(x, its), output
        return waiting.pop(forward)[1]


class _Asked(NamedTuple):
    """What an output was made of, and the versions of these tensors."""

    x: Tensor
    a: Tensor
    b: Tensor
    scaling: float
    versions: tuple[int, int, int]

    @classmethod
    def now(cls, x: Tensor, adapter: Adapter) -> _Asked:
        versions = (x._version, adapter.a._version, adapter.b._version)
        return cls(x, adapter.a, adapter.b, adapter.scaling, versions)

    def same(self, other: _Asked) -> bool:
        tensors = zip(self[:3], other[:3], strict=True)
        return all(mine is theirs for mine, theirs in tensors) and self[3:] == other[3:]


class Rounded(NamedTuple):
    """A layer's tensors in the weight's own format, for the products; `b` is scaled."""

    weight: Tensor
    a: Tensor
    b: Tensor


def rounded(weight: Tensor, a: Tensor, b: Tensor, scaling: float) -> Rounded:
    return Rounded(weight, a.to(weight.dtype), (b * scaling).to(weight.dtype))


class Stacked(NamedTuple):
    """Several layers' tensors in the weights' own format: all As (ranks, in) as one; each `b` is scaled."""

    a: Tensor
    weights: tuple[Tensor, ...]
    bs: tuple[Tensor, ...]

    def by_layer(self, low: Tensor) -> tuple[Tensor, ...]:
        """(rows, ranks) to (rows, rank) for each layer."""
        return low.split([b.shape[1] for b in self.bs], dim=1)


def stacked(adapters: Sequence[Adapter]) -> Stacked:
    weights = tuple(adapter.weight for adapter in adapters)
    a = torch.cat([adapter.a for adapter in adapters]).to(weights[0].dtype)
    return Stacked(a, weights, tuple((b * scaling).to(weight.dtype) for weight, _, b, scaling in adapters))


def forward(rows: Tensor, layer: Rounded, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The layer's output (rows, out), and x·Aᵀ (rows, rank)."""
    low = linear(rows, layer.a)
    return linear(rows, layer.weight, bias).addmm_(low, layer.b.t()), low


def backward(by_out: Tensor, rows: Tensor, low: Tensor, layer: Rounded) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x·Aᵀ (rows, rank), of A and of the scaled B."""
    by_low = by_out @ layer.b
    return by_low, by_low.t() @ rows, by_out.t() @ low


def forward_together(rows: Tensor, layers: Stacked, biases: Sequence[Tensor | None]) -> tuple[list[Tensor], Tensor]:
    """Each layer's output (rows, out), and x·Aᵀ of all (rows, ranks)."""
    low = linear(rows, layers.a)
    three = zip(layers.weights, layers.bs, layers.by_layer(low), biases, strict=True)
    return [linear(rows, weight, bias).addmm_(part, b.t()) for weight, b, part, bias in three], low


def backward_together(
    by_outs: Sequence[Tensor], rows: Tensor, low: Tensor, layers: Stacked
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Gradients of x (rows, in), and for each layer of A and of the scaled B."""
    by_low = torch.cat([by_out @ b for by_out, b in zip(by_outs, layers.bs, strict=True)], dim=1)
    by_a = (by_low.t() @ rows).split([b.shape[1] for b in layers.bs])
    by_b = [by_out.t() @ part for by_out, part in zip(by_outs, layers.by_layer(low), strict=True)]
    by_x = by_outs[0] @ layers.weights[0]
    for by_out, weight in zip(by_outs[1:], layers.weights[1:], strict=True):
        by_x.addmm_(by_out, weight)
    return by_x.addmm_(by_low, layers.a), list(zip(by_a, by_b, strict=True))


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


class _AdaptedTogether(torch.autograd.Function):
    """On x (…, in), and for each layer its bias and its `Adapter`: a tuple of outputs (…, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
        rows = x.reshape(-1, x.shape[-1])
        adapters = [Adapter(*arguments[at + 1 : at + 5]) for at in range(0, len(arguments), 5)]
        layers = stacked(adapters)
        outs, low = forward_together(rows, layers, arguments[::5])
        ctx.save_for_backward(rows, low, layers.a, *layers.weights, *layers.bs)
        ctx.shape, ctx.adapters = x.shape, [(a.dtype, b.dtype, scaling) for _, a, b, scaling in adapters]
        return tuple(torch.ops.aten._unsafe_view(out, (*x.shape[:-1], out.shape[-1])) for out in outs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, a, *tensors = ctx.saved_tensors
        layers = Stacked(a, tuple(tensors[: len(grads)]), tuple(tensors[len(grads) :]))
        by_x, by_adapters = backward_together([grad.flatten(0, -2) for grad in grads], rows, low, layers)
        found: list[Tensor | None] = []
        for (by_a, by_b), (of_a, of_b, scaling) in zip(by_adapters, ctx.adapters, strict=True):
            found += [None, None, by_a.to(of_a), by_b.to(of_b).mul_(scaling), None]
        return by_x.view(ctx.shape), *found

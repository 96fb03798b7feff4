"""Norms and gated MLPs with fewer passes over memory, put in the place of a model's own where they give the same.

A layer is taken by its shape, never by the name of a model family, and only if a measurement on random numbers finds
our values and gradients equal to the layer's own.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from . import fast_lora

_PROBED_ROWS = 5


def install(model: Any) -> dict[str, int]:
    """Replace the forward of every norm and gated MLP that ours agrees with; how many of each kind.

    On a GPU a norm is PyTorch's fused kernel.
    """
    counts = {"norms": 0, "mlps": 0}
    device = next(model.parameters()).device.type
    if device not in ("cpu", "cuda"):
        return counts
    norm = _RmsNormForward if device == "cpu" else _FusedRmsNormForward
    for module in model.modules():
        if _looks_like_rms_norm(module):
            counts["norms"] += _replace(module, norm(module), width=module.weight.shape[0])
        elif _looks_like_gated_mlp(module):
            width = _first_linear(module.gate_proj).in_features
            counts["mlps"] += _replace(module, _MlpForward(module), width=width)
    return counts


def remove_all(model: Any) -> None:
    """Give every module its own forward back, those of `fast_lora` too."""
    for module in model.modules():
        if getattr(module.__dict__.get("forward"), "takes_the_place_of_forward", False):
            del module.forward


def taken(model: Any) -> str:
    """A name for the set of fast forwards that a model has now, for caches; "" for none.

    Of `fast_lora` it says only whether: an adapter that is off changes no number, whichever layers it is on.
    """
    found = set()
    for name, module in model.named_modules():
        forward = module.__dict__.get("forward")
        if isinstance(forward, _RmsNormForward | _FusedRmsNormForward | _MlpForward):
            found.add(f"{type(forward).__name__} {name}")
        elif getattr(forward, "takes_the_place_of_forward", False):
            found.add(type(forward).__qualname__)
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:16] if found else ""


def _looks_like_rms_norm(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return (
        type(module).__name__.endswith("RMSNorm")
        and isinstance(weight, nn.Parameter)
        and weight.dim() == 1
        and not weight.requires_grad
        and [name for name, _ in module.named_parameters()] == ["weight"]
        and _epsilon(module) is not None
    )


def _looks_like_gated_mlp(module: nn.Module) -> bool:
    names = [name for name, _ in module.named_children() if name != "act_fn"]
    return sorted(names) == ["down_proj", "gate_proj", "up_proj"] and all(
        _first_linear(getattr(module, name)) is not None for name in names
    )


def _first_linear(module: nn.Module) -> Any:
    return next((part for part in module.modules() if isinstance(part, nn.Linear)), None)


def _epsilon(module: nn.Module) -> float | None:
    return next(
        (v for name in ("variance_epsilon", "eps") if isinstance(v := getattr(module, name, None), float)), None
    )


def _replace(module: nn.Module, ours: Any, *, width: int) -> int:
    weight = next(module.parameters())
    generator = torch.Generator().manual_seed(0)
    x, slope = (torch.randn(1, _PROBED_ROWS, width, generator=generator).to(weight) for _ in range(2))
    theirs = module.forward
    if not _same(theirs, ours, x, slope):
        return 0
    module.forward = ours
    return 1


def _same(theirs: Any, ours: Any, x: Tensor, slope: Tensor) -> bool:
    found = []
    for forward in (theirs, ours):
        point = x.clone().requires_grad_()
        with torch.enable_grad():
            try:
                value = forward(point)
                (gradient,) = torch.autograd.grad(value, point, slope)
            except (RuntimeError, TypeError, ValueError):
                return False
        found.append((value.detach().float(), gradient.float()))
    tolerance = 1e-4 if x.dtype == torch.float32 else 3e-2
    return all(
        torch.allclose(a, b, rtol=tolerance, atol=tolerance * max(1e-6, a.abs().max().item()))
        for a, b in zip(*found, strict=True)
    )


class _RmsNormForward:
    takes_the_place_of_forward = True

    def __init__(self, module: Any) -> None:
        self._module = module
        self._epsilon = _epsilon(module)

    def __call__(self, x: Tensor) -> Tensor:
        return _RmsNorm.apply(x, self._module.weight, self._epsilon)


class _FusedRmsNormForward(_RmsNormForward):
    def __call__(self, x: Tensor) -> Tensor:
        return rms_norm(x, (x.shape[-1],), self._module.weight, self._epsilon)


class _RmsNorm(torch.autograd.Function):
    """w·x/√(mean x² + ε), computed in fp32 and rounded before the weight, as the models do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        scale = _inverse_rms(x, epsilon)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(x, scale, weight)
        return _scaled(x, scale).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, weight = ctx.saved_tensors
        normed = _scaled(x, scale)
        by_normed = (grads[0] * weight).float()
        along = torch.linalg.vecdot(by_normed, normed).unsqueeze(-1) / x.shape[-1]
        by_x = torch.addcmul(by_normed, normed, along, value=-1).mul_(scale)
        return by_x.to(x.dtype), None, None


def _inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return (length.square() / x.shape[-1] + epsilon).rsqrt()


def _scaled(x: Tensor, scale: Tensor) -> Tensor:
    # In two steps: a product of two number formats is several times slower.
    wide = x.float()
    return wide * scale if wide is x else wide.mul_(scale)


class _MlpForward:
    takes_the_place_of_forward = True

    def __init__(self, module: Any) -> None:
        self._module = module

    def __call__(self, x: Tensor) -> Tensor:
        module = self._module
        if torch.is_grad_enabled():
            gate, up = (fast_lora.adapter_of(layer, x) for layer in (module.gate_proj, module.up_proj))
            down = fast_lora.adapter_of(module.down_proj, x)
            if gate and up and down:
                return _AdaptedMlp.apply(x, *gate, *up, *down)
        return module.down_proj(_SwiGlu.apply(module.gate_proj(x), module.up_proj(x)))


class _SwiGlu(torch.autograd.Function):
    """silu(gate)·up, of which nothing but the two arguments is kept."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        by_out = grads[0]
        by_up = silu(gate).mul_(by_out)
        by_gate = torch.ops.aten.silu_backward(by_out * up, gate)
        return by_gate, by_up


class _AdaptedMlp(torch.autograd.Function):
    """A whole gated MLP on x (…, in) and the `fast_lora.Adapter` of gate, up and down, of which neither silu(gate)·up
    nor a second gradient of x is kept. Its values are to the last bit those of the layers one by one.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *adapters: Any) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        three = [adapters[first : first + 4] for first in (0, 4, 8)]
        gate_layer, up_layer, down_layer = (fast_lora.rounded(*adapter) for adapter in three)
        gate, gate_low = fast_lora.forward(rows, gate_layer)
        up, up_low = fast_lora.forward(rows, up_layer)
        out, down_low = fast_lora.forward(silu(gate).mul_(up), down_layer)
        ctx.save_for_backward(rows, gate, up, gate_low, up_low, down_low, *gate_layer, *up_layer, *down_layer)
        ctx.shape, ctx.adapters = x.shape, [(a.dtype, b.dtype, scaling) for _, a, b, scaling in three]
        return torch.ops.aten._unsafe_view(out, (*x.shape[:-1], out.shape[-1]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, gate, up, gate_low, up_low, down_low, *tensors = ctx.saved_tensors
        gate_layer, up_layer, down_layer = (fast_lora.Rounded(*tensors[first : first + 3]) for first in (0, 3, 6))
        by_out = grads[0].reshape(-1, down_layer.weight.shape[0])
        active = silu(gate)
        by_low, *of_down = fast_lora.backward(by_out, active * up, down_low, down_layer)
        by_product = (by_out @ down_layer.weight).addmm_(by_low, down_layer.a)
        by_up = active.mul_(by_product)
        by_gate = torch.ops.aten.silu_backward(by_product.mul_(up), gate)
        by_low, *of_gate = fast_lora.backward(by_gate, rows, gate_low, gate_layer)
        by_x = (by_gate @ gate_layer.weight).addmm_(by_low, gate_layer.a)
        by_low, *of_up = fast_lora.backward(by_up, rows, up_low, up_layer)
        by_x.addmm_(by_up, up_layer.weight).addmm_(by_low, up_layer.a)
        by_adapters: list[Tensor | None] = []
        for (by_a, by_b), (of_a, of_b, scaling) in zip((of_gate, of_up, of_down), ctx.adapters, strict=True):
            by_adapters += [None, by_a.to(of_a), by_b.to(of_b).mul_(scaling), None]
        return by_x.view(ctx.shape), *by_adapters

"""The layers of a Llama-like model read for `lean`: linear layers with the adapters that are on, norms, blocks.

Where it pays, weights are packed once (see `packed`). Elsewhere products are W·x instead of x·Wᵀ: with few rows, the
CPU's library then reads a weight as it lies in memory, where the other way it first puts it into another order at every
product; the bits are the same. What is done to weights elsewhere counts at the next step in either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn

from .packed import Packed
from .products import add_product, multiply


class UnknownLayer(Exception):
    """A layer is of another kind than those known here, or in a state that is not."""


@dataclass(frozen=True, slots=True)
class _Low:
    """The adapters of some layers that read the same: A (ranks, in), and B (out, ranks) with its scale, zero where a
    rank belongs to another layer; in the weights' format.
    """

    a: Tensor
    b: Tensor


class Out(NamedTuple):
    """Where products of weights as they lie go: (out, rows), the same by layers, and turned."""

    whole: Tensor
    parts: Sequence[Tensor]
    turned: Tensor


class Linear:
    """Linear layers that read the same, with their outputs beside one another.

    Args:
        parent: the module they belong to.
        names: theirs in it.

    Raises:
        UnknownLayer: one of them is not a plain linear layer, with plain LoRA or without.
    """

    #: The weights, and the adapters' A and B, where they are packed.
    _packed: Packed | None = None
    _packed_low: tuple[Packed, Packed] | None = None

    def __init__(self, parent: nn.Module, *names: str) -> None:
        self._siblings: dict[str, nn.Module | None] = parent._modules
        self._layers: list[tuple[str, Any]] = [(name, self._siblings.get(name)) for name in names]
        for _, layer in self._layers:
            _check_plain(layer)
        self._bases = [layer.base_layer if isinstance(layer, LoraLinear) else layer for _, layer in self._layers]
        self._adapted = [layer for _, layer in self._layers if isinstance(layer, LoraLinear)]
        self.sizes = [base.weight.shape[0] for base in self._bases]
        self._has_bias = any(base.bias is not None for base in self._bases)
        self._low: _Low | None = None
        self._state: object = None
        self._packed_state: object = None
        self.refresh()

    @property
    def state(self) -> tuple[str, ...]:
        """Which layers an adapter is on, for what has to be checked once for each kind of model."""
        return tuple(f"{type(layer).__name__} {len(_adapters_on(layer))}" for _, layer in self._layers)

    @property
    def adapted(self) -> bool:
        """Whether an adapter is on."""
        return self._low is not None

    @property
    def weights(self) -> list[Tensor]:
        return [base.weight for base in self._bases]

    def pack(self) -> None:
        """Multiply with packed copies from now on.

        Raises:
            RoundsOtherwise: see `packed`.
        """
        self._packed_state = self._weights_state()
        self._packed = Packed(*self.weights)
        self._pack_adapters()

    def refresh(self) -> bool:
        """Take in adapters and weights that were switched or changed; False where the model has other layers by now.

        Raises:
            UnknownLayer: adapters are in a state not known here.
            RoundsOtherwise: see `packed`.
        """
        if any(self._siblings.get(name) is not layer for name, layer in self._layers):
            return False
        if self._adapted:
            state = [_state(layer) for layer in self._adapted]
            if state != self._state:
                self._low = self._read_adapters()
                self._state = state
                self._pack_adapters()
        if self._packed is not None and self._weights_state() != self._packed_state:
            self.pack()
        return True

    def out(self, rows: int) -> Out | None:
        """A place for what the layers give for this many rows, where they need one."""
        if self._packed is not None:
            return None
        whole = self._bases[0].weight.new_empty(sum(self.sizes), rows)
        return Out(whole, whole.split(self.sizes), whole.t())

    def __call__(self, x: Tensor, out: Out | None) -> Tensor:
        """(rows, out) of (rows, in)."""
        if self._packed is not None:
            return self._by_packed(self._packed, x)
        assert out is not None
        columns = x.t()
        for base, part in zip(self._bases, out.parts, strict=True):
            multiply(base.weight, columns, part)
            if base.bias is not None:
                part.add_(base.bias[:, None])
        if self._low is not None:
            low = x.new_empty(len(self._low.a), len(x))
            multiply(self._low.a, columns, low)
            add_product(out.whole, self._low.b, low)
        return out.turned

    def _by_packed(self, packed: Packed, x: Tensor) -> Tensor:
        made = packed(x)
        if self._has_bias:
            for base, part in zip(self._bases, made.split(self.sizes, 1), strict=True):
                if base.bias is not None:
                    part.add_(base.bias)
        if self._packed_low is not None:
            a, b = self._packed_low
            made = b.added(made, a(x))
        return made

    def _pack_adapters(self) -> None:
        self._packed_low = None
        if self._packed is not None and self._low is not None:
            self._packed_low = Packed(self._low.a), Packed(self._low.b)

    def _weights_state(self) -> list[object]:
        """What changes with the weights. PEFT merges adapters behind the back of a tensor's version."""
        merged: list[object] = [tuple(layer.merged_adapters) for layer in self._adapted]
        return [*merged, *((id(weight), weight._version, weight.data_ptr()) for weight in self.weights)]

    def _read_adapters(self) -> _Low | None:
        found, first = [], 0
        for (_, layer), size in zip(self._layers, self.sizes, strict=True):
            found += [(first, *each) for each in _adapters_on(layer)]
            first += size
        if not found:
            return None
        like = self._bases[0].weight
        a = torch.cat([a for _, a, _, _ in found]).to(like.dtype)
        b = like.new_zeros(first, len(a))
        rank = 0
        for place, _, b_of_one, scaling in found:
            rows, ranks = b_of_one.shape
            b[place : place + rows, rank : rank + ranks] = b_of_one * scaling
            rank += ranks
        return _Low(a, b)


def _check_plain(layer: Any) -> None:
    if type(layer) is LoraLinear:
        layer = layer.base_layer
    if type(layer) is not nn.Linear:
        raise UnknownLayer


def _state(layer: Any) -> tuple[object, ...]:
    """All that decides what a layer's adapters do."""
    names = tuple(layer.active_adapters)
    versions = [
        (id(part[name].weight), part[name].weight._version, layer.scaling[name])
        for name in names
        for part in (layer.lora_A, layer.lora_B)
        if name in part
    ]
    return layer.merged, layer.disable_adapters, layer.training, names, versions


def _adapters_on(layer: Any) -> list[tuple[Tensor, Tensor, float]]:
    """A, B and scale of each adapter that is on.

    Raises:
        UnknownLayer: one of them is more than that.
    """
    if not isinstance(layer, LoraLinear):
        return []
    if layer.merged:
        if layer.disable_adapters:  # PEFT's own forward would take them out of the weights now
            raise UnknownLayer
        return []
    if layer.disable_adapters:
        return []
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    found = []
    for name in names:
        a, b, dropout = layer.lora_A[name], layer.lora_B[name], layer.lora_dropout[name]
        silent = isinstance(dropout, nn.Identity) or not dropout.training
        if name in layer.lora_variant or a.bias is not None or b.bias is not None or not silent:
            raise UnknownLayer
        found.append((a.weight, b.weight, layer.scaling[name]))
    return found


class Norm:
    """w·x/√(mean x² + ε), computed in float32.

    In one operation: the layer norm of x beside -x, whose mean is 0.

    Raises:
        UnknownLayer: it is not a norm with one weight for each feature.
    """

    def __init__(self, module: Any) -> None:
        epsilon = next(
            (v for n in ("variance_epsilon", "eps") if isinstance(v := getattr(module, n, None), float)), None
        )
        names = [name for name, _ in module.named_parameters()]
        if not type(module).__name__.endswith("RMSNorm") or names != ["weight"] or not epsilon:
            raise UnknownLayer
        self._module, self._epsilon = module, epsilon
        self._state: object = None
        self.refresh()

    def refresh(self) -> bool:
        """Take in a weight that was changed."""
        weight = self._module.weight
        state = (id(weight), weight._version, weight.data_ptr())
        if state != self._state:
            self._twice, self._state = torch.cat([weight, weight]).detach(), state
        return True

    def __call__(self, both: Tensor) -> Tensor:
        """Of rows that come with their opposites, (…, 2 · features); what it gives has only its first half to say."""
        return torch.layer_norm(both, self._twice.shape, self._twice, None, self._epsilon)

    def of_heads(self, x: Tensor) -> Tensor:
        """Of the last dimension."""
        return self(torch.cat([x, -x], -1))[..., : x.shape[-1]]


class Block:
    """One layer of the model: attention and a gated MLP, each behind a norm.

    Raises:
        UnknownLayer: it has other parts than these.
    """

    def __init__(self, layer: Any) -> None:
        check_parts(layer, "input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
        attention, mlp = layer.self_attn, layer.mlp
        check_parts(attention, "q_proj", "k_proj", "v_proj", "o_proj", perhaps=("q_norm", "k_norm"))
        check_parts(mlp, "gate_proj", "up_proj", "down_proj", "act_fn")
        self.before_attention, self.before_mlp = Norm(layer.input_layernorm), Norm(layer.post_attention_layernorm)
        self.qkv = Linear(attention, "q_proj", "k_proj", "v_proj")
        self.o = Linear(attention, "o_proj")
        self.gate_up, self.down = Linear(mlp, "gate_proj", "up_proj"), Linear(mlp, "down_proj")
        if getattr(layer.self_attn.config, "hidden_act", "") != "silu":
            raise UnknownLayer
        self.index: int = attention.layer_idx
        self.scaling: float = attention.scaling
        self.width: int = attention.head_dim
        heads = "q_norm" in attention._modules
        self.norm_of_queries = Norm(attention.q_norm) if heads else None
        self.norm_of_keys = Norm(attention.k_norm) if heads else None

    @property
    def linears(self) -> tuple[Linear, ...]:
        return self.qkv, self.o, self.gate_up, self.down

    @property
    def norms(self) -> list[Norm]:
        norms = self.before_attention, self.before_mlp, self.norm_of_queries, self.norm_of_keys
        return [norm for norm in norms if norm is not None]


def check_parts(module: Any, *names: str, perhaps: Sequence[str] = ()) -> None:
    """Raise unless a module consists of these, and of all of those or none, with nothing hooked onto it.

    Raises:
        UnknownLayer: it does not.
    """
    parts = [name for name, part in module._modules.items() if part is not None]
    if sorted(parts) not in (sorted(names), sorted([*names, *perhaps])) or list(module._parameters):
        raise UnknownLayer
    for part in (module, *module._modules.values()):
        if part is not None and (part._forward_hooks or part._forward_pre_hooks):
            raise UnknownLayer

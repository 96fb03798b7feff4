"""One token a row through a Llama-like model, written out: the products, and as little as can be between them.

It stands in for the model's own forward where the model is of a family known to consist of these parts, its layers are
seen to, and a comparison on random tokens finds the same logits, keys and values. It says nothing of how rows are
laid out, which is `shared_attention`'s, and works on any device.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from .lean_layers import Block, Linear, Norm, UnknownLayer, check_parts
from .packed import FEWEST_PACKED, RoundsOtherwise, worth_packing
from .row_attention import FEWEST, STEP, Shared
from .shared_attention import Layout, forward_rows

#: Families whose forward is nothing but these parts.
FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
#: How far logits, keys and values may be from the model's own, as a share of how far they are from 0, by format.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 4e-2, torch.float16: 1e-2}
#: By how much more where adapters are on, which the model's own forward may compute in another format: whether ours is
#: used is not to depend on what an adapter has learnt.
_WITH_ADAPTERS = 5
_PROBED_PROMPT = 5


class Lean:
    """A model taken apart. It follows the model: weights that change, adapters that are switched.

    Args:
        packs: whether weights may be packed.

    Attributes:
        fewest: rows are to come in whole numbers of this many.
        threads: with which products were tried.

    Raises:
        UnknownLayer: the model does not consist of what is known here.
        RoundsOtherwise: weights are not to be packed here.
    """

    def __init__(self, model: Any, *, packs: bool) -> None:
        if getattr(model.config, "model_type", "") not in FAMILIES or not hasattr(model, "base_model"):
            raise UnknownLayer
        base = model.base_model
        check_parts(model, model.base_model_prefix, "lm_head")
        check_parts(base, "embed_tokens", "layers", "norm", "rotary_emb")
        self._embed, self._rotary = base.embed_tokens, base.rotary_emb
        self._blocks = [Block(layer) for layer in base.layers]
        self._norm, self._head = Norm(base.norm), Linear(model, "lm_head")
        self._linears = [linear for block in self._blocks for linear in block.linears] + [self._head]
        self._norms = [norm for block in self._blocks for norm in block.norms] + [self._norm]
        # Of adapters, which are float32 on any model, a copy is made in the weights' format.
        read = [self._embed.weight, *(weight for linear in self._linears for weight in linear.weights)]
        kinds = {(weight.dtype, weight.device) for weight in read}
        if len(kinds) != 1:
            raise UnknownLayer
        self._dtype, self._device = kinds.pop()
        if self._dtype not in _TOLERANCE:
            raise UnknownLayer
        self.threads = torch.get_num_threads()
        self._packs = packs and worth_packing([weight for linear in self._linears for weight in linear.weights])
        self.fewest = FEWEST_PACKED if self._packs else FEWEST
        for linear in self._linears if self._packs else ():
            linear.pack()

    @classmethod
    @torch.no_grad()
    def of(cls, model: Any) -> Lean | None:
        """That of a model as it is now; None where the model's own forward is to be used."""
        known = _KNOWN.setdefault(model, _Known())
        try:
            try:
                if known.lean is None or not known.lean._refresh():
                    known.lean = None  # before another one takes memory
                    known.lean = cls(model, packs=True)
            except RoundsOtherwise:
                known.lean = cls(model, packs=False)
            state = known.lean._state
        except UnknownLayer:
            return None
        if state not in known.agrees:
            known.agrees[state] = known.lean._agrees(model)
        return known.lean if known.agrees[state] else None

    @property
    def _state(self) -> tuple[object, ...]:
        return (self._dtype, self._device, self._packs, *(linear.state for linear in self._linears))

    def _refresh(self) -> bool:
        if torch.get_num_threads() != self.threads:
            return False
        return all(part.refresh() for part in (*self._linears, *self._norms))

    def forward(self, tokens: Tensor, positions: Tensor, layout: Layout) -> Tensor:
        """The next logits, float32, of the rows that the layout has, shape (layout.rows, vocabulary).

        Args:
            tokens, positions: shape (rows,), a whole number of `fewest` rows, those behind the layout's empty.
        """
        if layout.desk is None or layout.desk.owner is not self:
            layout.desk = _Desk(self, layout, len(tokens))
        desk: _Desk = layout.desk
        embedded = self._embed(tokens)
        desk.turn_to(*self._rotary(embedded[None], positions[None]))
        desk.states.copy_(embedded)
        for block in self._blocks:
            desk.attend(block)
            desk.feed(block)
        logits = self._head(desk.normed(self._norm), self._head.out(len(tokens)))[: layout.rows]
        return logits.contiguous().float()  # together with the format, turning takes four times as long

    def _agrees(self, model: Any) -> bool:
        """Whether a step of random tokens gives what the model's own forward gives."""
        config, generator = model.config, torch.Generator().manual_seed(0)

        def some(highest: int, *shape: int) -> Tensor:
            return torch.randint(highest, shape, generator=generator).to(self._device)

        prompt = model(input_ids=some(config.vocab_size, 1, _PROBED_PROMPT), use_cache=True).past_key_values.layers
        keys, values = [layer.keys[0] for layer in prompt], [layer.values[0] for layer in prompt]
        heads, _, width = keys[0].shape
        rows = self.fewest
        own = keys[0].new_zeros(len(keys), 2, heads, rows, STEP, width)
        places = torch.arange(2 * heads * rows, device=self._device) * STEP
        hidden = own.new_zeros(rows, 1, STEP)
        hidden[..., 1:] = float("-inf")
        shared = [Shared(keys, values, _PROBED_PROMPT, 1, rows - 1)]
        theirs, ours = (Layout(shared, states, places, hidden) for states in (own, own.clone()))
        tokens = some(config.vocab_size, rows)
        positions = some(min(getattr(config, "max_position_embeddings", STEP), 4096), rows)
        pairs = [
            (forward_rows(model, tokens, positions, theirs), self.forward(tokens, positions, ours)),
            (theirs.own, ours.own),
        ]
        allowed = _TOLERANCE[self._dtype] * (_WITH_ADAPTERS if any(linear.adapted for linear in self._linears) else 1)
        return all(((one - other).float().norm() <= allowed * one.float().norm()).item() for one, other in pairs)


class _Desk:
    """Buffers of a step and views of them, made once for many steps.

    Attributes:
        owner: whose steps they are for.
        states: (rows, features), what goes from layer to layer.
    """

    def __init__(self, owner: Lean, layout: Layout, rows: int) -> None:
        self.owner, block = owner, owner._blocks[0]
        features, attending, width = block.o.sizes[0], layout.rows, block.width
        shared = block.qkv.sizes[1] // width
        self._repeats = block.qkv.sizes[0] // block.qkv.sizes[1]
        self._attention = layout.attention(self._repeats)
        self._outs = [linear.out(rows) for linear in block.linears]
        new = layout.own.new_empty
        both = new(rows, 2 * features)
        self._both, self.states, self._opposite = both, both[:, :features], both[:, features:]
        # By rows: queries, keys and values of each head.
        self._by_rows = new(rows, sum(block.qkv.sizes))
        heads = self._by_rows.view(rows, -1, width)[:attending]
        self._turning, self._values = heads[:, :-shared], heads[:, -shared:].transpose(0, 1)
        self._turned = new(self._turning.shape)
        self._queries = self._turned[:, :-shared].view(attending, shared, -1, width).transpose(0, 1)
        self._keys = self._turned[:, -shared:].transpose(0, 1)
        self._seen = new(rows, block.o.weights[0].shape[1]).zero_()
        self._seen_by_head = self._seen[:attending].view(attending, shared, -1, width).transpose(0, 1)
        self._layout, self._attending = layout, attending

    def turn_to(self, cos: Tensor, sin: Tensor) -> None:
        """Take the angles of the rows' positions, each (1, rows, width)."""
        self._attention = self._layout.attention(self._repeats)
        self._cos, sin = cos[0, : self._attending, None], sin[0, : self._attending, None]
        half = sin.shape[-1] // 2
        self._sin = torch.cat([-sin[..., :half], sin[..., half:]], -1)

    def normed(self, norm: Norm) -> Tensor:
        """The norm of states."""
        torch.neg(self.states, out=self._opposite)
        return norm(self._both)[:, : self.states.shape[1]]

    def attend(self, block: Block) -> None:
        """Add a block's attention to the states."""
        self._by_rows.copy_(block.qkv(self.normed(block.before_attention), self._outs[0]))
        turning = self._turning
        if block.norm_of_queries is not None and block.norm_of_keys is not None:
            queries, keys = turning.split([turning.shape[1] - len(self._keys), len(self._keys)], 1)
            turning = torch.cat([block.norm_of_queries.of_heads(queries), block.norm_of_keys.of_heads(keys)], 1)
        torch.mul(turning, self._cos, out=self._turned)
        self._turned.addcmul_(turning.roll(turning.shape[-1] // 2, -1), self._sin)
        attention = self._attention
        torch.mul(self._queries, block.scaling, out=attention.query)
        torch.stack([self._keys, self._values], out=attention.fresh)
        self._seen_by_head.copy_(attention(block.index))
        self.states.add_(block.o(self._seen, self._outs[1]))

    def feed(self, block: Block) -> None:
        """Add a block's MLP to the states."""
        made = block.gate_up(self.normed(block.before_mlp), self._outs[2])
        gate, up = made.split(block.gate_up.sizes, 1)
        self.states.add_(block.down(torch.nn.functional.silu(gate, inplace=True).mul_(up), self._outs[3]))


class _Known:
    """What was found out about a model.

    Attributes:
        agrees: for each state of its adapters, whether ours gives what the model's own forward gives.
    """

    def __init__(self) -> None:
        self.lean: Lean | None = None
        self.agrees: dict[object, bool] = {}


_KNOWN: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()

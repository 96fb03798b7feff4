"""Attention of rows that each decode one token: every prompt's keys once for all its answers, and each row's own.

Every row has its own length. What is read of a prompt and of a row begins at a place of its own and is filled up with
zeros that weigh nothing, so a row's numbers do not depend on the rows beside it, as far as the matrix products do not.
Only for models whose layers attend to everything before, or to a window that no row outgrows; `reach` decides it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "dpo_studio_rows"
#: Keys are counted in steps of this many, so that sums over them fall into the same lanes whatever follows.
STEP = 32
#: Rows of a matrix product at least: with fewer, libraries take other paths by the number of rows and of threads, which
#: round differently. As many as are decoded at once on a CPU, so the number there is always the same.
FEWEST = 16
#: A reach without a window.
UNLIMITED = 1 << 40
#: What some models hand to their attention, and this one does not know.
_UNHEEDED = ("s_aux", "position_bias", "layer_head_mask")
#: Rotary embeddings whose angles depend on the longest position of the batch.
_LENGTH_DEPENDENT_ROPE = frozenset({"dynamic", "longrope"})


@dataclass(slots=True)
class Probe:
    """Passed in the place of a layout, it counts the layers that were given it and hold nothing it does not know.

    Attributes:
        mask: what was given as the mask: a layer that makes another one of it has something to heed.
    """

    mask: Tensor
    layers: int = 0
    reach: int = UNLIMITED
    _shape: torch.Size | None = None

    def note(self, module: Any, key: Tensor, value: Tensor, mask: Tensor | None, options: dict[str, Any]) -> None:
        """Take in one layer's call. Keys and values must have one shape, in all layers."""
        self._shape = self._shape or key.shape
        known = (
            all(options.get(name) is None for name in _UNHEEDED)
            and isinstance(module.layer_idx, int)
            and key.shape == value.shape == self._shape
            and (mask is None or mask.data_ptr() == self.mask.data_ptr())
        )
        self.layers += known
        self.reach = min(self.reach, options.get("sliding_window") or UNLIMITED)


@dataclass(slots=True)
class Shared:
    """A prompt's keys and values, and the rows [start, stop) that answer it.

    Attributes:
        keys, values: for each layer (shared heads, length, width).
    """

    keys: list[Tensor]
    values: list[Tensor]
    length: int
    start: int
    stop: int


@dataclass(slots=True)
class Layout:
    """The rows of one step.

    Attributes:
        own: (2 · layers, shared heads, rows, room, width): each row's own keys and values, zeros where there are none.
        places: (shared heads · rows,) where this step's keys go, in a layer of `own` without its last dimension.
        hidden: (rows, 1, places): 0 for own keys that a row has, with this step's, -inf for the others.
    """

    prompts: list[Shared]
    own: Tensor
    places: Tensor
    hidden: Tensor
    scores: Tensor | None = None

    def score_places(self, shared_heads: int, repeats: int) -> tuple[Tensor, int]:
        """(shared heads, rows, repeats, places) for scores, -inf where nothing is written, and where own keys begin."""
        first = max((round_up(prompt.length) for prompt in self.prompts), default=0)
        if self.scores is None:
            shape = (shared_heads, self.own.shape[2], repeats, first + self.hidden.shape[-1])
            self.scores = torch.full(shape, float("-inf"), dtype=torch.float32, device=self.own.device)
        return self.scores, first


def round_up(length: int) -> int:
    """The next whole number of steps."""
    return -(-length // STEP) * STEP


def reach(model: Any) -> int:
    """How many tokens, prompt and answer, a row of this model can have in this way of decoding; 0 where it cannot.

    Asked are its config and, with one token, every layer: what its attention is given must hold nothing to heed but
    scores, their soft cap, and a window.
    """
    config = model.config
    if getattr(config, "_attn_implementation", None) not in ("sdpa", "eager") or not hasattr(model, "base_model"):
        return 0
    if set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}:
        return 0
    if _rope_types(config) & _LENGTH_DEPENDENT_ROPE or getattr(model, "_is_stateful", False):
        return 0
    if getattr(config, "num_kv_shared_layers", 0):  # layers that read another one's keys
        return 0
    one = torch.zeros(1, 1, dtype=torch.long, device=next(model.parameters()).device)
    probe = Probe(_no_mask(one))
    try:
        with torch.no_grad(), _set(config):
            model.base_model(input_ids=one, attention_mask=probe.mask, position_ids=one, use_cache=False, rows=probe)
    except (TypeError, ValueError):
        return 0
    return probe.reach if probe.layers == getattr(config, "num_hidden_layers", 0) else 0


@contextlib.contextmanager
def _set(config: Any) -> Iterator[None]:
    """Attention is ours in this block only: others may use the same model in their own way."""
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def forward_rows(model: Any, tokens: Tensor, positions: Tensor, layout: Layout) -> Tensor:
    """The next logits, shape (rows, vocabulary), of tokens and positions of shape (rows, 1)."""
    with _set(model.config):
        out = model(
            input_ids=tokens, attention_mask=_no_mask(tokens), position_ids=positions, use_cache=False, rows=layout
        )
    return out.logits[:, -1]


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    rows: Layout | Probe | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it; without `rows` it is its own "sdpa".

    Args:
        query: (rows, heads, 1, width); key and value with as many or fewer heads.
    """
    if isinstance(rows, Probe):
        rows.note(module, key, value, attention_mask, options)
        return value.repeat_interleave(query.shape[1] // value.shape[1], dim=1).transpose(1, 2), None
    if not isinstance(rows, Layout):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    scaling = options.get("scaling") or query.shape[-1] ** -0.5
    out = _attend(rows, module.layer_idx, query * scaling, key, value, options.get("softcap"))  # type: ignore[arg-type]
    return out, None


def _attend(layout: Layout, layer: int, query: Tensor, key: Tensor, value: Tensor, softcap: float | None) -> Tensor:
    count, heads, _, width = query.shape
    shared = key.shape[1]
    repeats = heads // shared
    own_keys, own_values = layout.own[2 * layer], layout.own[2 * layer + 1]
    own_keys.view(-1, width).index_copy_(0, layout.places, key.transpose(0, 1).reshape(-1, width))
    own_values.view(-1, width).index_copy_(0, layout.places, value.transpose(0, 1).reshape(-1, width))
    # (shared heads, rows, repeats, width)
    q = query.view(count, shared, repeats, width).transpose(0, 1).contiguous()
    scores, first = layout.score_places(shared, repeats)
    for prompt in layout.prompts:
        mine = q[:, prompt.start : prompt.stop].reshape(shared, -1, width)
        found = _capped(_product(mine, prompt.keys[layer].transpose(1, 2)), softcap)
        scores[:, prompt.start : prompt.stop, :, : prompt.length] = found.view(shared, -1, repeats, prompt.length)
    found = _capped(torch.bmm(q.view(-1, repeats, width), own_keys.flatten(0, 1).transpose(1, 2)), softcap)
    torch.add(found.view(shared, count, repeats, -1), layout.hidden, out=scores[..., first:])
    weights = torch.softmax(scores, dim=-1).to(query.dtype)
    out = torch.bmm(weights[..., first:].flatten(0, 1), own_values.flatten(0, 1)).view(shared, count, repeats, width)
    for prompt in layout.prompts:
        mine = weights[:, prompt.start : prompt.stop, :, : prompt.length].flatten(1, 2)
        seen = _product(mine, prompt.values[layer])
        out[:, prompt.start : prompt.stop] += seen.view(shared, -1, repeats, width)
    return out.transpose(0, 1).reshape(count, 1, heads, width)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """A batch of products, of FEWEST rows at least."""
    rows = left.shape[1]
    if rows >= FEWEST:
        return torch.bmm(left, right)
    return torch.bmm(torch.nn.functional.pad(left, (0, 0, 0, FEWEST - rows)), right)[:, :rows]


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else (scores / softcap).tanh() * softcap


def _no_mask(tokens: Tensor) -> Tensor:
    """A mask of four dimensions, which models take as it is and nothing here reads."""
    return torch.zeros(1, 1, 1, 1, device=tokens.device)


def _rope_types(config: Any) -> set[str]:
    rope = getattr(config, "rope_parameters", None) or {}
    nested = [value for value in rope.values() if isinstance(value, dict)]
    return {str(part.get("rope_type", "default")) for part in [rope, *nested]}


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

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

from .row_attention import RowAttention, Shared

NAME = "dpo_studio_rows"
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
class Layout:
    """The rows of one step.

    Attributes:
        own: (layers, 2, shared heads, rows, room, width): each row's own keys and values, zeros where there are none.
        places, hidden: see `RowAttention`.
        desk: what a forward of ours keeps for its next steps with these rows.
    """

    prompts: list[Shared]
    own: Tensor
    places: Tensor
    hidden: Tensor
    desk: Any = None
    _attention: RowAttention | None = None

    @property
    def rows(self) -> int:
        """Rows that attention is computed for."""
        return self.own.shape[3]

    def changed(self) -> None:
        """Told when prompts or `own` are others."""
        self.desk = self._attention = None

    def attention(self, repeats: int) -> RowAttention:
        """Made when it is asked for."""
        if self._attention is None:
            self._attention = RowAttention(self.prompts, self.own, repeats)
        self._attention.places, self._attention.hidden = self.places, self.hidden
        return self._attention


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
    """The next logits, shape (rows, vocabulary), of tokens and positions of shape (rows,)."""
    ids, places = tokens[:, None], positions[:, None]
    with _set(model.config):
        out = model(input_ids=ids, attention_mask=_no_mask(ids), position_ids=places, use_cache=False, rows=layout)
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
    if rows is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    scaling = options.get("scaling") or query.shape[-1] ** -0.5
    heads, shared, count = query.shape[1], key.shape[1], rows.rows
    attention = rows.attention(heads // shared)
    torch.mul(query[:count].view(count, shared, -1, query.shape[-1]).transpose(0, 1), scaling, out=attention.query)
    attention.fresh[0], attention.fresh[1] = key[:count, :, 0].transpose(0, 1), value[:count, :, 0].transpose(0, 1)
    out = torch.zeros_like(query).transpose(1, 2)
    seen = attention(module.layer_idx, options.get("softcap"))  # type: ignore[arg-type]
    out[:count, 0] = seen.transpose(0, 1).flatten(1, 2)
    return out, None


def _no_mask(tokens: Tensor) -> Tensor:
    """A mask of four dimensions, which models take as it is and nothing here reads."""
    return torch.zeros(1, 1, 1, 1, device=tokens.device)


def _rope_types(config: Any) -> set[str]:
    rope = getattr(config, "rope_parameters", None) or {}
    nested = [value for value in rope.values() if isinstance(value, dict)]
    return {str(part.get("rope_type", "default")) for part in [rope, *nested]}


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

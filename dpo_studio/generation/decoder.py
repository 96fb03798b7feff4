"""Run any causal language model forward a token at a time over rows that share a prompt and end at different times.

The prompt is read once; its key/value cache is then expanded to the rows that answer it. Rows that ended leave the
batch. This is for models that `rows` cannot decode. Not here: which token comes next.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

_CHUNK = 256
#: A product with one row takes another path in the CPU's libraries and rounds differently than with
#: several, so a lone row is doubled: a row's numbers then hardly depend on how many are beside it.
_FEWEST = 2


class GrowingLayer(DynamicLayer):
    """A layer of the cache that is written in place, where transformers copies all of it at every token.

    Args:
        layer: a filled layer; its rows are picked by `rows`, one of them as often as wanted.
        room: tokens that will come, at most.
    """

    def __init__(self, layer: DynamicLayer, rows: torch.Tensor, room: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self._room = room
        self._keys = self._with_room(layer.keys.index_select(0, rows))
        self._values = self._with_room(layer.values.index_select(0, rows))
        self._show(layer.keys.shape[-2])

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        begin = self.keys.shape[-2]
        end = begin + key_states.shape[-2]
        if end > self._keys.shape[-2]:
            self._keys, self._values = self._with_room(self.keys), self._with_room(self.values)
        self._keys[:, :, begin:end] = key_states
        self._values[:, :, begin:end] = value_states
        self._show(end)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        self._keys = self._keys.index_select(0, beam_idx)
        self._values = self._values.index_select(0, beam_idx)
        self._show(self.keys.shape[-2])

    def _with_room(self, states: torch.Tensor) -> torch.Tensor:
        rows, heads, length, width = states.shape
        wide = states.new_empty(rows, heads, length + max(1, min(self._room, _CHUNK)), width)
        wide[:, :, :length] = states
        return wide

    def _show(self, length: int) -> None:
        self.keys, self.values = self._keys[:, :, :length], self._values[:, :, :length]


class Decoder:
    """The rows' state. `logits` are of each row's next token, shape (rows, vocabulary), float32.

    Args:
        model: without PEFT's wrapper; adapters on its layers work.
        prompt: token ids.
        rows: how many rows answer it.
        room: tokens that will be added to a row at most.
    """

    def __init__(
        self, model: torch.nn.Module, prompt: Sequence[int], rows: int, *, room: int, device: torch.device
    ) -> None:
        self._model, self._device = model, device
        parameters = inspect.signature(model.forward).parameters
        self._extra: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self._ids = torch.tensor([list(prompt)], device=device)
        self._prefill(self._pick([0] * rows), rows, room)

    @torch.no_grad()
    def _prefill(self, picked: torch.Tensor, rows: int, room: int) -> None:
        out = self._forward(self._ids, None)
        cache = getattr(out, "past_key_values", None)
        self._cache = cache if isinstance(cache, Cache) else None
        if self._cache is not None:
            self._expand(self._cache, picked, room)
        self._ids = self._ids.index_select(0, picked)
        self.logits = out.logits[:, -1].float().index_select(0, picked)[:rows]

    @torch.no_grad()
    def step(self, tokens: Sequence[int], kept: Sequence[int]) -> torch.Tensor:
        """Add a token to the rows that go on and return their next logits.

        Args:
            tokens: a token for each row in `kept`.
            kept: rows that go on, as indices into the rows of the last call; the others are dropped.
        """
        picked = self._pick(kept)
        if len(picked) != self._ids.shape[0] or picked.tolist() != list(range(len(picked))):
            if self._cache is not None:
                self._cache.reorder_cache(picked)
            self._ids = self._ids.index_select(0, picked)
        column = torch.tensor([*tokens, *tokens][: len(picked)], device=self._device)[:, None]
        if self._cache is None:
            self._ids = torch.cat([self._ids, column], dim=-1)
            out = self._forward(self._ids, None)
        else:
            self._ids = column
            out = self._forward(column, self._cache)
        self.logits = out.logits[:, -1].float()[: len(kept)]
        return self.logits

    def _forward(self, ids: torch.Tensor, cache: Cache | None) -> Any:
        extra = dict(self._extra)
        if cache is not None:
            extra["past_key_values"] = cache
        return self._model(input_ids=ids, use_cache=True, **extra)

    def _pick(self, rows: Sequence[int]) -> torch.Tensor:
        doubled = [*rows] * _FEWEST if len(rows) < _FEWEST else [*rows]
        return torch.tensor(doubled, device=self._device)

    @staticmethod
    def _expand(cache: Cache, picked: torch.Tensor, room: int) -> None:
        for index, layer in enumerate(cache.layers):
            if type(layer) is DynamicLayer and layer.is_initialized:
                cache.layers[index] = GrowingLayer(layer, picked, room)
            else:
                layer.reorder_cache(picked)

"""Rows that decode in step, of any prompts and lengths: new ones join, those that ended leave.

Each prompt is read alone and once, whatever is decoded beside it. Not here: which token comes next.

Measured on a CPU on 2026-11-25: a row of a matrix product has the same bits whatever the other rows are and however
many, on one thread in bfloat16 always and in float32 from four rows on, and on two threads from sixteen on; with packed
weights from two on. So there are never fewer than `Lean.fewest` or FEWEST, some of which are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .lean import Lean
from .row_attention import FEWEST, FEWEST_ATTENDING, STEP, Shared, round_up
from .shared_attention import Layout, forward_rows


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prompt that was read.

    Attributes:
        keys, values: for each layer (shared heads, length, width).
        logits: of its next token, shape (1, vocabulary), float32.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    length: int
    logits: torch.Tensor

    @property
    def token_bytes(self) -> float:
        """Of one token's keys and values."""
        return sum(layer.nbytes for layer in (*self.keys, *self.values)) / self.length


class Rows:
    """The rows' state, for a model that `shared_attention.takes_rows`.

    Attributes:
        logits: of each row's next token, shape (rows, vocabulary), float32.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model, self._device = model, device
        self._layout: Layout | None = None
        self._prompt_lengths: list[int] = []
        self._lengths: list[int] = []
        self.logits = torch.empty(0, 0, device=device)

    def __len__(self) -> int:
        return len(self._lengths)

    @torch.no_grad()
    def read(self, prompt: Sequence[int]) -> Prefix:
        """Read a prompt, for rows that join later."""
        ids = torch.tensor([list(prompt)], device=self._device)
        out = self._model(input_ids=ids, use_cache=True, logits_to_keep=1)
        layers = out.past_key_values.layers
        return Prefix(
            [layer.keys[0].contiguous() for layer in layers],
            [layer.values[0].contiguous() for layer in layers],
            len(prompt),
            out.logits[:, -1].float(),
        )

    def join(self, prefix: Prefix, count: int) -> None:
        """Add rows that answer a prompt; they come last."""
        shared = Shared(prefix.keys, prefix.values, prefix.length, len(self), len(self) + count)
        if self._layout is None:
            heads, _, width = prefix.keys[0].shape
            own = prefix.keys[0].new_zeros(len(prefix.keys), 2, heads, 0, STEP, width)
            self._layout = Layout([], own, torch.empty(0), torch.empty(0))
        self._layout.prompts.append(shared)
        self._layout.changed()
        self._resize(rows=len(self) + count)
        self._prompt_lengths += [prefix.length] * count
        self._lengths += [0] * count
        fresh = prefix.logits.expand(count, -1)
        self.logits = torch.cat([self.logits, fresh]) if len(self.logits) else fresh.clone()

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these, which must be in ascending order."""
        if len(rows) == len(self) or self._layout is None:
            return
        left = set(rows)
        prompts, start = [], 0
        for shared in self._layout.prompts:
            count = sum(row in left for row in range(shared.start, shared.stop))
            if count:
                prompts.append(Shared(shared.keys, shared.values, shared.length, start, start + count))
            start += count
        self._lengths = [self._lengths[row] for row in rows]
        self._prompt_lengths = [self._prompt_lengths[row] for row in rows]
        index = torch.tensor(list(rows), dtype=torch.long, device=self._device)
        self.logits = self.logits.index_select(0, index)
        if not rows:
            self._layout = None
            return
        room = round_up(max(self._lengths) + 1)
        own = self._layout.own[..., :room, :].index_select(3, index)
        self._layout = Layout(prompts, own, self._layout.places, self._layout.hidden)
        self._resize(rows=len(rows))

    @torch.no_grad()
    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Add a token to each row; their next logits."""
        layout = self._layout
        assert layout is not None and len(tokens) == len(self)
        self._resize(rows=len(self), room=round_up(max(self._lengths) + 1))
        heads, count, room = layout.own.shape[2:5]
        lean = Lean.of(self._model)
        fewest = lean.fewest if lean else FEWEST
        empty = [0] * (-(-count // fewest) * fewest - len(self))
        lengths = torch.tensor(self._lengths + empty, device=self._device)
        positions = lengths + torch.tensor(self._prompt_lengths + empty, device=self._device)
        ids = torch.tensor([*tokens, *empty], device=self._device)
        begin = torch.arange(2 * heads * count, device=self._device).view(-1, count) * room
        layout.places = (begin + lengths[:count]).flatten()
        later = torch.arange(room, device=self._device) > lengths[:count, None, None]
        layout.hidden = layout.own.new_zeros(later.shape).masked_fill_(later, float("-inf"))
        made = lean.forward(ids, positions, layout) if lean else forward_rows(self._model, ids, positions, layout)
        self.logits = made[: len(self)].float()
        self._lengths = [length + 1 for length in self._lengths]
        return self.logits

    def _resize(self, *, rows: int, room: int = 0) -> None:
        """Make place for rows, or for longer ones."""
        layout = self._layout
        assert layout is not None
        layers, _, heads, old_rows, old_room, width = layout.own.shape
        rows, room = max(rows, FEWEST_ATTENDING), max(room, old_room)
        if (rows, room) == (old_rows, old_room):
            return
        own = layout.own.new_zeros(layers, 2, heads, rows, room, width)
        own[:, :, :, :old_rows, :old_room] = layout.own
        layout.own = own
        layout.changed()

"""The attention of rows that each decode one token, in buffers and views that are made once for many steps.

What is beside a row changes no bit of it: it has places of its own in every buffer, and no product has so few rows that
libraries would take another path.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Keys are counted in steps of this many, so that sums over them fall into the same lanes whatever follows.
STEP = 32
#: Rows of a matrix product at least: with fewer, libraries take other paths by the number of rows and of threads, which
#: round differently. More of them go at once where that was seen to give the same bits (see `products`).
FEWEST = 16
#: Rows that attention is computed for at least, for the same reason.
FEWEST_ATTENDING = 4


def round_up(length: int) -> int:
    """The next whole number of steps."""
    return -(-length // STEP) * STEP


@dataclass(frozen=True, slots=True)
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


class RowAttention:
    """Attention to prompts and to each row's own keys.

    Args:
        own: (layers, 2, shared heads, rows, room, width): each row's own keys and values, zeros where there are none.
        repeats: query heads for each shared one.

    Attributes:
        query: (shared heads, rows, repeats, width), scaled, to be written before each call.
        fresh: (2, shared heads, rows, width): this step's keys and values, to be written before each call.
        places: (2 · shared heads · rows,) where those go, in a layer of `own` without its last dimension.
        hidden: (rows, 1, room): 0 for own keys that a row has, with this step's, -inf for the others.
    """

    def __init__(self, prompts: list[Shared], own: Tensor, repeats: int) -> None:
        _, _, heads, rows, room, width = own.shape
        first = max((round_up(prompt.length) for prompt in prompts), default=0)
        self.query = own.new_zeros(heads, rows, repeats, width)
        self.fresh = own.new_zeros(2, heads, rows, width)
        self.places, self.hidden = torch.empty(0), torch.empty(0)
        self._out = torch.empty_like(self.query)
        self._scores = own.new_full((heads, rows, repeats, first + room), float("-inf"))
        self._weights = torch.empty_like(self._scores)
        self._own_scores = self._scores[..., first:]
        self._own_weights = self._weights[..., first:].view(heads * rows, repeats, room)
        self._flat_query, self._flat_out = (each.view(heads * rows, repeats, width) for each in (self.query, self._out))
        self._flat_fresh = self.fresh.view(-1, width)
        self._own = [
            (layer.view(-1, width), layer[0].flatten(0, 1).transpose(1, 2), layer[1].flatten(0, 1)) for layer in own
        ]
        self._parts = [_Part(prompt, self.query, self._scores, self._weights, self._out) for prompt in prompts]

    def __call__(self, layer: int, softcap: float | None = None) -> Tensor:
        """What each row sees, shape as the query's; valid until the next call."""
        own, keys, values = self._own[layer]
        own.index_copy_(0, self.places, self._flat_fresh)
        for part in self._parts:
            part.score(layer, softcap)
        found = _capped(torch.bmm(self._flat_query, keys), softcap)
        torch.add(found.view(self._own_scores.shape), self.hidden, out=self._own_scores)
        torch.softmax(self._scores, -1, out=self._weights)
        torch.bmm(self._own_weights, values, out=self._flat_out)
        for part in self._parts:
            part.add(layer)
        return self._out


class _Part:
    """What of the buffers is a prompt's."""

    def __init__(self, prompt: Shared, query: Tensor, scores: Tensor, weights: Tensor, out: Tensor) -> None:
        heads, _, repeats, width = query.shape
        self._count = (prompt.stop - prompt.start) * repeats

        def mine(of: Tensor, length: int) -> Tensor:
            return of[:, prompt.start : prompt.stop, :, :length].view(heads, self._count, length)

        self._query, self._out = mine(query, width), mine(out, width)
        self._scores, self._weights = mine(scores, prompt.length), mine(weights, prompt.length)
        self._keys, self._values = [keys.transpose(1, 2) for keys in prompt.keys], prompt.values

    def score(self, layer: int, softcap: float | None) -> None:
        self._scores.copy_(_capped(self._product(self._query, self._keys[layer]), softcap))

    def add(self, layer: int) -> None:
        self._out.add_(self._product(self._weights, self._values[layer]))

    def _product(self, left: Tensor, right: Tensor) -> Tensor:
        if self._count >= FEWEST:
            return torch.bmm(left, right)
        return torch.bmm(torch.nn.functional.pad(left, (0, 0, 0, FEWEST - self._count)), right)[:, : self._count]


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else (scores / softcap).tanh() * softcap

"""Where the parts of a row's groups lie, for attention that computes every group by itself.

A part is a block of a prompt's queries with the keys they see, or all answers of a group with theirs. The states of
all parts are fetched at once, so there is one look-up a row and layer instead of several a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Scores (heads · queries · keys) that are held at once: a longer prompt is taken in blocks of queries, which stay in
#: the processor's cache.
BLOCK_SCORES = 400_000


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt's places in its row, [start, prompt_end), and how many tokens each answer behind it has, in order."""

    start: int
    prompt_end: int
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A batch of products: (batch, repeats · places) queries, from `query` on, with (batch, keys) keys, from `key` on.

    Attributes:
        query, key: rows of the fetched queries and keys, of which each is one head at one place.
        places: queries a head. What one of them must not see is among the last keys, as many as there are places.
    """

    query: int
    key: int
    batch: int
    repeats: int
    places: int
    keys: int

    @property
    def queries(self) -> int:
        """Rows of the fetched queries."""
        return self.batch * self.repeats * self.places


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch from (length · heads, width) queries and (length · shared heads, width) keys, and how to put back.

    Attributes:
        queries, keys: rows to fetch, part by part. Answers are padded to the longest with the first place of all.
        real_queries: the same as `queries`, but one past the last row for what only pads.
        answers: (length · heads,) the fetched query that stands for each row; one past the last of them for a row
            of no group.
        sums: each (length · shared heads,): fetched keys whose gradients are to be added up, in order; one past the
            last of them stands for none.
    """

    parts: tuple[Part, ...]
    queries: Tensor
    real_queries: Tensor
    keys: Tensor
    answers: Tensor
    sums: tuple[Tensor, ...]


def group_of(prompt: range, answers: Sequence[range]) -> Group:
    """The places of a group whose answers follow its prompt, in order and without gaps."""
    return Group(prompt.start, prompt.stop, tuple(len(answer) for answer in answers if answer))


def plan(groups: Sequence[Group], length: int, heads: int, shared_heads: int) -> Plan:
    """The parts of a row of `length` places, with so many heads of queries, and of keys."""
    parts: list[Part] = []
    queries: list[Tensor] = []
    keys: list[Tensor] = []
    real_queries: list[Tensor] = []
    real_keys: list[Tensor] = []
    at_query = at_key = 0
    for group in groups:
        for query_places, key_places, real in _places(group, heads):
            batch, places = query_places.shape
            seen_keys = key_places.shape[1]
            repeats = heads // shared_heads
            parts.append(Part(at_query, at_key, shared_heads * batch, repeats, places, seen_keys))
            head = torch.arange(heads).view(shared_heads, 1, repeats, 1)
            queries.append((query_places.view(1, batch, 1, places) * heads + head).flatten())
            real_queries.append(real.view(1, batch, 1, places).expand(shared_heads, -1, repeats, -1).flatten())
            head = torch.arange(shared_heads).view(shared_heads, 1, 1)
            keys.append((key_places * shared_heads + head).flatten())
            seen = torch.ones(batch, seen_keys, dtype=torch.bool)
            seen[:, seen_keys - places :] &= real
            real_keys.append(seen.expand(shared_heads, -1, -1).flatten())
            at_query, at_key = at_query + parts[-1].queries, at_key + shared_heads * batch * seen_keys
    fetched, of_keys = _cat(queries), _cat(keys)
    answers = torch.full((length * heads,), len(fetched))
    pads = ~_cat(real_queries).bool()
    mine = (~pads).nonzero()[:, 0]
    answers[fetched[mine]] = mine
    real = fetched.masked_fill(pads, length * heads)
    sums = _sums(of_keys, _cat(real_keys).bool(), length * shared_heads)
    return Plan(tuple(parts), fetched, real, of_keys, answers, sums)


def _places(group: Group, heads: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each part's places of queries (batch, places) and of keys (batch, keys), and which of the queries are real."""
    length = group.prompt_end - group.start
    prompt = torch.arange(group.start, group.prompt_end)
    block = max(32, BLOCK_SCORES // (heads * max(1, length)))
    for first in range(0, length, block):
        last = min(length, first + block)
        yield prompt[None, first:last], prompt[None, :last], torch.ones(1, last - first, dtype=torch.bool)
    if group.answers:
        lengths = torch.tensor(group.answers)[:, None]
        offsets = torch.arange(int(lengths.max()))
        real = offsets < lengths
        starts = group.prompt_end + torch.cumsum(lengths, 0) - lengths
        own = torch.where(real, starts + offsets, group.prompt_end)
        yield own, torch.cat([prompt.expand(len(own), -1), own], dim=1), real


def _sums(fetched: Tensor, real: Tensor, rows: int) -> tuple[Tensor, ...]:
    """For every row the fetched keys that are it: the first of each, then the second, ..."""
    sources = real.nonzero()[:, 0]
    targets, order = torch.sort(fetched[sources], stable=True)
    sources = sources[order]
    first = torch.searchsorted(targets, targets, right=False)
    number = torch.arange(len(targets)) - first
    sums = []
    for count in range(int(number.max()) + 1 if len(number) else 0):
        which = torch.full((rows,), len(fetched), dtype=torch.long)
        mine = number == count
        which[targets[mine]] = sources[mine]
        sums.append(which)
    return tuple(sums)


def _cat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([*parts]) if parts else torch.zeros(0, dtype=torch.long)

"""Attention within groups, on a CPU: the prompt once, every answer against the prompt and itself.

Each group is computed by itself, from its own rows only, so neighbours in a row change nothing, not even a last bit.
Plain products and a softmax beat the fused kernel here, whose backward pass in bf16 is slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

#: Scores (heads · queries · keys) that are held at once: a longer prompt is taken in blocks of queries, which stay in
#: the processor's cache.
_BLOCK_SCORES = 400_000
#: Scores up to which a part's probabilities are kept for the backward pass; above, they are computed again.
_KEPT_SCORES = 4_000_000


@dataclass(frozen=True, slots=True)
class GroupPlaces:
    """Where a group lies in its row.

    Attributes:
        start, prompt_end, end: the prompt is [start, prompt_end), all answers [prompt_end, end).
        answers, longest: how many answers there are, and the places of the longest.
        take: (answers · longest,) the answers side by side: places of the row, from `prompt_end` on, padded with 0.
        give: (end − prompt_end,) where in `take` each place of the answers is.
    """

    start: int
    prompt_end: int
    end: int
    answers: int
    longest: int
    take: Tensor
    give: Tensor


def places_of(prompt: range, answers: Sequence[range], *, device: torch.device) -> GroupPlaces:
    """The places of a group whose answers follow its prompt, in order and without gaps."""
    answers = [answer for answer in answers if answer]
    longest = max(map(len, answers), default=0)
    take = [p - prompt.stop for answer in answers for p in [*answer, *[prompt.stop] * (longest - len(answer))]]
    give = [number * longest + offset for number, answer in enumerate(answers) for offset in range(len(answer))]
    return GroupPlaces(
        start=prompt.start,
        prompt_end=prompt.stop,
        end=prompt.stop + len(give),
        answers=len(answers),
        longest=longest,
        take=torch.tensor(take, dtype=torch.long, device=device),
        give=torch.tensor(give, dtype=torch.long, device=device),
    )


def attend_in_groups(
    query: Tensor, key: Tensor, value: Tensor, groups: Sequence[GroupPlaces], scaling: float
) -> Tensor:
    """Causal attention of every prompt, and of every answer behind its prompt.

    Args:
        query: (1, heads, length, width); key and value with as many or fewer heads.

    Returns:
        (1, length, heads, width)
    """
    rows = [states[0].transpose(0, 1) for states in (query, key, value)]
    return _InGroups.apply(*rows, groups, scaling)[None]


class _InGroups(torch.autograd.Function):
    """On (length, heads, width); the work is done in parts of (shared heads · answers, queries, width)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, groups: Sequence[GroupPlaces], scaling: float
    ) -> Tensor:
        out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        kept: list[Tensor | None] = []
        keeps = any(ctx.needs_input_grad[:3])
        for group in groups:
            for part in _parts(group, query.shape[1], query.shape[1] // key.shape[1]):
                result, probabilities = part.attend(query, key, value, scaling)
                part.put(out, result)
                kept.append(probabilities if keeps and probabilities.numel() <= _KEPT_SCORES else None)
        if keeps:
            ctx.save_for_backward(query, key, value, *kept)
            ctx.groups, ctx.scaling = groups, scaling
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors
        by_query, by_key, by_value = (torch.zeros_like(states) for states in (query, key, value))
        probabilities = iter(kept)
        for group in ctx.groups:
            for part in _parts(group, query.shape[1], query.shape[1] // key.shape[1]):
                part.attend_back(
                    grads[0], query, key, value, next(probabilities), ctx.scaling, into=(by_query, by_key, by_value)
                )
        return by_query, by_key, by_value, None, None


@dataclass(frozen=True, slots=True)
class _Part:
    """Some queries of a group, and the keys they see.

    Attributes:
        repeats: query heads to a key head.
        first, last: a block of the prompt's own places; or else, when `answers`, all answers.
    """

    group: GroupPlaces
    repeats: int
    first: int
    last: int
    answers: bool

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
        q, k, v = self._queries(query), self._keys(key), self._keys(value)
        probabilities = self._probabilities(q, k, scaling)
        return torch.bmm(probabilities, v), probabilities

    def attend_back(
        self,
        by_out: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        probabilities: Tensor | None,
        scaling: float,
        *,
        into: tuple[Tensor, Tensor, Tensor],
    ) -> None:
        """Add this part's gradients to `into`."""
        q, k, v = self._queries(query), self._keys(key), self._keys(value)
        if probabilities is None:
            probabilities = self._probabilities(q, k, scaling)
        d_out = self._queries(by_out, empty=True)
        by_probabilities = torch.bmm(d_out, v.transpose(1, 2))
        by_scores = torch.ops.aten._softmax_backward_data(by_probabilities, probabilities, -1, q.dtype)
        by_query, by_key, by_value = into
        self.put(by_query, torch.bmm(by_scores, k).mul_(scaling))
        self._add_to_keys(by_key, torch.bmm(by_scores.transpose(1, 2), q).mul_(scaling))
        self._add_to_keys(by_value, torch.bmm(probabilities.transpose(1, 2), d_out))

    def _probabilities(self, q: Tensor, k: Tensor, scaling: float) -> Tensor:
        parts, places, keys = len(q), q.shape[1] // self.repeats, k.shape[1]
        scores = torch.baddbmm(q.new_empty(()), q, k.transpose(1, 2), beta=0, alpha=scaling)
        # What a place must not see is among the last keys, as many as there are places.
        scores.view(parts, self.repeats, places, keys)[..., keys - places :].add_(_later(places, q.dtype, q.device))
        return torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)

    def _queries(self, states: Tensor, *, empty: bool = False) -> Tensor:
        """(parts, repeats · places, width) of (length, heads, width); with `empty`, padding is 0."""
        group, width = self.group, states.shape[2]
        if not self.answers:
            rows = states[group.start + self.first : group.start + self.last]
            return (
                rows.view(len(rows), -1, self.repeats, width)
                .permute(1, 2, 0, 3)
                .reshape(-1, self.repeats * len(rows), width)
            )
        rows = states[group.prompt_end : group.end]
        if empty:
            padded = rows.new_zeros(len(group.take), *rows.shape[1:]).index_copy_(0, group.give, rows)
        else:
            padded = rows.index_select(0, group.take)
        shape = (group.answers, group.longest, -1, self.repeats, width)
        return padded.view(shape).permute(2, 0, 3, 1, 4).reshape(-1, self.repeats * group.longest, width)

    def put(self, out: Tensor, result: Tensor) -> None:
        """Write (parts, repeats · places, width) to its places of (length, heads, width)."""
        group, width = self.group, out.shape[2]
        if not self.answers:
            rows = result.view(-1, self.repeats, self.last - self.first, width).permute(2, 0, 1, 3)
            out[group.start + self.first : group.start + self.last] = rows.reshape(len(rows), -1, width)
            return
        rows = result.view(-1, group.answers, self.repeats, group.longest, width).permute(1, 3, 0, 2, 4)
        flat = rows.reshape(len(group.take), -1, width)
        out[group.prompt_end : group.end] = flat.index_select(0, group.give)

    def _keys(self, states: Tensor) -> Tensor:
        """(parts, keys, width) of (length, shared heads, width)."""
        group = self.group
        prompt = states[group.start : group.prompt_end].transpose(0, 1)
        if not self.answers:
            return prompt[:, : self.last].contiguous()
        heads, width = states.shape[1:]
        own = states[group.prompt_end : group.end].index_select(0, group.take)
        own = own.view(group.answers, group.longest, heads, width).permute(2, 0, 1, 3)
        prompts = prompt[:, None].expand(heads, group.answers, -1, width)
        return torch.cat([prompts, own], dim=2).flatten(0, 1)

    def _add_to_keys(self, by_states: Tensor, gradient: Tensor) -> None:
        group = self.group
        prompt = by_states[group.start : group.prompt_end]
        if not self.answers:
            prompt[: self.last] += gradient.transpose(0, 1)
            return
        heads, width = by_states.shape[1:]
        length = group.prompt_end - group.start
        gradient = gradient.view(heads, group.answers, -1, width)
        prompt += gradient[:, :, :length].sum(dim=1).transpose(0, 1)
        own = gradient[:, :, length:].permute(1, 2, 0, 3).reshape(-1, heads, width)
        by_states[group.prompt_end : group.end] += own.index_select(0, group.give)


@lru_cache(maxsize=16)  # a row has few lengths, and every layer asks for them again
def _later(places: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(places, places): -inf where the key comes after the query, else 0."""
    return torch.full((places, places), float("-inf"), dtype=dtype, device=device).triu_(1)


def _parts(group: GroupPlaces, heads: int, repeats: int) -> Iterator[_Part]:
    length = group.prompt_end - group.start
    block = max(32, _BLOCK_SCORES // (heads * max(1, length)))
    for first in range(0, length, block):
        yield _Part(group, repeats, first, min(length, first + block), answers=False)
    if group.longest:
        yield _Part(group, repeats, 0, group.longest, answers=True)

"""Attention within groups, on a CPU: the prompt once, every answer against the prompt and itself.

Each group is computed by itself, from its own rows only, so neighbours in a row change nothing, not even a last bit.
Plain products and a softmax beat the fused kernel here, whose backward pass in bf16 is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .group_places import Group, Part, Plan, plan

#: Scores up to which a part's probabilities are kept for the backward pass; above, they are computed again.
_KEPT_SCORES = 4_000_000


class Groups:
    """The groups of a row of `length` places; the plan is made once for all layers with as many heads."""

    def __init__(self, groups: Sequence[Group], length: int) -> None:
        self._groups, self._length = tuple(groups), length
        self._plans: dict[tuple[int, int], Plan] = {}

    def plan(self, heads: int, shared_heads: int) -> Plan:
        if (heads, shared_heads) not in self._plans:
            self._plans[heads, shared_heads] = plan(self._groups, self._length, heads, shared_heads)
        return self._plans[heads, shared_heads]


def attend_in_groups(query: Tensor, key: Tensor, value: Tensor, groups: Groups, scaling: float) -> Tensor:
    """Causal attention of every prompt, and of every answer behind its prompt.

    Args:
        query: (1, heads, length, width); key and value with as many or fewer heads.

    Returns:
        (1, length, heads, width)
    """
    rows = [states[0].transpose(0, 1) for states in (query, key, value)]
    return _InGroups.apply(*rows, groups.plan(query.shape[1], key.shape[1]), scaling)[None]


class _InGroups(torch.autograd.Function):
    """On (length, heads, width)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, plan: Plan, scaling: float) -> Tensor:
        queries, keys, values = _fetch(query, plan.queries), _fetch(key, plan.keys), _fetch(value, plan.keys)
        results = _with_none(queries, value.shape[-1])
        kept: list[Tensor | None] = []
        keeps = any(ctx.needs_input_grad[:3])
        for part in plan.parts:
            probabilities = _probabilities(part, queries, keys, scaling)
            torch.bmm(probabilities, _keys_of(part, values), out=_queries_of(part, results))
            kept.append(probabilities if keeps and probabilities.numel() <= _KEPT_SCORES else None)
        if keeps:
            ctx.save_for_backward(queries, keys, values, *kept)
            ctx.plan, ctx.scaling, ctx.shapes = plan, scaling, (query.shape, key.shape, value.shape)
        return results.index_select(0, plan.answers).view(*query.shape[:2], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, values, *kept = ctx.saved_tensors
        plan: Plan = ctx.plan
        by_out = grads[0].reshape(-1, grads[0].shape[-1])
        # A query that only pads has no gradient, so it gives none to the keys.
        by_results = torch.cat([by_out, by_out.new_zeros(1, by_out.shape[-1])]).index_select(0, plan.real_queries)
        by_queries, by_keys, by_values = (_with_none(fetched, fetched.shape[-1]) for fetched in (queries, keys, values))
        for part, probabilities in zip(plan.parts, kept, strict=True):
            if probabilities is None:
                probabilities = _probabilities(part, queries, keys, ctx.scaling)
            by_result = _queries_of(part, by_results)
            by_probabilities = torch.bmm(by_result, _keys_of(part, values).mT)
            by_scores = torch.ops.aten._softmax_backward_data(by_probabilities, probabilities, -1, queries.dtype)
            torch.bmm(by_scores, _keys_of(part, keys), out=_queries_of(part, by_queries))
            # Copies, since products with a transposed left side take several times as long to compile.
            torch.bmm(by_scores.mT.contiguous(), _queries_of(part, queries), out=_keys_of(part, by_keys))
            torch.bmm(probabilities.mT.contiguous(), by_result, out=_keys_of(part, by_values))
        by_query = by_queries.index_select(0, plan.answers).mul_(ctx.scaling)
        by_key = _summed(by_keys, plan).mul_(ctx.scaling)
        of_query, of_key, of_value = ctx.shapes
        return by_query.view(of_query), by_key.view(of_key), _summed(by_values, plan).view(of_value), None, None


def _fetch(states: Tensor, rows: Tensor) -> Tensor:
    """(fetched, width) of (length, heads, width)."""
    return states.reshape(-1, states.shape[-1]).index_select(0, rows)


def _queries_of(part: Part, fetched: Tensor) -> Tensor:
    """(batch, repeats · places, width)"""
    rows = fetched[part.query : part.query + part.queries]
    return rows.view(part.batch, -1, fetched.shape[-1])


def _keys_of(part: Part, fetched: Tensor) -> Tensor:
    """(batch, keys, width)"""
    return fetched[part.key : part.key + part.batch * part.keys].view(part.batch, part.keys, fetched.shape[-1])


def _probabilities(part: Part, queries: Tensor, keys: Tensor, scaling: float) -> Tensor:
    """(batch, repeats · places, keys)"""
    q, k = _queries_of(part, queries), _keys_of(part, keys)
    scores = torch.baddbmm(q.new_empty(()), q, k.mT, beta=0, alpha=scaling)
    last = scores.view(part.batch, part.repeats, part.places, part.keys)[..., part.keys - part.places :]
    last.add_(_later(part.places, scores.dtype, scores.device))
    return torch.softmax(scores, dim=-1)


def _with_none(fetched: Tensor, width: int) -> Tensor:
    """As many rows as `fetched`, to be written, and a row of zeros behind them."""
    more = fetched.new_empty(len(fetched) + 1, width)
    more[-1] = 0
    return more


def _summed(by_fetched: Tensor, plan: Plan) -> Tensor:
    """(length · shared heads, width): each row's gradients added up, in an order that is its own group's alone."""
    total = by_fetched.index_select(0, plan.sums[0])
    for which in plan.sums[1:]:
        total += by_fetched.index_select(0, which)
    return total


@lru_cache(maxsize=16)  # a row has few lengths, and every layer asks for them again
def _later(places: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(places, places): -inf where the key comes after the query, else 0."""
    return torch.full((places, places), float("-inf"), dtype=dtype, device=device).triu_(1)

"""Attention within groups against one masked attention over the whole row, values and gradients."""

from __future__ import annotations

import random

import pytest
import torch

from dpo_studio.training import group_attention, group_places
from dpo_studio.training.forward import lay_row
from dpo_studio.training.group_attention import attend_in_groups


def masked(query, key, value, mask, scaling):
    repeats = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(repeats, dim=1) for states in (key, value))
    scores = query @ key.transpose(2, 3) * scaling + mask
    return (scores.softmax(-1) @ value).transpose(1, 2)


def states(length, *, heads, shared_heads, dtype=torch.float64):
    torch.manual_seed(length)
    sizes = (heads, shared_heads, shared_heads)
    # As rotary embeddings leave them: the places outermost in memory.
    return [torch.randn(1, length, n, 8, dtype=dtype).transpose(1, 2).requires_grad_() for n in sizes]


@pytest.mark.parametrize("block", [400_000, 1], ids=["whole prompts", "blocks of queries"])
@pytest.mark.parametrize("kept", [4_000_000, 0], ids=["kept", "computed again"])
@pytest.mark.parametrize(("heads", "shared_heads"), [(4, 2), (3, 3), (6, 1)])
def test_values_and_gradients_are_those_of_a_masked_row(heads, shared_heads, kept, block, make_example, monkeypatch):
    monkeypatch.setattr(group_places, "BLOCK_SCORES", block)
    monkeypatch.setattr(group_attention, "_KEPT_SCORES", kept)
    rng = random.Random(5)
    examples = [make_example(rng, "a", k=3, prompt=70, longest=9), make_example(rng, "b", k=2, prompt=3)]
    row = lay_row(examples, device=torch.device("cpu"), dtype=torch.float64, segmented=True)
    mask = lay_row(examples, device=torch.device("cpu"), dtype=torch.float64).mask
    parts = states(row.tokens.shape[1], heads=heads, shared_heads=shared_heads)
    ours = attend_in_groups(*parts, row.segments.groups, 0.3)
    laid = mask.shape[-1]
    theirs = masked(*(states[:, :, :laid] for states in parts), mask, 0.3)
    assert laid < ours.shape[1] and not ours[:, laid:].any(), "tokens that fill the row up see nothing"
    ours = ours[:, :laid]
    assert torch.allclose(ours, theirs, atol=1e-6)
    slope = torch.randn(ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(1))
    for found, wanted in zip(
        torch.autograd.grad(ours, parts, slope), torch.autograd.grad(theirs, parts, slope), strict=True
    ):
        assert torch.allclose(found, wanted, atol=1e-5)


def test_a_group_has_the_same_bits_in_any_company(make_example):
    """In bf16 too, whatever lies before, behind, and how long it is."""
    rng = random.Random(6)
    group, *others = (make_example(rng, str(n), k=3, prompt=20 + 9 * n, longest=30) for n in range(4))
    alone = outputs([group])[:, : laid_length(group)]
    for company in ([others[0], group], [group, others[1]], [others[2], group, others[0]]):
        start = sum(laid_length(other) for other in company[: company.index(group)])
        assert torch.equal(outputs(company)[:, start : start + alone.shape[1]], alone)


def laid_length(example):
    return lay_row([example], device=torch.device("cpu"), dtype=torch.float32).tokens.shape[1]


def outputs(examples):
    row = lay_row(examples, device=torch.device("cpu"), dtype=torch.bfloat16, segmented=True)
    table = torch.randn(500, 4 * 16, generator=torch.Generator().manual_seed(3)).bfloat16()
    # What a place holds depends on its token and its position alone.
    values = table[(row.tokens[0] * 7 + row.positions[0]) % 500].view(1, -1, 4, 16).transpose(1, 2)
    return attend_in_groups(values, values[:, :2], values[:, 2:], row.segments.groups, 0.25)

"""FlexAttention over packed rows, and recorded layers, against the naive forward. The kernels themselves need a GPU."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.models.logprobs import token_logps
from dpo_studio.training import adapter, block_attention, replay
from dpo_studio.training.block_attention import blocks_of, filled_length
from dpo_studio.training.forward import Scorer, choose_scorer

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def with_adapter(model, **settings):
    model, _ = adapter.attach(model, TrainingSettings(lora_rank=3, lora_alpha=6, **settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for _, parameter in adapter.trainable(model):
            parameter.copy_(0.2 * torch.randn(parameter.shape))
    return model


def groups_of(make_example, count, seed=3):
    rng = random.Random(seed)
    return [make_example(rng, str(n), k=2 + n % 3, prompt=5 + 7 * n, longest=12) for n in range(count)]


def naive_of(model, group):
    return torch.stack([token_logps(model, group.prompt, ids).sum() for ids in group.completions])


def values_and_gradient(values, weights, trained):
    """The gradient in one vector; nothing of the graph is left, as after a step."""
    found = torch.cat(values())
    gradients = torch.autograd.grad((found * weights).sum(), trained)
    return torch.cat([gradient.flatten() for gradient in gradients]), found.detach()


def test_a_place_sees_its_prompt_and_its_own_part_and_nothing_later():
    parts = [(range(0, 3), [range(3, 5), range(5, 8)]), (range(8, 9), [range(9, 11)])]
    length = filled_length(11)
    blocks = blocks_of(parts, length, device=torch.device("cpu"))
    place = torch.arange(length)
    seen = blocks.mask.mask_mod(0, 0, place[:, None], place[None, :])
    for prompt, completions in parts:
        for part in (prompt, *completions):
            for query in part:
                expected = [k for k in (*prompt, *part) if k <= query]
                assert seen[query].nonzero()[:, 0].tolist() == sorted(set(expected))
    assert seen[11:, :11].sum() == 0 and seen.diagonal().all()


@pytest.mark.parametrize("seed", range(8))
def test_the_blocks_are_those_that_pytorch_finds(seed):
    rng = random.Random(seed)
    parts, at = [], 0
    while at < 900:
        ends = [at + rng.choice([1, 30, 128, 300])]
        for _ in range(rng.randint(1, 4)):
            ends.append(ends[-1] + rng.choice([0, 1, 60, 128, 260]))
        parts.append((range(at, ends[0]), [range(a, b) for a, b in itertools.pairwise(ends)]))
        at = ends[-1]
    length = filled_length(at)
    ours = blocks_of(parts, length, device=torch.device("cpu")).mask
    theirs = create_block_mask(ours.mask_mod, None, None, length, length, device="cpu")
    for name in ("kv", "full_kv", "q", "full_q"):
        counts, indices = (
            [getattr(mask, f"{name}_{kind}") for mask in (ours, theirs)] for kind in ("num_blocks", "indices")
        )
        assert torch.equal(*counts)
        for row, count in enumerate(counts[0][0, 0].tolist()):
            assert torch.equal(indices[0][0, 0, row, :count], indices[1][0, 0, row, :count]), (name, row)


def test_a_row_of_other_tensors_sees_what_they_say():
    device, length = torch.device("cpu"), 256
    first = blocks_of([(range(0, 100), [range(100, 200)])], length, device=device)
    second = blocks_of([(range(0, 10), [range(10, 150), range(150, 256)])], length, device=device)
    third = first.of_tensors(second.tensors())
    place = torch.arange(length)
    mods = [blocks.mask.mask_mod(0, 0, place[:, None], place[None, :]) for blocks in (second, third)]
    assert torch.equal(*mods)
    assert all(torch.equal(a, b) for a, b in zip(third.tensors(), second.tensors(), strict=True))
    assert torch.equal(third.mask.to_dense(), second.mask.to_dense())


@pytest.mark.parametrize(("tokens", "length"), [(1, 256), (256, 256), (257, 512), (8192, 8192), (8193, 10240)])
def test_rows_have_few_lengths(tokens, length):
    assert filled_length(tokens) == length


@torch.no_grad()
def test_rows_in_blocks_give_the_naive_values(build_model, make_example, monkeypatch):
    monkeypatch.setattr(block_attention, "_compiled", lambda: flex_attention)  # whose backward pass needs a GPU
    monkeypatch.setattr(block_attention, "works", lambda *_, **__: True)
    monkeypatch.setattr(replay, "Replays", lambda *_, **__: None)
    monkeypatch.setattr(Scorer, "_make_replays", lambda self: None)
    model = with_adapter(build_model("llama"))
    scorer = Scorer(model, shared=True)
    assert scorer._in_blocks and "blocks" in scorer.path
    groups = groups_of(make_example, 5)
    for group, found in zip(groups, scorer.logps(groups), strict=True):
        assert torch.allclose(found, naive_of(model, group), atol=1e-4)


@on_gpu
@pytest.mark.parametrize("family", ["llama", "qwen3", "mistral", "granite"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_values_and_gradients_are_the_naive_ones(family, dtype, build_model, make_example):
    """Also after the row was met often enough to be recorded, and after the adapter has changed."""
    sizes = {"hidden_size": 64, "head_dim": 16}
    changes = {"attention_multiplier": 0.3} if family == "granite" else {}
    model = with_adapter(build_model(family, **sizes, **changes).to("cuda", dtype))
    groups = groups_of(make_example, 5)
    scorer, notices = choose_scorer(model, groups)
    assert scorer._in_blocks and not notices
    trained = [parameter for _, parameter in adapter.trainable(model)]
    # In bf16 what is compared is rounding: values to its last digits, directions of gradients.
    allowed = 1e-3 if dtype == torch.float32 else 0.2
    for round_number in range(replay._WORTH_IT + 2):
        with torch.no_grad():
            trained[round_number].add_(0.05)
        weights = torch.linspace(-1, 1, sum(len(group.completions) for group in groups), device="cuda")
        (ours, found), (theirs, naive) = (
            values_and_gradient(values, weights, trained)
            for values in (lambda: scorer.logps(groups), lambda: [naive_of(model, group) for group in groups])
        )
        assert (found - naive).abs().max() < allowed * 10
        assert (ours - theirs).norm() < (1e-3 if dtype == torch.float32 else 0.05) * theirs.norm()
    assert scorer._replays is not None and scorer._replays._recordings and not scorer._replays.off


@on_gpu
def test_recorded_and_unrecorded_rows_give_the_same_bits(build_model, make_example):
    model = with_adapter(build_model("llama", hidden_size=64, head_dim=16).to("cuda", torch.bfloat16))
    groups = groups_of(make_example, 6)
    scorer, _ = choose_scorer(model, groups)
    trained = [parameter for _, parameter in adapter.trainable(model)]
    found = []
    for _ in range(replay._WORTH_IT + 1):
        values = torch.cat(scorer.logps(groups))
        found.append([values.detach(), *torch.autograd.grad(values.sum(), trained)])
        del values  # a graph that is alive while rows are recorded hinders that
    assert scorer._replays._recordings
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[-1], strict=True))


@on_gpu
def test_with_dropout_nothing_is_recorded(build_model, make_example):
    model = with_adapter(build_model("llama").to("cuda"), lora_dropout=0.1)
    scorer = Scorer(model, shared=True)
    assert scorer._replays is None

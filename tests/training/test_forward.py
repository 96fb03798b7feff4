"""Shared rows, the chunked head and packing against the naive one-row forward, values and gradients."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.models.logprobs import token_logps
from dpo_studio.training import adapter, attention, head
from dpo_studio.training.forward import Scorer, choose_scorer, lay_row

SHARED = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "gpt2": {},
    "gpt_neox": {},
    "gemma": {},
    "gemma2": {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 8},
    "gemma3_text": {"query_pre_attn_scalar": 8},
    "mistral": {"sliding_window": 64},
    "phi": {},
    "phi3": {},
    "olmo2": {},
    "smollm3": {},
    "granite": {"logits_scaling": 2.0},
    "cohere": {"logit_scale": 0.3},
    "starcoder2": {},
    "stablelm": {},
    "helium": {},
    "glm4": {},
    "nemotron": {},
    "ministral": {"sliding_window": 64},
    "seed_oss": {},
}
#: Positions whose angles depend on the longest one of a row.
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
LONG = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "rope_theta": 1e4}


def with_adapter(model):
    """A LoRA that does something: both of its halves drawn at random."""
    model, _ = adapter.attach(model, TrainingSettings(lora_rank=3, lora_alpha=6))
    torch.manual_seed(1)
    with torch.no_grad():
        for _, parameter in adapter.trainable(model):
            parameter.normal_(0, 0.2)
    return model


def gradients(model, values, weights):
    model.zero_grad()
    (values * weights).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in adapter.trainable(model)}


def weights_of(groups):
    count = sum(len(group.completions) for group in groups)
    return torch.randn(count, generator=torch.Generator().manual_seed(5))


def naively(model, groups):
    """Values and gradients of the model as it came, one answer at a time: to be asked before a scorer is chosen."""
    values = torch.stack([token_logps(model, g.prompt, ids).sum() for g in groups for ids in g.completions])
    return values.detach(), gradients(model, values, weights_of(groups))


def assert_same(model, scorer, groups, naive, expected):
    found = torch.cat(scorer.logps(groups))
    assert torch.allclose(found, naive, atol=1e-4, rtol=1e-5)
    by_row = gradients(model, found, weights_of(groups))
    largest = max(gradient.abs().max() for gradient in expected.values())
    assert largest > 1e-2
    for name, gradient in expected.items():
        assert torch.allclose(by_row[name], gradient, atol=1e-5 * max(1.0, largest), rtol=1e-4), name


@pytest.mark.parametrize("family", SHARED)
def test_shared_rows_give_the_naive_values_and_gradients(family, build_model, make_example, monkeypatch):
    # Several chunks of positions and several blocks of the vocabulary, the last ones smaller.
    monkeypatch.setitem(head._BLOCK, "cpu", 24)
    monkeypatch.setitem(head._CHUNK_ELEMENTS, "cpu", 7 * 24)
    model = with_adapter(build_model(family, **SHARED[family]))
    rng = random.Random(3)
    groups = [make_example(rng, str(n), k=k, prompt=4 + n) for n, k in enumerate((3, 4, 2))]
    naive, expected = naively(model, groups)
    scorer, notices = choose_scorer(model, groups)
    assert scorer.shared, notices
    assert_same(model, scorer, groups, naive, expected)


@pytest.mark.parametrize(
    ("family", "changes", "why"),
    [
        ("mistral", {"sliding_window": 8}, "looks back 8"),
        ("gemma3_text", {"sliding_window": 8, "query_pre_attn_scalar": 8}, "looks back 8"),
        ("llama", {"rope_parameters": DYNAMIC}, "positions depend"),
        ("phi3", {"rope_parameters": LONG, "original_max_position_embeddings": 64}, "positions depend"),
        ("mamba", {}, "mamba"),
        ("olmo", {}, "olmo"),
    ],
)
def test_other_models_get_a_row_for_each_answer(family, changes, why, build_model, make_example):
    model = with_adapter(build_model(family, **changes))
    groups = [make_example(random.Random(4), prompt=9), make_example(random.Random(5), k=2)]
    naive, expected = naively(model, groups)
    scorer, notices = choose_scorer(model, groups)
    assert not scorer.shared
    assert [notice.code for notice in notices] == ["prompt_not_shared"]
    assert why in notices[0].message
    assert_same(model, scorer, groups, naive, expected)


def test_the_probe_finds_a_model_that_does_not_do_what_its_family_does(build_model, make_example):
    model = build_model("llama")
    layer = model.model.layers[0]

    def leak(module, args, output):  # passes something along the row, past the mask
        return output + output.cumsum(dim=1) * 0.1

    layer.register_forward_hook(leak)
    scorer, notices = choose_scorer(model, [make_example(random.Random(1))])
    assert not scorer.shared
    assert "different numbers" in notices[0].message


def test_a_completion_sees_its_own_prompt_and_itself_only(make_example):
    rng = random.Random(2)
    groups = [make_example(rng, "a", k=2, prompt=3), make_example(rng, "b", k=3, prompt=2)]
    row = lay_row(groups, device=torch.device("cpu"), dtype=torch.float32)
    spans, start = [], 0  # (group, completion or None, positions in the row)
    for number, group in enumerate(groups):
        spans.append((number, None, range(start, start + len(group.prompt))))
        start += len(group.prompt)
        for part, ids in enumerate(group.completions):
            spans.append((number, part, range(start, start + len(ids) - 1)))
            start += len(ids) - 1
    assert row.tokens.shape == (1, start)
    home = {index: (number, part) for number, part, places in spans for index in places}
    for q in range(start):
        for kv in range(start):
            same_group = home[q][0] == home[kv][0]
            visible = kv <= q and same_group and home[kv][1] in (None, home[q][1])
            assert (row.mask[0, 0, q, kv] == 0) == visible, (q, kv)


def test_gradients_are_the_same_every_time(build_model, make_example):
    model = with_adapter(build_model("llama"))
    groups = [make_example(random.Random(6), k=6)]
    first = gradients(model, Scorer(model, shared=True).logps(groups)[0], torch.ones(6))
    for _ in range(20):
        again = gradients(model, Scorer(model, shared=True).logps(groups)[0], torch.ones(6))
        assert all(torch.equal(first[name], again[name]) for name in first)


def test_an_empty_completion_has_log_probability_zero(build_model, make_example):
    import dataclasses

    model = build_model("llama")
    group = make_example(random.Random(6))
    group = dataclasses.replace(group, completions=((), *group.completions[1:]))
    for shared in (True, False):
        assert Scorer(model, shared=shared).logps([group])[0][0].item() == 0.0


def test_a_trained_head_gets_its_gradient():
    torch.manual_seed(0)
    weight = torch.randn(11, 5, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1, 10, 0, 1])
    found = head.target_logps(head.Head(weight), hidden, targets)
    expected = (hidden @ weight.T).float().log_softmax(-1).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(found, expected, atol=1e-6)
    ours = torch.autograd.grad(found.sum(), [weight, hidden])
    theirs = torch.autograd.grad(expected.sum(), [weight, hidden])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("block", [4, 11, 100])
@pytest.mark.parametrize(
    "changes", [{}, {"scale": 0.3}, {"softcap": 2.0}, {"scale": 3.0, "softcap": 5.0}, {"large": 1e4}]
)
def test_a_frozen_head_has_the_values_and_gradients_of_a_softmax_in_float64(monkeypatch, block, changes):
    monkeypatch.setitem(head._BLOCK, "cpu", block)
    monkeypatch.setitem(head._CHUNK_ELEMENTS, "cpu", 3 * block)  # three positions at a time
    generator = torch.Generator().manual_seed(0)
    weight, bias, hidden = (torch.randn(*shape, generator=generator) for shape in ((11, 5), (11,), (7, 5)))
    options = {"scale": 1.0, "softcap": None} | changes
    weight *= options.pop("large", 1.0)
    hidden.requires_grad_()
    targets = torch.tensor([1, 10, 0, 1, 3, 4, 7])
    found = head.target_logps(head.Head(weight, bias, **options), hidden, targets)
    logits = options["scale"] * (hidden.double() @ weight.double().T + bias.double())
    cap = options["softcap"]
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    expected = logits.log_softmax(1).gather(1, targets[:, None])[:, 0]
    slopes = torch.linspace(-1, 2, 7, dtype=torch.float64)
    (ours,) = torch.autograd.grad((found.double() * slopes).sum(), hidden)
    (theirs,) = torch.autograd.grad((expected * slopes).sum(), hidden)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-5 * weight.abs().max().item())
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())
    with torch.no_grad():
        assert torch.equal(head.target_logps(head.Head(weight, bias, **options), hidden, targets), found)


@pytest.mark.parametrize(("family", "segmented"), [("llama", True), ("qwen3", True), ("gemma2", False)])
def test_segments_are_used_where_the_family_hands_them_to_its_attention(family, segmented, build_model, make_example):
    """Elsewhere (soft-capped attention, say) the row has a mask; the values are the same either way."""
    model = with_adapter(build_model(family))
    groups = [make_example(random.Random(8), k=3), make_example(random.Random(9), k=4)]
    scorer = Scorer(model, shared=True)
    assert scorer._segmented is segmented
    naive = [torch.stack([token_logps(model, g.prompt, ids).sum() for ids in g.completions]) for g in groups]
    for found, wanted in zip(scorer.logps(groups), naive, strict=True):
        assert torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("devices", [frozenset(), frozenset({"cpu"})], ids=["fused", "in groups"])
@pytest.mark.parametrize("family", ["llama", "granite"])
def test_both_kinds_of_attention_give_the_naive_gradients(family, devices, build_model, make_example, monkeypatch):
    monkeypatch.setattr(attention, "IN_GROUPS_ON", devices)
    model = with_adapter(build_model(family, **({"attention_multiplier": 0.3} if family == "granite" else {})))
    group = make_example(random.Random(12), k=4, prompt=11, longest=20)
    scorer = Scorer(model, shared=True)
    assert scorer._segmented
    naive = torch.stack([token_logps(model, group.prompt, ids).sum() for ids in group.completions])
    found = scorer.logps([group])[0]
    assert torch.allclose(found, naive, atol=1e-4)
    weights = torch.tensor([1.0, -2.0, 0.5, 0.3])
    expected, ours = gradients(model, naive, weights), gradients(model, found, weights)
    scale = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        assert torch.allclose(ours[name], gradient, atol=1e-5 * max(1.0, scale), rtol=1e-4), name


@pytest.mark.parametrize("shared", [True, False])
def test_each_tokens_value_is_the_naive_one(shared, build_model, make_example):
    model = with_adapter(build_model("llama"))
    rng = random.Random(4)
    groups = [make_example(rng, str(n), k=k, prompt=4 + n) for n, k in enumerate((3, 2))]
    groups.append(replace(groups[0], completions=((), groups[0].completions[1]), ranks=(2, 1)))
    scorer = Scorer(model, shared=shared)
    for group, found, sums in zip(groups, scorer.token_logps(groups), scorer.logps(groups), strict=True):
        assert found.shape == (len(group.completions), max(len(ids) for ids in group.completions))
        for row, ids in zip(found, group.completions, strict=True):
            assert not row[len(ids) :].any()
            if ids:
                assert torch.allclose(row[: len(ids)], token_logps(model, group.prompt, ids), atol=1e-4)
        assert torch.allclose(found.sum(dim=1), sums, atol=1e-4)

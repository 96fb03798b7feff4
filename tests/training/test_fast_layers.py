"""The faster forwards of norms, MLPs and adapted layers against the modules' own."""

from __future__ import annotations

import copy
import random

import pytest
import torch

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.training import adapter, fast_layers, fast_lora
from dpo_studio.training.forward import Scorer, choose_scorer


def adapted(model):
    model, _ = adapter.attach(model, TrainingSettings(lora_rank=4, lora_alpha=12))
    torch.manual_seed(2)
    with torch.no_grad():
        for _, parameter in adapter.trainable(model):
            parameter.normal_(0, 0.3)
    return model


def values_and_gradients(model, group):
    model.zero_grad(set_to_none=True)
    values = Scorer(model, shared=False).logps([group])[0]
    (values * torch.tensor([1.0, -0.5, 0.7])).sum().backward()
    return values.detach(), {name: p.grad.clone() for name, p in adapter.trainable(model)}


@pytest.mark.parametrize(
    ("family", "norms", "mlps"),
    [("llama", 5, 2), ("qwen2", 5, 2), ("qwen3", 9, 2), ("olmo2", 9, 2), ("phi3", 5, 0), ("gemma", 0, 0)],
)
def test_replaced_layers_change_no_value_and_no_gradient(family, norms, mlps, build_model, make_example):
    """Gemma's norm multiplies by 1 + w and its MLP has another activation, which the measurement finds."""
    model = adapted(build_model(family))
    group = make_example(random.Random(3), k=3)
    values, gradients = values_and_gradients(model, group)
    assert fast_layers.install(model) == {"norms": norms, "mlps": mlps}
    assert fast_lora.install(model) > 0
    found, slopes = values_and_gradients(model, group)
    assert torch.allclose(found, values, atol=1e-4)
    largest = max(gradient.abs().max() for gradient in gradients.values())
    assert largest > 1e-2
    for name, gradient in gradients.items():
        assert torch.allclose(slopes[name], gradient, atol=3e-5 * max(1.0, largest), rtol=1e-4), name
    fast_layers.remove_all(model)
    assert torch.equal(values_and_gradients(model, group)[0], values)


def test_an_mlp_as_one_operation_has_the_bits_of_its_layers(build_model, make_example):
    """In bf16 too: what is scored without gradients, the reference above all, is compared with what is trained."""
    model = adapted(build_model("llama").bfloat16())
    fast_lora.install(model)
    assert fast_layers.install(model)["mlps"] == 2
    group = make_example(random.Random(4), k=3)
    scorer = Scorer(model, shared=False)
    trained = scorer.logps([group])[0]
    assert trained.requires_grad
    with torch.no_grad():
        assert torch.equal(scorer.logps([group])[0], trained)


def lora_layer(*, dtype, bias=False, dropout=0.0):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.proj = torch.nn.Linear(24, 40, bias=bias, dtype=dtype)

        def forward(self, x):
            return self.proj(x)

    from peft import LoraConfig, get_peft_model

    torch.manual_seed(4)
    model = get_peft_model(Net(), LoraConfig(r=3, lora_alpha=6, target_modules=["proj"], lora_dropout=dropout))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter, dtype=torch.float32)
    return model


@pytest.mark.parametrize("bias", [False, True])
def test_an_adapted_layer_in_float64(bias):
    layer = lora_layer(dtype=torch.float64, bias=bias)
    for name, parameter in layer.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.double()
    fast_lora.install(layer)
    proj = layer.base_model.model.proj
    a, b = proj.lora_A["default"].weight, proj.lora_B["default"].weight
    x = torch.randn(2, 5, 24, dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.linear(x, proj.base_layer.weight + 2.0 * b @ a, proj.base_layer.bias)
    found = layer(x)
    assert torch.allclose(found, expected, atol=1e-12)
    slope = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, [x, a, b], slope), torch.autograd.grad(expected, [x, a, b], slope), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-11)


def test_what_an_adapted_layer_gives_can_be_changed_in_place():
    """As Gemma 3n does with its projections."""
    layer = lora_layer(dtype=torch.float32, bias=True)
    slopes = []
    x = torch.randn(1, 5, 24)
    for ours in (False, True):
        if ours:
            fast_lora.install(layer)
        proj = layer.base_model.model.proj
        found = layer(x)
        found *= 3.0
        slopes.append(torch.autograd.grad(found.sum(), [proj.lora_A["default"].weight, proj.lora_B["default"].weight]))
    for theirs, own in zip(*slopes, strict=True):
        assert torch.allclose(theirs, own, atol=1e-5)


class Attention(torch.nn.Module):
    """Query, key and value of different widths, and an output that needs all three."""

    def __init__(self, dtype):
        super().__init__()
        for name, width in (("q_proj", 12), ("k_proj", 4), ("v_proj", 4)):
            setattr(self, name, torch.nn.Linear(24, width, bias=name == "k_proj", dtype=dtype))

    def forward(self, x, of_value=None):
        return torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x if of_value is None else of_value)], dim=-1)


def attention(dtype):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(6)
    config = LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "k_proj", "v_proj"], rank_pattern={"k_proj": 5})
    model = get_peft_model(Attention(dtype), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter, dtype=torch.float32 if dtype.itemsize < 8 else dtype)
    return model


def slopes_of(model, x, out):
    wanted = [x, *(p for p in model.parameters() if p.requires_grad)]
    return torch.autograd.grad(out, wanted, torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out))


def test_query_key_and_value_together_in_float64():
    theirs = attention(torch.float64)
    ours = copy.deepcopy(theirs)
    assert fast_lora.install(ours) == 3
    x = torch.randn(2, 5, 24, dtype=torch.float64, requires_grad=True)
    expected, found = theirs(x), ours(x)
    names = set()
    waiting = [found.grad_fn]
    while waiting:
        node = waiting.pop()
        names.add(type(node).__name__)
        waiting += [parent for parent, _ in node.next_functions if parent is not None]
    assert "_AdaptedTogetherBackward" in names and "_AdaptedLinearBackward" not in names
    assert torch.allclose(found, expected, atol=1e-12)
    for mine, other in zip(slopes_of(ours, x, found), slopes_of(theirs, x, expected), strict=True):
        assert torch.allclose(mine, other, atol=1e-11)


def test_query_key_and_value_together_have_the_bits_of_each_alone():
    model = attention(torch.bfloat16)
    fast_lora.install(model)
    x = torch.randn(1, 64, 24).bfloat16()
    together = model(x)
    with torch.no_grad():
        assert torch.equal(model(x), together)


def test_layers_that_read_another_x_are_computed_on_it():
    theirs = attention(torch.float32)
    ours = copy.deepcopy(theirs)
    fast_lora.install(ours)
    x, other = torch.randn(1, 5, 24, requires_grad=True), torch.randn(1, 5, 24)
    for _ in range(2):  # the value that was not asked for must not be given the next time
        for arguments in ((x, other), (x, None)):
            expected, found = theirs(*arguments), ours(*arguments)
            assert torch.allclose(found, expected, atol=1e-5)
            for mine, other_slope in zip(slopes_of(ours, x, found), slopes_of(theirs, x, expected), strict=True):
                assert torch.allclose(mine, other_slope, atol=1e-4)
    changed = torch.randn(1, 5, 24)
    layers = ours.base_model.model
    layers.q_proj(changed)
    changed.mul_(2.0)  # the same tensor with another content
    assert torch.allclose(layers.v_proj(changed), theirs.base_model.model.v_proj(changed), atol=1e-5)


def test_a_changed_adapter_is_seen_by_layers_computed_together():
    model = attention(torch.float32)
    fast_lora.install(model)
    x = torch.randn(1, 5, 24)
    layers = model.base_model.model
    layers.q_proj(x)  # key and value wait, and nobody asks for them
    with torch.no_grad():
        layers.v_proj.lora_B["default"].weight.zero_()
    assert torch.equal(layers.v_proj(x), layers.v_proj.base_layer(x))


def test_an_adapted_layer_in_bf16_rounds_no_worse_than_peft():
    """While the adapter is smaller than what it adapts, whose own rounding then decides."""
    theirs = lora_layer(dtype=torch.bfloat16)
    theirs.base_model.model.proj.scaling["default"] = 0.02
    ours = copy.deepcopy(theirs)
    assert fast_lora.install(ours) == 1
    x = torch.randn(64, 24).bfloat16()
    exact = copy.deepcopy(theirs).float()(x.float())
    error = {name: (net(x).float() - exact).norm().item() for name, net in (("ours", ours), ("theirs", theirs))}
    assert error["ours"] <= 1.5 * error["theirs"]


def test_what_is_not_plain_is_left_to_peft():
    x = torch.randn(3, 24)
    layer = lora_layer(dtype=torch.float32, dropout=0.5)
    fast_lora.install(layer)
    layer.train()
    assert not torch.equal(layer(x), layer(x))  # the dropout is still there
    layer.eval()
    with_adapter = layer(x)
    with layer.disable_adapter():
        without = layer(x)
    assert torch.equal(without, layer.base_model.model.proj.base_layer(x))
    layer.merge_adapter()
    assert torch.allclose(layer(x), with_adapter, atol=1e-5)
    assert not torch.allclose(with_adapter, without)


def test_a_layer_whose_own_forward_differs_keeps_it(build_model, make_example):
    model = build_model("llama").requires_grad_(False)
    norm = model.model.norm
    plain = type(norm).forward
    norm.forward = lambda x: plain(norm, x) * 1.5
    assert fast_layers.install(model)["norms"] == 4
    scorer, notices = choose_scorer(model, [make_example(random.Random(1))])
    assert scorer.shared, notices


def test_a_bf16_group_has_the_same_numbers_in_any_row(build_model, make_example):
    model = adapted(build_model("llama").to(torch.bfloat16))
    rng = random.Random(7)
    groups = [make_example(rng, str(n), k=3, prompt=5 + 11 * n, longest=8 + n) for n in range(5)]
    scorer, _ = choose_scorer(model, groups)
    assert scorer.exact_in_company
    with torch.no_grad():
        together = scorer.logps(groups)
        for group, found in zip(groups, together, strict=True):
            assert torch.equal(scorer.logps([group])[0], found)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_recomputed_layers_change_no_bit(family, shared, build_model, make_example):
    model = adapted(build_model(family))
    group = make_example(random.Random(5), k=3)
    scorer = Scorer(model, shared=shared)
    kept = []

    def gradients(above):
        scorer.recompute_above = above
        model.zero_grad(set_to_none=True)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            values = scorer.logps([group])[0]
        kept.append(sum(sizes))
        (values * torch.tensor([1.0, -0.5, 0.7])).sum().backward()
        return [values.detach(), *(p.grad.clone() for _, p in adapter.trainable(model))]

    for once, twice in zip(gradients(10_000), gradients(0), strict=True):
        assert torch.equal(once, twice)
    assert kept[1] < kept[0] / 2
    assert not any(module.training for module in model.modules() if "Layer" in type(module).__name__)


def test_the_way_of_computing_names_the_fast_layers(build_model, make_example):
    """Numbers of another set of fast layers differ in their last digits, so a cache must tell them apart."""
    model = adapted(build_model("llama"))
    scorer = Scorer(model, shared=False)
    paths = [scorer.path]
    fast_lora.install(model)
    paths.append(scorer.path)
    fast_layers.install(model)
    paths.append(scorer.path)
    norms = [m for m in model.modules() if type(m).__name__ == "LlamaRMSNorm"]
    for norm in norms[:2]:  # as many layers are taken, but not the same ones
        forward = norm.__dict__.pop("forward")
        paths.append(scorer.path)
        norm.forward = forward
    assert len(set(paths)) == 5
    assert scorer.path == paths[2]
    fast_layers.remove_all(model)
    assert scorer.path == paths[0]


def test_an_adapter_on_other_layers_shares_the_name(build_model):
    """The reference of a new adapter is the model without it."""
    paths = []
    for targets in ("all-linear", "attention"):
        model, _ = adapter.attach(build_model("llama"), TrainingSettings(lora_rank=4, lora_targets=targets))
        fast_lora.install(model)
        fast_layers.install(model)
        paths.append(Scorer(model, shared=False).path)
    assert paths[0] == paths[1]

"""How undecided a policy is: gaps of implicit rewards, against the plain forward pass and by hand."""

from __future__ import annotations

import random

import pytest
import torch
from peft import LoraConfig, get_peft_model

from dpo_studio.core.errors import UserError
from dpo_studio.models.load import load
from dpo_studio.models.logprobs import token_logps
from dpo_studio.training import scoring


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def adapter(tiny_model, tmp_path):
    """The folder of an adapter that changes the tiny model."""
    loaded = load(str(tiny_model), device="cpu", dtype="float32")
    torch.manual_seed(3)
    adapted = get_peft_model(loaded.model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def rows(make_run, count, **changes):
    rng = random.Random(11)
    return [{**make_run.group(rng, n, k=2 + n % 3, **changes), "ranks": [None] * (2 + n % 3)} for n in range(count)]


def naive_gaps(model, reference, examples, *, off=False):
    """Best minus second of 0.1·(log π_θ − log π_ref), one plain row at a time."""
    found = {}
    for example in examples:
        rewards = []
        for ids in example.completions:
            with torch.no_grad():
                policy = token_logps(model, example.prompt, ids).sum().item()
                if off:
                    with model.disable_adapter():
                        other = token_logps(model, example.prompt, ids).sum().item()
                else:
                    other = token_logps(reference, example.prompt, ids).sum().item()
            rewards.append(0.1 * (policy - other))
        best, second = sorted(rewards, reverse=True)[:2]
        found[example.group] = best - second
    return found


def test_gaps_are_those_of_the_plain_forward_pass(make_run, tiny_model, adapter):
    loaded = load(str(tiny_model), adapter=adapter, device="cpu", dtype="float32")
    examples, left_out = scoring.examples_of(rows(make_run, 7), loaded)
    assert left_out == 0 and len(examples) == 7
    expected = naive_gaps(loaded.model, None, examples, off=True)
    assert max(expected.values()) > 0.01
    found = {}
    for part in scoring.Scoring(loaded).gaps(examples):
        found |= part
    assert found == pytest.approx(expected, abs=2e-4)


def test_a_whole_model_is_compared_with_the_one_it_began_with(make_run, tiny_model, build_model, tmp_path):
    changed = load(str(tiny_model), device="cpu", dtype="float32")
    with torch.no_grad():
        for weight in changed.model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    reference = load(str(tiny_model), device="cpu", dtype="float32")
    examples, _ = scoring.examples_of(rows(make_run, 4), changed)
    expected = naive_gaps(changed.model, reference.model, examples)
    found = {}
    for part in scoring.Scoring(changed, reference).gaps(examples):
        found |= part
    assert found == pytest.approx(expected, abs=2e-4)


def test_what_cannot_be_scored_is_left_out_and_counted(make_run, tiny_model):
    loaded = load(str(tiny_model), device="cpu", dtype="float32")
    rng = random.Random(0)
    same = make_run.group(rng, 1)
    same["completions"] = [same["completions"][0]] * 3
    long = make_run.group(rng, 2)
    long["completions"][0]["text"] = "w7 " * 200
    good = make_run.group(rng, 4)
    examples, left_out = scoring.examples_of([same, long, good], loaded)
    assert [example.group for example in examples] == [good["group"]] and left_out == 2


def test_equal_answers_are_one():
    rewards = torch.tensor([0.5, 0.5, 0.2, -1.0])
    assert scoring.gap(rewards, [(1, 2), (1, 2), (3,), (4,)]) == pytest.approx(0.3)
    assert scoring.gap(rewards, [(1, 2), (5,), (3,), (4,)]) == 0


def test_short_memory_goes_group_by_group_and_says_so_in_the_end(make_run, tiny_model, adapter, monkeypatch):
    loaded = load(str(tiny_model), adapter=adapter, device="cpu", dtype="float32")
    examples, _ = scoring.examples_of(rows(make_run, 5), loaded)
    whole = scoring.Scoring(loaded)
    expected = {name: gap for part in whole.gaps(examples) for name, gap in part.items()}
    enough = scoring._Side.logps

    def short(self, part, **how):
        if len(part) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return enough(self, part, **how)

    monkeypatch.setattr(scoring._Side, "logps", short)
    found = {name: gap for part in whole.gaps(examples) for name, gap in part.items()}
    assert found == pytest.approx(expected, abs=1e-5)

    def none_at_all(self, part, **how):
        raise MemoryError

    monkeypatch.setattr(scoring._Side, "logps", none_at_all)
    with pytest.raises(UserError, match="Memory is too short"):
        list(whole.gaps(examples))

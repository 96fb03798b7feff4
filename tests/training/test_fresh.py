"""Fresh answers and what is measured on them, against brute force in float64 and whole-sequence enumeration."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Message
from dpo_studio.training import adapter, kl, samples
from dpo_studio.training.engine import train
from dpo_studio.training.fresh import describe, distinct
from dpo_studio.training.frozen import FrozenWeights

FAMILIES = ["llama", "gpt2", "gemma2", "mamba"]


def adapted(model, *, spread: float = 0.0):
    """The model with an adapter, frozen weights of its start, and the adapter moved away from it."""
    model, _ = adapter.attach(model, TrainingSettings(lora_rank=3, lora_alpha=6))
    frozen = FrozenWeights(model)
    torch.manual_seed(5)
    with torch.no_grad():
        for _, weight in adapter.trainable(model):
            weight.add_(torch.randn_like(weight) * spread)
    return model, frozen


def brute_force(policy, reference, prompt, drawn) -> float:
    """The sum over positions and tokens, one number at a time, from whole forwards of two models in float64."""
    rows = []
    for model in (policy, reference):
        tokens = torch.tensor([[*prompt, *drawn]])
        rows.append(torch.softmax(model.double()(tokens).logits[0].double(), dim=-1).tolist())
    total = 0.0
    for place in range(len(prompt) - 1, len(prompt) + len(drawn) - 1):
        for p, q in zip(rows[0][place], rows[1][place], strict=True):
            total += p * (math.log(p) - math.log(q))
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_the_divergence_is_that_of_brute_force(build_model, family, monkeypatch):
    base = build_model(family)
    reference = copy.deepcopy(base)
    model, frozen = adapted(base, spread=0.1)
    responses = [((5, 6, 7), (8, 9, 10, 11, 1)), ((3,), (4,)), ((9, 2), (30, 31, 32))]
    monkeypatch.setattr(kl, "_CHUNK_ELEMENTS", 128)  # two positions at a time
    found = kl.responses_kl(model, frozen, responses)
    policy = copy.deepcopy(model).get_base_model()
    expected = [brute_force(policy, reference, *response) for response in responses]
    assert min(expected) > 0.01
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_in_bf16_it_is_that_of_the_rounded_logits(build_model):
    """Logits are what the model says; their logarithms and differences are not rounded again."""
    model, frozen = adapted(build_model("llama").bfloat16(), spread=0.02)
    response = ((5, 6, 7), tuple(range(2, 50)))

    def rows():
        with torch.no_grad():
            tokens = torch.tensor([[*response[0], *response[1]]])
            return model(tokens).logits[0, 2:-1].double().log_softmax(-1)

    policy = rows()
    with frozen.in_place():
        reference = rows()
    expected = (policy.exp() * (policy - reference)).sum().item()
    assert expected > 0.001
    assert kl.responses_kl(model, frozen, [response]) == [pytest.approx(expected, rel=0.02)]


def test_the_divergence_of_a_model_trained_whole_with_its_tied_output_layer(build_model):
    model = build_model("llama", tie_word_embeddings=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    reference = copy.deepcopy(model)
    model.requires_grad_(True)
    frozen = FrozenWeights(model)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.02)
    response = ((5, 6, 7), (8, 9, 10))
    found = kl.responses_kl(model, frozen, [response])
    expected = brute_force(copy.deepcopy(model), reference, *response)
    assert expected > 0.01
    assert found == [pytest.approx(expected, rel=1e-3)]


def test_its_mean_over_the_policy_is_the_divergence_of_whole_answers(build_model):
    """Every answer of two tokens from a vocabulary of 7, weighed by its probability."""
    model, frozen = adapted(build_model("llama", vocab_size=7), spread=0.2)
    prompt = (2, 3)
    answers = list(itertools.product(range(7), repeat=2))
    batch = torch.tensor([[*prompt, *answer] for answer in answers])

    def whole_logps():
        with torch.no_grad():
            rows = model(batch).logits.double().log_softmax(-1)
        first, second = rows[:, 1].gather(1, batch[:, 2:3]), rows[:, 2].gather(1, batch[:, 3:4])
        return (first + second).squeeze(1)

    policy = whole_logps()
    with frozen.in_place():
        reference = whole_logps()
    expected = (policy.exp() * (policy - reference)).sum().item()
    each = torch.tensor(kl.responses_kl(model, frozen, [(prompt, answer) for answer in answers]), dtype=torch.float64)
    assert (each >= 0).all()
    assert (policy.exp() * each).sum().item() == pytest.approx(expected, rel=1e-4)


def test_tokens_that_neither_can_draw_add_nothing():
    shut = float("-inf")
    policy, reference = torch.tensor([[0.0, 0.0, shut]]), torch.tensor([[0.0, math.log(3.0), shut]])
    assert kl.vocabulary_kl(policy, reference).tolist() == pytest.approx([0.5 * math.log(2) + 0.5 * math.log(2 / 3)])


def test_frozen_weights_come_and_go_bit_for_bit(build_model):
    model, frozen = adapted(build_model("llama"), spread=0.3)
    before = [weight.detach().clone() for _, weight in adapter.trainable(model)]
    with pytest.raises(RuntimeError, match="within"), frozen.in_place():
        assert not any(torch.equal(w, b) for (_, w), b in zip(adapter.trainable(model), before, strict=True))
        raise RuntimeError("within")
    assert all(torch.equal(w, b) for (_, w), b in zip(adapter.trainable(model), before, strict=True))


class Chat:
    """Token ids for messages of numbers."""

    end_id, end_ids = 1, frozenset({1})

    def prompt_ids(self, messages):
        return [int(word) for word in messages[0].content.split()]

    def text(self, ids):
        return " ".join(map(str, ids))


def draw(model, *, count, tokens=1, seed=3, together=True, prompts=("2 3",)):
    asked = [samples.SamplePrompt(n, (Message("user", text),)) for n, text in enumerate(prompts)]
    return samples.draw(
        model,
        Chat(),
        asked,
        count=count,
        max_new_tokens=tokens,
        seed=seed,
        context_length=64,
        together=together,
    )


def test_draws_follow_the_policy_whatever_the_model_was_told_about_generation(build_model):
    model = build_model("llama", vocab_size=8)
    model.generation_config.top_k, model.generation_config.top_p = 1, 0.1
    model.generation_config.temperature, model.generation_config.repetition_penalty = 0.1, 3.0
    count = 3000
    drawn = draw(model, count=count)
    with torch.no_grad():
        expected = model(torch.tensor([[2, 3]])).logits[0, -1].softmax(-1).tolist()
    for token, probability in enumerate(expected):
        share = sum(answer.token_ids == (token,) for answer in drawn) / count
        assert abs(share - probability) < 5 * math.sqrt(probability * (1 - probability) / count) + 1e-3


def test_draws_have_a_stream_of_their_own(build_model):
    model = build_model("llama")
    torch.manual_seed(11)
    state = torch.get_rng_state()
    first = draw(model, count=3, tokens=8, prompts=("2 3", "4"))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(12)
    assert draw(model, count=3, tokens=8, prompts=("2 3", "4")) == first
    assert draw(model, count=3, tokens=8, prompts=("2 3", "4"), seed=4) != first
    assert [answer.prompt for answer in first] == [0, 1, 0]
    assert all(1 <= len(answer.token_ids) <= 8 for answer in first)


def test_an_answer_ends_with_its_end_token_and_is_cut_at_the_limit(build_model):
    drawn = draw(build_model("llama", vocab_size=4), count=40, tokens=5, together=False)
    for answer in drawn:
        ended = answer.token_ids[-1] == 1
        assert answer.finish_reason == ("stop" if ended else "length")
        assert 1 not in answer.token_ids[:-1] and (ended or len(answer.token_ids) == 5)
    assert {answer.finish_reason for answer in drawn} == {"stop", "length"}


def test_what_is_said_of_answers_by_hand():
    answers = [[4, 5, 4, 5], [7, 7]]
    found = describe(answers, [3.0, 6.0])
    assert (found["kl"], found["kl_per_token"], found["mean_length"]) == (4.5, 1.5, 3.0)
    assert found["distinct_1"] == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert found["distinct_2"] == pytest.approx((2 / 3 + 1) / 2)
    assert describe(answers, None)["kl"] is None
    assert distinct([[1]], 2) is None


def sampled(said):
    return [event for event in said if isinstance(event, events.Sampled)]


def losses(said):
    return [event.metrics["loss"] for event in said if isinstance(event, events.StepDone)]


def test_a_run_draws_at_its_measurements_and_trains_the_same(make_run):
    said = list(train(make_run("with", lora_dropout=0.2, max_steps=7)))
    without = list(train(make_run("without", lora_dropout=0.2, max_steps=7, fresh_samples=0)))
    assert losses(said) == losses(without)
    assert not sampled(without)
    found = sampled(said)
    assert [event.step for event in found] == [0, 3, 6, 7]
    assert found[0].metrics["kl"] == pytest.approx(0, abs=1e-6)
    assert found[-1].metrics["kl"] > 0.01
    assert found[-1].metrics["kl"] == pytest.approx(
        found[-1].metrics["kl_per_token"] * found[-1].metrics["mean_length"], rel=1e-6
    )
    assert 0 < found[-1].metrics["time_share"] < 1
    texts = [(e.phase, e.prompt) for e in said if isinstance(e, events.AnswerSampled) and e.phase.startswith("step")]
    assert texts == [(f"step {step}", prompt) for step in (0, 3, 6, 7) for prompt in (0, 1)]


def test_a_later_round_measures_from_the_policy_it_began_with(make_run):
    first = make_run("first", max_steps=6)
    assert sampled(train(first))[-1].metrics["kl"] > 0.01
    second = make_run("second", max_steps=2, adapter=str(first / "adapter"), evaluate_every=0)
    found = sampled(train(second))
    assert [event.step for event in found] == [0, 2]
    assert found[0].metrics["kl"] == pytest.approx(0, abs=1e-6)
    assert found[1].metrics["kl"] > 0


def test_memory_that_runs_out_while_drawing_ends_the_drawing_and_not_the_run(make_run, monkeypatch):
    def short(*args, **kwargs):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(samples, "draw", short)
    said = list(train(make_run(max_steps=4)))
    codes = [event.code for event in said if isinstance(event, events.Notice)]
    assert codes.count("no_fresh_answers") == 1
    assert said[-1].steps == 4 and not sampled(said)

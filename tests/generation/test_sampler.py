"""Sampling against transformers' own generation, the plain log-probabilities, and itself in other batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.rows import Rows
from dpo_studio.generation.sampler import Answer, TextPiece, answer, sample
from dpo_studio.models.load import LoadedModel, load
from dpo_studio.models.logprobs import token_logps
from tests.tiny_models import FAMILIES, llama_config, save

QUESTION = (Message("user", "Explain why the sky is blue."),)
LONGER = (
    Message("system", "Be brief, and write for a child of seven years."),
    Message("user", "Write a list of three things to bring on a walk."),
    Message("assistant", "Water, bread and a warm coat."),
    Message("user", "Where is the library?"),
)


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> LoadedModel:
    return load(str(tiny_llama), dtype="float32", device="cpu")


def answers(loaded: LoadedModel, messages, sampling: SamplingSettings, candidates) -> dict[int, Answer]:
    said = sample(loaded, messages, dict.fromkeys(candidates, sampling))
    return {item.candidate: item for item in said if isinstance(item, Answer)}


def assert_same(one: Answer, other: Answer) -> None:
    """Equal but for the last bits of the log-probability."""
    assert dataclasses.replace(one, logp=0.0) == dataclasses.replace(other, logp=0.0)
    assert one.logp == pytest.approx(other.logp, abs=1e-4)


def greedy_reference(loaded: LoadedModel, messages, *, new: int, penalty: float) -> tuple[int, ...]:
    prompt = torch.tensor([loaded.chat.prompt_ids(messages)])
    out = loaded.model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=new,
        repetition_penalty=penalty,
        eos_token_id=sorted(loaded.chat.end_ids),
        pad_token_id=0,
    )
    return tuple(out[0, prompt.shape[1] :].tolist())


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_is_what_transformers_generates(tiny_model: Callable[[str], Path], family: str, penalty: float) -> None:
    loaded = load(str(tiny_model(family)), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=0, repetition_penalty=penalty, max_new_tokens=40)
    (got,) = answers(loaded, LONGER, sampling, [0]).values()
    assert got.token_ids == greedy_reference(loaded, LONGER, new=40, penalty=penalty)


@pytest.mark.starter
def test_greedy_on_the_starter_is_what_transformers_generates(starter: Path) -> None:
    loaded = load(str(starter), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=0, repetition_penalty=1.0, max_new_tokens=24)
    (got,) = answers(loaded, QUESTION, sampling, [0]).values()
    assert got.token_ids == greedy_reference(loaded, QUESTION, new=24, penalty=1.0)
    assert "sky" in got.text.lower()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_logp_is_that_of_the_sampled_tokens_under_the_unchanged_model(
    tiny_model: Callable[[str], Path], family: str
) -> None:
    loaded = load(str(tiny_model(family)), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=0.7, top_p=0.8, top_k=30, repetition_penalty=1.2, max_new_tokens=30)
    for got in answers(loaded, LONGER, sampling, range(3)).values():
        with torch.no_grad():
            plain = token_logps(loaded.model, loaded.chat.prompt_ids(LONGER), got.token_ids)
        assert got.logp == pytest.approx(plain.double().sum().item(), abs=1e-4)


def test_the_same_seed_gives_the_same_text_whatever_is_beside_it(llama: LoadedModel) -> None:
    sampling = SamplingSettings(temperature=1.0, top_p=1.0, max_new_tokens=40, seed=11)
    together = answers(llama, QUESTION, sampling, range(4))
    for candidate in range(4):
        alone = answers(llama, QUESTION, sampling, [candidate])[candidate]
        assert_same(alone, together[candidate])
    assert len({item.token_ids for item in together.values()}) == 4
    other = answers(llama, QUESTION, SamplingSettings(**{**sampling.to_json(), "seed": 12}), [0])[0]
    assert other.token_ids != together[0].token_ids


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_of_different_lengths_are_answered_in_one_batch(
    tiny_model: Callable[[str], Path], family: str, temperature: float
) -> None:
    """The padding is not seen: the answers' log-probabilities are those of the prompt alone."""
    loaded = load(str(tiny_model(family)), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=temperature, repetition_penalty=1.0, max_new_tokens=24, seed=3)
    batched = answer(loaded, [QUESTION, LONGER, QUESTION], sampling, (0, 1))
    for messages, got in zip([QUESTION, LONGER, QUESTION], batched, strict=True):
        assert [item.candidate for item in got] == [0, 1]
        for item in got:
            with torch.no_grad():
                plain = token_logps(loaded.model, loaded.chat.prompt_ids(messages), item.token_ids)
            assert item.logp == pytest.approx(plain.double().sum().item(), abs=1e-4)
            if temperature == 0:
                assert item.token_ids == greedy_reference(loaded, messages, new=24, penalty=1.0)


def test_a_batch_of_prompts_gets_the_answers_that_each_gets_alone(llama: LoadedModel) -> None:
    sampling = SamplingSettings(temperature=0.8, max_new_tokens=24, seed=3)
    for messages, got in zip([QUESTION, LONGER], answer(llama, [QUESTION, LONGER], sampling, (0, 1)), strict=True):
        alone = answers(llama, messages, sampling, [0, 1])
        for item in got:
            assert_same(item, alone[item.candidate])


def test_pieces_join_to_the_text_and_the_end_token_is_kept_in_the_ids_only(tmp_path: Path) -> None:
    loaded = load(str(ending_often(tmp_path)), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=1.5, top_p=1.0, repetition_penalty=1.0, max_new_tokens=60)
    pieces: dict[int, str] = dict.fromkeys(range(8), "")
    ended: dict[int, Answer] = {}
    for item in sample(loaded, QUESTION, dict.fromkeys(range(8), sampling)):
        if isinstance(item, TextPiece):
            pieces[item.candidate] += item.text
        else:
            ended[item.candidate] = item
    assert sorted(ended) == list(range(8))
    assert {item.finish_reason for item in ended.values()} == {"stop", "length"}
    for candidate, item in ended.items():
        assert pieces[candidate] == item.text
        assert (item.token_ids[-1] == loaded.chat.end_id) == (item.finish_reason == "stop")
        assert len(item.token_ids) == 60 or item.finish_reason == "stop"
        assert "<|im_end|>" not in item.text


def test_rows_that_ended_leave_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(str(ending_often(tmp_path)), dtype="float32", device="cpu")
    sizes: list[int] = []
    step = Rows.step

    def counted(self, tokens):
        sizes.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(Rows, "step", counted)
    sampling = SamplingSettings(temperature=1.5, top_p=1.0, repetition_penalty=1.0, max_new_tokens=60)
    ended = answers(loaded, QUESTION, sampling, range(8))
    lengths = sorted(len(item.token_ids) for item in ended.values())
    assert lengths[0] < lengths[-1]
    # A row takes part in one step for each of its tokens but the last.
    assert sizes == [sum(length > step_number for length in lengths) for step_number in range(1, lengths[-1])]


def test_cancelling_keeps_what_was_given_and_ends_after_the_token_in_hand(tmp_path: Path) -> None:
    loaded = load(str(ending_often(tmp_path)), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=1.5, top_p=1.0, repetition_penalty=1.0, max_new_tokens=60)
    whole = answers(loaded, QUESTION, sampling, range(8))
    given: list[Answer] = []
    for item in sample(loaded, QUESTION, dict.fromkeys(range(8), sampling), cancelled=lambda: bool(given)):
        if isinstance(item, Answer):
            given.append(item)
    assert 0 < len(given) < 8
    for item in given:
        assert_same(item, whole[item.candidate])


def test_a_prompt_as_long_as_the_context_is_refused_with_both_lengths(tmp_path: Path) -> None:
    loaded = load(str(save(tmp_path / "short", llama_config(max_position_embeddings=40))), dtype="float32")
    length = len(loaded.chat.prompt_ids(LONGER))
    assert length > 40
    with pytest.raises(UserError, match=rf"{length} tokens long.* 40 tokens") as caught:
        list(sample(loaded, LONGER, {0: SamplingSettings()}))
    assert "Shorten" in caught.value.hint


def test_an_answer_is_cut_where_the_context_ends(tmp_path: Path) -> None:
    length = len(load(str(save(tmp_path / "long", llama_config()))).chat.prompt_ids(QUESTION))
    loaded = load(str(save(tmp_path / "short", llama_config(max_position_embeddings=length + 5))), dtype="float32")
    (got,) = answers(loaded, QUESTION, SamplingSettings(temperature=0, max_new_tokens=50), [0]).values()
    assert len(got.token_ids) == 5
    assert got.finish_reason == "length"


def test_an_answer_that_comes_out_twice_is_drawn_again(tmp_path: Path) -> None:
    """One token long, and a few likely tokens: four candidates collide at first and differ at last."""
    loaded = load(str(save(tmp_path / "model", llama_config())), dtype="float32", device="cpu")
    sampling = SamplingSettings(temperature=1.0, top_k=12, top_p=1.0, repetition_penalty=1.0, max_new_tokens=1)
    for seed in range(60):
        once = SamplingSettings(**{**sampling.to_json(), "seed": seed})
        alone = [answers(loaded, QUESTION, once, [c])[c] for c in range(3)]
        if len({item.text for item in alone}) == 2:
            break
    got = answers(loaded, QUESTION, once, range(3))
    assert sorted(got) == [0, 1, 2]
    assert len({item.text for item in got.values()}) == 3 or any(item.repeats for item in got.values())
    redrawn = [c for c in range(3) if got[c].seed != alone[c].seed]
    assert len(redrawn) == 1
    assert got == answers(loaded, QUESTION, once, range(3))


def test_at_temperature_0_answers_repeat_and_say_so(llama: LoadedModel) -> None:
    got = answers(llama, QUESTION, SamplingSettings(temperature=0, max_new_tokens=8), range(3))
    assert len({item.token_ids for item in got.values()}) == 1
    assert [got[c].repeats for c in range(3)] == [False, True, True]


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    loaded = load(str(save(tmp_path / "model", llama_config())), dtype="float32", device="cpu")
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        list(sample(loaded, QUESTION, {0: SamplingSettings()}))


def ending_often(folder: Path) -> Path:
    """A model that ends its turn now and then: the head's row of the end token points where states point."""
    from transformers import AutoModelForCausalLM

    config = llama_config()
    config.tie_word_embeddings = False
    save(folder / "ending", config)
    model = AutoModelForCausalLM.from_pretrained(folder / "ending")
    with torch.no_grad():
        model.lm_head.weight.mul_(0.3)
    model.save_pretrained(folder / "ending")
    return folder / "ending"

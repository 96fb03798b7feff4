"""Token choice against transformers' own logits processors and against counted frequencies."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LogitsProcessorList
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.generation import choose
from dpo_studio.generation.choose import WINDOWS, choose_tokens


def reference(logits: torch.Tensor, ids: torch.Tensor, sampling: SamplingSettings) -> torch.Tensor:
    """The distribution that transformers samples from, shape (rows, vocabulary)."""
    steps = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)])
    steps.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        steps.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        steps.append(MinPLogitsWarper(sampling.min_p))
    return steps(ids, logits.clone()).softmax(-1)


@pytest.mark.parametrize("vocabulary", [7, WINDOWS[0], 3 * WINDOWS[0]])
@settings(max_examples=40, deadline=None)
@given(
    temperature=st.sampled_from([0.3, 0.9, 1.7]),
    top_k=st.sampled_from([0, 1, 5, WINDOWS[0] + 40]),
    top_p=st.sampled_from([0.05, 0.6, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 0.001, 0.4, 1.0]),
    penalty=st.sampled_from([0.7, 1.0, 1.4]),
    scale=st.sampled_from([0.05, 1.0, 6.0]),
    seed=st.integers(0, 10_000),
)
def test_each_token_is_chosen_for_its_share_of_the_numbers(
    vocabulary: int,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    penalty: float,
    scale: float,
    seed: int,
) -> None:
    """A fine grid of uniform numbers must hit each token in proportion to its probability."""
    sampling = SamplingSettings(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty
    )
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, vocabulary, generator=generator) * scale
    ids = torch.randint(0, vocabulary, (1, 4), generator=generator)
    wanted = reference(logits, ids, sampling)[0]

    grid = 2000
    uniforms = [(step + 0.5) / grid for step in range(grid)]
    rows, seen = logits.expand(grid, -1).contiguous(), ids.expand(grid, -1)
    tokens, logps = choose_tokens(rows, sampling, uniforms, seen=seen)
    shares = torch.bincount(tokens, minlength=vocabulary) / grid

    assert (shares - wanted).abs().max() <= 1.01 / grid + 1e-4
    assert torch.allclose(logps, logits[0].log_softmax(-1)[tokens], atol=1e-5)


def test_a_row_does_not_feel_the_rows_beside_it() -> None:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(6, 2000, generator=generator) * torch.tensor([0.01, 1, 2, 4, 8, 0.1])[:, None]
    uniforms = [0.999, 0.1, 0.5, 0.7, 0.99, 0.3]
    for sampling in (SamplingSettings(), SamplingSettings(top_p=1.0), SamplingSettings(top_k=40, min_p=0.05)):
        together, logps = choose_tokens(logits, sampling, uniforms)
        for row in range(6):
            alone, logp = choose_tokens(logits[row : row + 1], sampling, uniforms[row : row + 1])
            assert alone[0] == together[row]
            assert logp[0] == pytest.approx(logps[row].item(), abs=1e-5)


@pytest.mark.parametrize("top_k", [0, 30])
def test_how_much_is_looked_at_first_changes_no_choice(top_k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(8)
    logits = torch.randn(60, 200, generator=generator) * torch.linspace(0.1, 5, 60)[:, None]
    uniforms = torch.rand(60, generator=generator).tolist()
    sampling = SamplingSettings(top_p=0.9, top_k=top_k)
    monkeypatch.setattr(choose, "WINDOWS", (200,))
    whole, _ = choose_tokens(logits, sampling, uniforms)
    monkeypatch.setattr(choose, "WINDOWS", (4, 20))
    assert choose_tokens(logits, sampling, uniforms)[0].tolist() == whole.tolist()


def test_temperature_0_takes_the_greatest_after_the_penalty() -> None:
    logits = torch.tensor([[3.0, 2.5, -1.0]])
    seen = torch.tensor([[0, 0]])
    sampling = SamplingSettings(temperature=0, repetition_penalty=1.3)  # 3 / 1.3 = 2.31 < 2.5
    tokens, logps = choose_tokens(logits, sampling, [0.0], seen=seen)
    assert tokens.tolist() == [1]
    # log softmax of 2.5 among (3, 2.5, −1), the logits as they are: 2.5 − log(e³ + e^2.5 + e⁻¹)
    assert logps[0].item() == pytest.approx(2.5 - torch.tensor([3.0, 2.5, -1.0]).exp().sum().log().item())

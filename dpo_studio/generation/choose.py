"""Choose the next tokens from logits: penalty, temperature, cuts, and one uniform number a row.

A row's choice depends on its own logits and its own number alone, never on the rows beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dpo_studio.core.settings import SamplingSettings

#: Most probable tokens looked at first; the whole vocabulary is sorted only where they do not decide.
WINDOW = 256


def choose_tokens(
    logits: torch.Tensor,
    sampling: SamplingSettings,
    uniforms: Sequence[float],
    *,
    seen: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token a row, and its log-probability under the logits as they are.

    The order is repetition penalty, temperature, top_k, top_p, min_p. Temperature 0 takes the most
    probable token after the penalty.

    Args:
        logits: shape (rows, vocabulary), float32.
        uniforms: a number in [0, 1) a row.
        seen: shape (rows, vocabulary), bool: the tokens of prompt and answer so far.

    Returns:
        tokens, shape (rows,), and log-probabilities at temperature 1 without any cut, shape (rows,), nats.
    """
    shaped = logits
    if seen is not None and sampling.repetition_penalty != 1.0:
        penalised = torch.where(logits > 0, logits / sampling.repetition_penalty, logits * sampling.repetition_penalty)
        shaped = torch.where(seen, penalised, logits)
    if sampling.temperature == 0:
        tokens = shaped.argmax(-1)
    else:
        tokens = _draw(shaped / sampling.temperature, sampling, uniforms)
    logps = logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return tokens, logps


def _draw(scaled: torch.Tensor, sampling: SamplingSettings, uniforms: Sequence[float]) -> torch.Tensor:
    vocabulary = scaled.shape[-1]
    width = min(vocabulary, max(WINDOW, sampling.top_k))
    targets = torch.tensor(list(uniforms), dtype=torch.float64).to(_wide(scaled.device)).to(scaled.device)
    total = scaled.logsumexp(-1, keepdim=True)
    values, tokens = scaled.topk(width, dim=-1)
    places, decided = _places(_probabilities(values, total), targets, sampling, whole=width == vocabulary)
    chosen = tokens.gather(-1, places[:, None])[:, 0]
    if bool(decided.all()):
        return chosen
    for row in (~decided).nonzero()[:, 0].tolist():
        values, tokens = scaled[row : row + 1].sort(dim=-1, descending=True, stable=True)
        probabilities = _probabilities(values, total[row : row + 1])
        places, _ = _places(probabilities, targets[row : row + 1], sampling, whole=True)
        chosen[row] = tokens[0, places[0]]
    return chosen


def _places(
    probabilities: torch.Tensor, uniforms: torch.Tensor, sampling: SamplingSettings, *, whole: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where in descending probabilities each row's number falls, and whether more of them could not change it.

    Args:
        probabilities: shape (rows, n), the n greatest in descending order, of a sum of 1 over all.
        whole: these are all there are.
    """
    if 0 < sampling.top_k < probabilities.shape[-1]:
        probabilities = probabilities[:, : sampling.top_k]
    if sampling.top_k > 0:
        whole = True
        probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    reached = probabilities.cumsum(-1)
    kept = torch.ones_like(probabilities, dtype=torch.bool)
    if sampling.top_p < 1:
        kept &= reached - probabilities < sampling.top_p
    if sampling.min_p > 0:
        kept &= probabilities >= sampling.min_p * probabilities[:, :1]
    kept[:, 0] = True
    mass = (probabilities * kept).sum(-1)
    decided = torch.ones_like(kept[:, 0]) if whole else ~kept[:, -1]
    uncut = sampling.top_p >= 1 and sampling.min_p == 0
    if uncut and not whole:
        mass = torch.ones_like(mass)
        decided = uniforms < reached[:, -1]
    below = (reached <= (uniforms * mass)[:, None]).sum(-1)
    return torch.minimum(below, kept.sum(-1) - 1), decided


def _probabilities(values: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    return (values - total).exp().to(_wide(values.device))


def _wide(device: torch.device) -> torch.dtype:
    """The widest float of a device; MPS has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64

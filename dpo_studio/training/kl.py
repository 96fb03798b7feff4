"""How far a policy has moved from its reference, on answers of its own: KL(π_θ ‖ π_ref) in nats a response.

Rao–Blackwellised (arXiv 2504.10637): instead of the log-ratio of the tokens that happened to be drawn, the sum over
positions of the exact divergence between the two next-token distributions. Its mean over samples of π_θ is the same
and its variance is never larger; it is never negative.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .families import SHAREABLE, head_of
from .frozen import FrozenWeights
from .head import Head

#: A prompt's tokens and the tokens that the policy drew after it.
Response = tuple[Sequence[int], Sequence[int]]
#: Elements of one chunk's logits, of each of the two.
_CHUNK_ELEMENTS = 8_000_000


@torch.no_grad()
def responses_kl(model: Any, frozen: FrozenWeights, responses: Sequence[Response]) -> list[float]:
    """KL(π_θ ‖ π_ref) of each response's positions, summed, in nats; the reference is the model with frozen weights.

    Args:
        model: in evaluation mode.
        responses: with at least one drawn token each.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    chunked = head_of(plain) is not None and plain.config.model_type in SHAREABLE
    states = _hidden if chunked else _logits
    present = [states(plain, *response) for response in responses]
    found = []
    with frozen.in_place():
        heads = _heads(plain, frozen) if chunked else (_as_logits, _as_logits)
        rows = max(1, _CHUNK_ELEMENTS // plain.config.get_text_config().vocab_size)
        for response, now in zip(responses, present, strict=True):
            before = states(plain, *response)
            parts = zip(now.split(rows), before.split(rows), strict=True)
            total = sum(vocabulary_kl(heads[0](h).float(), heads[1](r).float()).double().sum().item() for h, r in parts)
            found.append(total)
    return found


def vocabulary_kl(policy_logits: Tensor, reference_logits: Tensor) -> Tensor:
    """Σ_v π_θ(v)·(log π_θ(v) − log π_ref(v)) of each position.

    Args:
        policy_logits, reference_logits: (positions, vocabulary), fp32 at least: in bf16 the difference of two
            logarithms is rounding for the most part.

    Returns:
        (positions,) in the logits' format.
    """
    policy, reference = policy_logits.log_softmax(-1), reference_logits.log_softmax(-1)
    # A token that neither can draw adds nothing; -inf − -inf would be NaN.
    terms = policy.exp() * (policy - reference)
    return torch.where(policy == float("-inf"), 0.0, terms).sum(-1)


def _heads(plain: Any, frozen: FrozenWeights) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The present output layer and the frozen one, while the frozen weights are in place."""
    reference = head_of(plain)
    assert reference is not None
    bias = None if reference.bias is None else frozen.displaced(reference.bias)
    present: Head = replace(reference, weight=frozen.displaced(reference.weight), bias=bias)
    return present.logits, reference.logits


def _hidden(plain: Any, prompt: Sequence[int], drawn: Sequence[int]) -> Tensor:
    """(drawn, hidden): the states that predict each drawn token."""
    tokens = torch.tensor([[*prompt, *drawn[:-1]]], device=plain.device)
    return plain.base_model(input_ids=tokens, use_cache=False).last_hidden_state[0, -len(drawn) :]


def _logits(plain: Any, prompt: Sequence[int], drawn: Sequence[int]) -> Tensor:
    """(drawn, vocabulary): as `_hidden`, through an output layer that is not known to be a plain one."""
    tokens = torch.tensor([[*prompt, *drawn[:-1]]], device=plain.device)
    keep = {"logits_to_keep": len(drawn)} if "logits_to_keep" in inspect.signature(plain.forward).parameters else {}
    return plain(input_ids=tokens, use_cache=False, **keep).logits[0, -len(drawn) :]


def _as_logits(logits: Tensor) -> Tensor:
    return logits

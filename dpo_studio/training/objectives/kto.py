"""KTO: completions judged one at a time, desirable or not, against a common zero."""

from __future__ import annotations

import torch
from torch import Tensor

from .orders import in_best_bucket, in_last_bucket


def kto(
    policy_logps: Tensor,
    reference_logps: Tensor,
    desirable: Tensor,
    *,
    mismatched_policy_logps: Tensor,
    mismatched_reference_logps: Tensor,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """λ_D·(1 − σ(β(a − z₀))) of a desirable completion, λ_U·(1 − σ(β(z₀ − a))) of an undesirable one.

    Ethayarajh et al., arXiv 2402.01306, with z₀ = max(0, mean a of mismatched pairs), which no
    gradient passes.

    Args:
        policy_logps, reference_logps: (batch,), one completion each.
        desirable: (batch,), True or False; `judged` makes examples of ranked groups.
        mismatched_policy_logps, mismatched_reference_logps: (mismatched,), completions after a prompt that is not
            theirs, of this batch as a rule: that takes two different prompts at least.
        desirable_weight, undesirable_weight: λ_D and λ_U.

    Returns:
        (batch,)

    Raises:
        ValueError: no mismatched completion.
    """
    if mismatched_policy_logps.numel() == 0:
        raise ValueError("kto needs mismatched completions, so two prompts at least")
    zero = (mismatched_policy_logps.detach() - mismatched_reference_logps.detach()).mean().clamp(min=0.0)
    above_zero = policy_logps - reference_logps - zero
    # 1 − σ(x) = σ(−x), which keeps its digits where σ(x) is nearly 1.
    liked = desirable_weight * (-beta * above_zero).sigmoid()
    disliked = undesirable_weight * (beta * above_zero).sigmoid()
    return torch.where(desirable.bool(), liked, disliked)


def judged(ranks: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (batch, k) of the desirable completions of ranked groups, the best, and of the undesirable, the last.

    What lies between is in neither, and a group whose items are all tied has neither.
    """
    best, last = in_best_bucket(ranks), in_last_bucket(ranks)
    return best & ~last, last & ~best

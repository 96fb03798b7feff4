"""DPO on pairs, plain and with label smoothing."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

from .orders import better_than


def dpo(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """−(1−ε)·log σ(d) − ε·log σ(−d) with the margin d of the chosen over the rejected completion.

    Rafailov et al., arXiv 2305.18290, equation 7; ε = label_smoothing is the conservative DPO of Mitchell's note.

    Args:
        policy_logps, reference_logps: (batch, 2).
        ranks: (batch, 2) integers that order each pair strictly.

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    if ranks.shape[1] != 2:
        raise ValueError(f"dpo takes pairs, not groups of {ranks.shape[1]}")
    better = better_than(ranks)
    first, second = better[:, 0, 1], better[:, 1, 0]
    if not bool((first | second).all()):
        raise ValueError("dpo cannot use a tie")
    rewards = beta * (policy_logps - reference_logps)
    margin = (rewards[:, 0] - rewards[:, 1]) * (first.to(rewards.dtype) - second.to(rewards.dtype))
    return smoothed_logistic(margin, label_smoothing)


def smoothed_logistic(margin: Tensor, label_smoothing: float) -> Tensor:
    """−(1−ε)·log σ(d) − ε·log σ(−d), element by element."""
    if label_smoothing == 0.0:
        return -logsigmoid(margin)
    return -(1.0 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)

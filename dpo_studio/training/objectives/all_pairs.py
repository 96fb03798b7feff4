"""DPO on every strictly ordered pair of a group."""

from __future__ import annotations

from torch import Tensor

from .dpo import smoothed_logistic
from .orders import better_than


def all_pairs(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The mean over a group's strictly ordered pairs of the DPO loss, so that every group counts once.

    Ouyang et al., arXiv 2203.02155, equation 1, on implicit rewards. At k = 2 this is `dpo`. A group whose items
    are all tied has loss 0 and gradient 0.

    Args:
        policy_logps, reference_logps: (batch, k).
        ranks: (batch, k) integers, see the package's docstring.

    Returns:
        (batch,)
    """
    better = better_than(ranks)
    rewards = beta * (policy_logps - reference_logps)
    margins = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    losses = smoothed_logistic(margins.masked_fill(~better, 0.0), label_smoothing) * better
    return losses.sum(dim=(1, 2)) / better.sum(dim=(1, 2)).clamp(min=1)

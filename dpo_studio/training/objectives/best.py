"""Fine-tuning on the preferred completion, alone or beside another objective."""

from __future__ import annotations

from torch import Tensor

from .orders import in_best_bucket, in_last_bucket


def preferred_ft(policy_logps: Tensor, ranks: Tensor, *, lengths: Tensor) -> Tensor:
    """−ℓ_w/|y_w| of a group's best completion, the mean over the best when several share that place.

    The supervised baseline of Rafailov et al., arXiv 2305.18290, section 6. A group whose items are all tied has no
    preferred one: loss 0 and gradient 0.

    Args:
        policy_logps: (batch, k), summed over the completion.
        ranks: (batch, k) integers, see the package's docstring.
        lengths: (batch, k), tokens of each completion; anything where there is none.

    Returns:
        (batch,)
    """
    best = in_best_bucket(ranks) & ~in_last_bucket(ranks)
    per_token = (-policy_logps).masked_fill(~best, 0.0) / lengths.clamp(min=1)
    return per_token.sum(dim=1) / best.sum(dim=1).clamp(min=1)

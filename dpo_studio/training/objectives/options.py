"""What combines with any paired or ranked objective: a weight, likelihood of the best, and strength as a margin.

A weight is a factor of the losses, before the likelihood is added; a margin is an argument of the objectives that
have one.
"""

from __future__ import annotations

from torch import Tensor

from .best import preferred_ft


def combined(
    losses: Tensor,
    policy_logps: Tensor,
    ranks: Tensor,
    *,
    lengths: Tensor,
    weight: float | Tensor = 1.0,
    nll_weight: float = 0.0,
) -> Tensor:
    """weight·loss + nll_weight·NLL of the group's best completion per token.

    Wang et al., arXiv 2410.01257 (the weight: scaled Bradley–Terry), Pang et al., arXiv 2404.19733 (the likelihood,
    1 there). The weight does not touch the likelihood. A group whose items are all tied adds no likelihood.

    Args:
        losses: (batch,), of any objective.
        policy_logps, ranks, lengths: (batch, k), as for `preferred_ft`.
        weight: one for all or (batch,), such as the strength itself: 1 (better) or 2 (much better).

    Returns:
        (batch,)
    """
    weighted = weight * losses
    if nll_weight == 0.0:
        return weighted
    return weighted + nll_weight * preferred_ft(policy_logps, ranks, lengths=lengths)


def margin_of_strength(strength: Tensor, *, alpha: float = 1.0) -> Tensor:
    """α·log(1 + strength), what d has to exceed, of strengths 1 (better) and 2 (much better).

    Amini et al., arXiv 2402.10571.
    """
    return alpha * strength.log1p()

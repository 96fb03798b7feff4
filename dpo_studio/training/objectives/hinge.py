"""The hinge loss of SLiC on implicit rewards."""

from __future__ import annotations

from torch import Tensor

from .pairs import chosen_first


def hinge(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.05,
    margin: float | Tensor = 0.0,
) -> Tensor:
    """max(0, 1 − d): nothing more to learn from a pair whose margin has reached 1.

    Liu et al., arXiv 2309.06657.

    Args:
        policy_logps, reference_logps: (batch, 2).
        ranks: (batch, 2) integers that order each pair strictly.
        margin: taken from d, one for all or (batch,).

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("hinge", ranks, beta * (policy_logps - reference_logps))
    return (1.0 - (chosen - rejected - margin)).relu()

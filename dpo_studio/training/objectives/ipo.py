"""IPO on log-ratios averaged over a completion's tokens."""

from __future__ import annotations

from torch import Tensor

from .pairs import chosen_first


def ipo(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    lengths: Tensor,
    beta: float = 0.1,
) -> Tensor:
    """(a_w/|y_w| − a_l/|y_l| − 1/(2β))²: the gap of the mean log-ratios is drawn to 1/(2β), and not past it.

    Azar et al., arXiv 2310.12036, equation 17. Lengths are averaged, as its authors did for their results though
    the paper does not say so; β is the paper's τ.

    Args:
        policy_logps, reference_logps: (batch, 2), summed over the completion.
        ranks: (batch, 2) integers that order each pair strictly.
        lengths: (batch, 2), tokens of each completion.

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("ipo", ranks, (policy_logps - reference_logps) / lengths)
    return (chosen - rejected - 1.0 / (2.0 * beta)).square()

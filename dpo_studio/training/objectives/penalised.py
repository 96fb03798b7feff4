"""Two pair losses that keep DPO's form and change its margin: DPOP and LD-DPO."""

from __future__ import annotations

import torch
from torch import Tensor

from .dpo import smoothed_logistic
from .pairs import chosen_first


def dpop(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    penalty: float = 50.0,
    margin: float | Tensor = 0.0,
) -> Tensor:
    """−log σ(β·(a_w − a_l − λ·max(0, −a_w))): DPO that also loses when the chosen completion grows less likely.

    Pal et al., arXiv 2402.13228. The penalty is inside σ; outside it would be another loss.

    Args:
        policy_logps, reference_logps: (batch, 2).
        ranks: (batch, 2) integers that order each pair strictly.
        penalty: λ.
        margin: taken from what σ is taken of, one for all or (batch,).

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("dpop", ranks, policy_logps - reference_logps)
    return smoothed_logistic(beta * (chosen - rejected - penalty * (-chosen).relu()) - margin, 0.0)


def ld_dpo(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    policy_shared_logps: Tensor,
    reference_shared_logps: Tensor,
    beta: float = 0.1,
    alpha: float = 0.5,
    margin: float | Tensor = 0.0,
) -> Tensor:
    """DPO in which the tokens past the shorter completion's length weigh α.

    Liu et al., arXiv 2409.06411. At α = 1 it is `dpo`.

    Args:
        policy_logps, reference_logps: (batch, 2), whole completions.
        ranks: (batch, 2) integers that order each pair strictly.
        policy_shared_logps, reference_shared_logps: (batch, 2), the sums over the first min(|y_w|, |y_l|) tokens of
            each completion; `shared_logps` makes them.
        alpha: from 0, only the shared length counts, to 1.
        margin: taken from d, one for all or (batch,).

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    shared = policy_shared_logps - reference_shared_logps
    past = policy_logps - reference_logps - shared
    ((chosen, rejected),) = chosen_first("ld_dpo", ranks, beta * (shared + alpha * past))
    return smoothed_logistic(chosen - rejected - margin, 0.0)


def shared_logps(token_logps: Tensor, lengths: Tensor) -> Tensor:
    """The sum of each completion's log-probabilities over as many tokens as the pair's shorter one has, (batch, 2).

    Args:
        token_logps: (batch, 2, longest), anything finite past a completion's length.
        lengths: (batch, 2), tokens of each completion.
    """
    position = torch.arange(token_logps.shape[2], device=token_logps.device)
    shared = position < lengths.amin(dim=1)[:, None, None]
    return token_logps.masked_fill(~shared, 0.0).sum(dim=2)

"""Pair losses that need no reference model: ORPO, SimPO and unlikelihood."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .pairs import chosen_first


def orpo(policy_logps: Tensor, ranks: Tensor, *, lengths: Tensor, odds_weight: float = 0.1) -> Tensor:
    """NLL_w − λ·log σ(log-odds of the chosen − log-odds of the rejected), all of mean log-probabilities per token.

    Hong et al., arXiv 2403.07691, equations 6 and 7.

    Args:
        policy_logps: (batch, 2), summed over the completion.
        ranks: (batch, 2) integers that order each pair strictly.
        lengths: (batch, 2), tokens of each completion.
        odds_weight: λ (some programs call it β).

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("orpo", ranks, policy_logps / lengths)
    return -chosen - odds_weight * logsigmoid(log_odds(chosen) - log_odds(rejected))


def simpo(
    policy_logps: Tensor,
    ranks: Tensor,
    *,
    lengths: Tensor,
    beta: float = 2.0,
    gamma_beta_ratio: float = 0.5,
) -> Tensor:
    """−log σ(β·ℓ_w/|y_w| − β·ℓ_l/|y_l| − γ).

    Meng et al., arXiv 2405.14734, equation 6.

    Args:
        policy_logps: (batch, 2), summed over the completion.
        ranks: (batch, 2) integers that order each pair strictly.
        lengths: (batch, 2), tokens of each completion.
        gamma_beta_ratio: γ/β, the gap of mean log-probabilities that is asked for.

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("simpo", ranks, policy_logps / lengths)
    return -logsigmoid(beta * (chosen - rejected - gamma_beta_ratio))


def unlikelihood(policy_logps: Tensor, ranks: Tensor, *, alpha: float = 0.5) -> Tensor:
    """−ℓ_w + α·ℓ_l: the chosen made likelier, the rejected less likely, without a floor.

    Rafailov et al., arXiv 2305.18290, section 6: a baseline, unbounded below, that is known to end in nonsense when
    trained for long.

    Args:
        policy_logps: (batch, 2), summed over the completion.
        ranks: (batch, 2) integers that order each pair strictly.

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("unlikelihood", ranks, policy_logps)
    return alpha * rejected - chosen


def log_odds(logps: Tensor) -> Tensor:
    """The log-odds log p/(1 − p) of log-probabilities; a p that rounds to 1 is taken as the next number below it."""
    logps = logps.clamp(max=-torch.finfo(logps.dtype).eps)
    # Each form of log(1 − p) where it keeps its digits.
    near_one = (-torch.expm1(logps)).log()
    near_zero = torch.log1p(-logps.exp())
    return logps - torch.where(logps > -math.log(2.0), near_one, near_zero)

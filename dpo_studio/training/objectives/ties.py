"""Pairs in which a tie is evidence of equality: Rao–Kupper and Davidson."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .pairs import chosen_first_or_tied


def rao_kupper(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    nu: float = 3.0,
) -> Tensor:
    """−log P with P(win) = σ(d − α) and P(tie) = (ν² − 1)·σ(d − α)·σ(−d − α), α = log ν.

    Chen et al., arXiv 2409.17431, on Rao and Kupper's model.

    Args:
        policy_logps, reference_logps: (batch, 2).
        ranks: (batch, 2) integers; equal ranks are a tie.
        nu: above 1; at d = 0 a tie has probability (ν − 1)/(ν + 1).

    Returns:
        (batch,)

    Raises:
        ValueError: ν out of range; a group is not a pair, or nothing in it was ranked.
    """
    if nu <= 1.0:
        raise ValueError(f"rao_kupper takes a nu above 1, not {nu}")
    alpha = math.log(nu)
    rewards = beta * (policy_logps - reference_logps)
    chosen, rejected, tied = chosen_first_or_tied("rao_kupper", ranks, rewards)
    d = chosen - rejected
    win = -logsigmoid(d - alpha)
    tie = win - logsigmoid(-d - alpha) - math.log(nu * nu - 1.0)
    return torch.where(tied, tie, win)


def davidson(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    nu: float = 1.0,
) -> Tensor:
    """−log P with P(win) = 1/(1 + e^{−d} + 2ν·e^{−d/2}) and P(tie) = 2ν·e^{−d/2}·P(win).

    Chen et al., arXiv 2409.17431, on Davidson's model.

    Args:
        policy_logps, reference_logps: (batch, 2).
        ranks: (batch, 2) integers; equal ranks are a tie.
        nu: above 0; at d = 0 a tie has probability ν/(1 + ν).

    Returns:
        (batch,)

    Raises:
        ValueError: ν out of range; a group is not a pair, or nothing in it was ranked.
    """
    if nu <= 0.0:
        raise ValueError(f"davidson takes a nu above 0, not {nu}")
    log_two_nu = math.log(2.0 * nu)
    rewards = beta * (policy_logps - reference_logps)
    chosen, rejected, tied = chosen_first_or_tied("davidson", ranks, rewards)
    d = chosen - rejected
    # log(e^{d/2} + e^{−d/2} + 2ν), from which win and tie are one subtraction away.
    middle = torch.stack([d / 2, -d / 2, torch.full_like(d, log_two_nu)]).logsumexp(dim=0)
    return middle - torch.where(tied, torch.full_like(d, log_two_nu), d / 2)

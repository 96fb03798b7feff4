"""What is watched while training, from log-probabilities and ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from .objectives.orders import ABSENT, better_than, in_best_bucket, in_last_bucket

#: Margins that differ by less differ by rounding.
_ROUNDING = 1e-4


def measure(
    losses: Tensor, policy_logps: Tensor, reference_logps: Tensor, ranks: Tensor, *, lengths: Tensor, beta: float
) -> dict[str, float | None]:
    """Loss, rewards, margin, accuracy, wrongness, Kendall's τ, and mean ℓ and a of best and worst.

    "Best" is the mean over a group's first bucket, "worst" over its last; every group counts once, except in
    `accuracy`, which is the share of all strictly ordered pairs that the rewards order right (an exact tie of
    rewards counts half), and in `wrongness`.

    Args:
        losses: (groups,)
        policy_logps, reference_logps, ranks: (groups, k).
        lengths: (groups, k), tokens of each completion.
    """
    policy, reference = policy_logps.double(), reference_logps.double()
    ratios = policy - reference
    rewards = beta * ratios
    best, worst = in_best_bucket(ranks), in_last_bucket(ranks)
    reward_best, reward_worst = _mean(rewards, best), _mean(rewards, worst)
    return {
        "loss": losses.double().mean().item(),
        "reward_best": reward_best,
        "reward_worst": reward_worst,
        "margin": reward_best - reward_worst,
        "accuracy": accuracy(rewards, ranks),
        "wrongness": wrongness(rewards, ranks),
        "kendall_tau": kendall_tau(rewards, ranks),
        "length_correlation": length_correlation(rewards, ranks, lengths),
        "logp_best": _mean(policy, best),
        "logp_worst": _mean(policy, worst),
        "logratio_best": _mean(ratios, best),
        "logratio_worst": _mean(ratios, worst),
    }


def accuracy(rewards: Tensor, ranks: Tensor) -> float | None:
    """Share of the strictly ordered pairs, over all groups, that the rewards order right.

    None of no pairs, and where a reward is not a number, which orders nothing.
    """
    better = better_than(ranks)
    pairs = better.sum().item()
    gaps = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    if not pairs or bool(gaps[better].isnan().any()):
        return None
    right = (better & (gaps > 0)).sum() + 0.5 * (better & (gaps == 0)).sum()
    return right.item() / pairs


def wrongness(rewards: Tensor, ranks: Tensor) -> float | None:
    """How wrong the model still is: σ(−d), averaged over the strictly ordered pairs of all groups.

    With this weight a pair's gradient enters that of DPO: a half where the rewards prefer neither, near 0 where
    nothing is left to learn. None of no pairs, and where a reward is not a number.
    """
    better = better_than(ranks)
    gaps = (rewards.unsqueeze(2) - rewards.unsqueeze(1))[better]
    if not len(gaps) or bool(gaps.isnan().any()):
        return None
    return (-gaps).sigmoid().mean().item()


def kendall_tau(rewards: Tensor, ranks: Tensor) -> float | None:
    """Kendall's τ-b between rewards and ranks, averaged over the groups in which both order something.

    Unranked completions count as tied in last place. None where no group does, and where a reward is not a number.
    """
    better = better_than(ranks)
    present = ranks != ABSENT
    gaps = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    ordered = better.sum(dim=(1, 2))
    concordant = (better & (gaps > 0)).sum(dim=(1, 2))
    discordant = (better & (gaps < 0)).sum(dim=(1, 2))
    both = present.unsqueeze(2) & present.unsqueeze(1)
    distinct = (both & (gaps > 0)).sum(dim=(1, 2))
    usable = (ordered > 0) & (distinct > 0)
    if not bool(usable.any()) or bool(gaps[better].isnan().any()):
        return None
    tau = (concordant - discordant)[usable] / (ordered[usable] * distinct[usable]).double().sqrt()
    return tau.mean().item()


def length_correlation(rewards: Tensor, ranks: Tensor, lengths: Tensor) -> float | None:
    """Pearson's correlation of the margin with how much longer the better completion is.

    Over the strictly ordered pairs of all groups. None of fewer than three pairs, or where one of the two is the same
    in all, up to the rounding of the margins.
    """
    better = better_than(ranks)
    margins = (rewards.unsqueeze(2) - rewards.unsqueeze(1))[better].double()
    longer = (lengths.unsqueeze(2) - lengths.unsqueeze(1))[better].double()
    if len(margins) < 3 or margins.max() - margins.min() < _ROUNDING or longer.max() == longer.min():
        return None
    return torch.corrcoef(torch.stack([margins, longer]))[0, 1].item()


def stack(rows: list[Tensor], *, fill: float) -> Tensor:
    """Rows (k_i,) as one (groups, k) tensor, the short ones filled up."""
    width = max(len(row) for row in rows)
    return torch.stack([torch.nn.functional.pad(row, (0, width - len(row)), value=fill) for row in rows])


def stack_tokens(rows: list[Tensor]) -> Tensor:
    """Token values (k_i, longest_i) as one (groups, k, longest) tensor, filled up with zeros."""
    k, longest = (max(row.shape[dim] for row in rows) for dim in (0, 1))
    pad = torch.nn.functional.pad
    return torch.stack([pad(row, (0, longest - row.shape[1], 0, k - row.shape[0])) for row in rows])


def _mean(values: Tensor, mask: Tensor) -> float:
    by_group = values.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1)
    return by_group.mean().item()

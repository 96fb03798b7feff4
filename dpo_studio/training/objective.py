"""The settings' method on groups of any size: which function, of what, with which options.

Pairwise methods take all strictly ordered pairs of a group, those that read ties the tied ones too, weighted so that
every group counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpo_studio.core.methods import METHODS
from dpo_studio.core.settings import TrainingSettings

from . import objectives
from .objectives.expansion import Pairs, pairs_of


@dataclass(frozen=True, slots=True)
class Scored:
    """Some groups and what the policy and the reference say of them.

    Attributes:
        policy, reference: (groups, k) summed log-probabilities.
        ranks: (groups, k), see `objectives`.
        lengths: (groups, k) tokens of each completion, at least 1.
        strength: (groups,) 1 better, 2 much better.
        confidence: (groups,) the annotator's, from a half to 1; NaN where it is not known.
        policy_tokens, reference_tokens: (groups, k, longest), 0 past each end, for methods that need tokens.
        mismatched_policy, mismatched_reference: (mismatched,) of the whole step's groups, for `kto`.
    """

    policy: Tensor
    reference: Tensor
    ranks: Tensor
    lengths: Tensor
    strength: Tensor
    confidence: Tensor
    policy_tokens: Tensor | None = None
    reference_tokens: Tensor | None = None
    mismatched_policy: Tensor | None = None
    mismatched_reference: Tensor | None = None


def losses_of(settings: TrainingSettings, scored: Scored) -> Tensor:
    """The loss of each group, (groups,), options included.

    Wang et al., arXiv 2410.01257 (weight) and Pang et al., arXiv 2404.19733 (likelihood of the best).
    """
    weight: float | Tensor = scored.strength if settings.strength_use == "weight" else 1.0
    return objectives.combined(
        _plain_losses(settings, scored),
        scored.policy,
        scored.ranks,
        lengths=scored.lengths,
        weight=weight,
        nll_weight=settings.nll_weight,
    )


def _plain_losses(settings: TrainingSettings, scored: Scored) -> Tensor:
    if settings.method == "pl_dpo":
        return objectives.pl_dpo(
            scored.policy,
            scored.reference,
            scored.ranks,
            beta=settings.beta,
            stage_reduction=settings.stage_reduction,
        )
    if settings.method == "preferred_ft":
        return objectives.preferred_ft(scored.policy, scored.ranks, lengths=scored.lengths)
    if settings.method == "kto":
        return _kto(settings, scored)
    pairs = pairs_of(scored.ranks, ties=METHODS[settings.method].reads_ties)
    return pairs.mean(_pair_losses(settings, scored, pairs))


def _pair_losses(settings: TrainingSettings, scored: Scored, pairs: Pairs) -> Tensor:
    policy, reference, ranks = pairs.take(scored.policy), pairs.take(scored.reference), pairs.ranks
    beta, margin = settings.beta, _margin(settings, scored, pairs)
    match settings.method:
        case "dpo":
            smoothing = _smoothing(settings, scored, pairs)
            return objectives.dpo(policy, reference, ranks, beta=beta, label_smoothing=smoothing, margin=margin)
        case "robust":
            smoothing = settings.label_smoothing
            return objectives.robust(policy, reference, ranks, beta=beta, label_smoothing=smoothing, margin=margin)
        case "hinge":
            return objectives.hinge(policy, reference, ranks, beta=beta, margin=margin)
        case "ipo":
            return objectives.ipo(policy, reference, ranks, lengths=pairs.take(scored.lengths), beta=beta)
        case "dpop":
            return objectives.dpop(policy, reference, ranks, beta=beta, penalty=settings.penalty, margin=margin)
        case "ld_dpo":
            return _ld_dpo(settings, scored, pairs)
        case "rao_kupper":
            return objectives.rao_kupper(policy, reference, ranks, beta=beta, nu=settings.nu)
        case "davidson":
            return objectives.davidson(policy, reference, ranks, beta=beta, nu=settings.nu)
        case "orpo":
            lengths = pairs.take(scored.lengths)
            return objectives.orpo(policy, ranks, lengths=lengths, odds_weight=settings.odds_weight)
        case "simpo":
            lengths, ratio = pairs.take(scored.lengths), settings.gamma_beta_ratio
            return objectives.simpo(policy, ranks, lengths=lengths, beta=beta, gamma_beta_ratio=ratio)
        case "unlikelihood":
            return objectives.unlikelihood(policy, ranks, alpha=settings.unlikelihood_alpha)
    raise KeyError(settings.method)


def _margin(settings: TrainingSettings, scored: Scored, pairs: Pairs) -> float | Tensor:
    if settings.strength_use != "margin":
        return 0.0
    by_group = objectives.margin_of_strength(scored.strength, alpha=settings.strength_alpha)
    return by_group.index_select(0, pairs.group)


def _smoothing(settings: TrainingSettings, scored: Scored, pairs: Pairs) -> float | Tensor:
    """ε of each pair: 1 − the annotator's confidence where it is known, else the setting's divided by the strength."""
    if settings.strength_use != "smoothing":
        return settings.label_smoothing
    by_group = torch.where(
        scored.confidence.isnan(), settings.label_smoothing / scored.strength, 1.0 - scored.confidence
    )
    return by_group.index_select(0, pairs.group)


def _ld_dpo(settings: TrainingSettings, scored: Scored, pairs: Pairs) -> Tensor:
    assert scored.policy_tokens is not None and scored.reference_tokens is not None
    lengths = pairs.take(scored.lengths)
    return objectives.ld_dpo(
        pairs.take(scored.policy),
        pairs.take(scored.reference),
        pairs.ranks,
        policy_shared_logps=objectives.shared_logps(pairs.take(scored.policy_tokens), lengths),
        reference_shared_logps=objectives.shared_logps(pairs.take(scored.reference_tokens), lengths),
        beta=settings.beta,
        alpha=settings.ld_alpha,
        margin=_margin(settings, scored, pairs),
    )


def _kto(settings: TrainingSettings, scored: Scored) -> Tensor:
    """Half the mean over a group's best and half that over its last: every group and both sides count alike."""
    assert scored.mismatched_policy is not None and scored.mismatched_reference is not None
    liked, disliked = objectives.judged(scored.ranks)
    each = objectives.kto(
        scored.policy.flatten(),
        scored.reference.flatten(),
        liked.flatten(),
        mismatched_policy_logps=scored.mismatched_policy,
        mismatched_reference_logps=scored.mismatched_reference,
        beta=settings.beta,
        desirable_weight=settings.desirable_weight,
        undesirable_weight=settings.undesirable_weight,
    ).view_as(scored.policy)
    means = [(each * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1) for mask in (liked, disliked)]
    return (means[0] + means[1]) / 2

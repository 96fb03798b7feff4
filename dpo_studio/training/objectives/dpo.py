"""DPO on pairs: plain, with label smoothing, and unbiased under flipped labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

from .pairs import chosen_first


def dpo(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    label_smoothing: float | Tensor = 0.0,
    margin: float | Tensor = 0.0,
) -> Tensor:
    """−(1−ε)·log σ(d) − ε·log σ(−d) with the margin d of the chosen over the rejected completion.

    Rafailov et al., arXiv 2305.18290, equation 7; ε = label_smoothing is the conservative DPO of Mitchell's note.

    Args:
        policy_logps, reference_logps: (batch, 2).
        ranks: (batch, 2) integers that order each pair strictly.
        label_smoothing: one ε for all, or (batch,): 1 − the annotator's confidence in each label.
        margin: what d has to exceed, one for all or (batch,), taken from d (arXiv 2402.10571).

    Returns:
        (batch,)

    Raises:
        ValueError: a group is not a pair, or is a tie.
    """
    ((chosen, rejected),) = chosen_first("dpo", ranks, beta * (policy_logps - reference_logps))
    return smoothed_logistic(chosen - rejected - margin, label_smoothing)


def robust(
    policy_logps: Tensor,
    reference_logps: Tensor,
    ranks: Tensor,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.1,
    margin: float | Tensor = 0.0,
) -> Tensor:
    """[−(1−ε)·log σ(d) + ε·log σ(−d)] / (1−2ε): DPO's loss on clean labels, in expectation, when a share ε is flipped.

    Chowdhury et al., arXiv 2403.00409. Not the conservative DPO: the flipped term is taken away, and a loss can be
    negative.

    Args:
        policy_logps, reference_logps, ranks, margin: as for `dpo`.
        label_smoothing: ε, at least 0 and below a half.

    Returns:
        (batch,)

    Raises:
        ValueError: ε out of range; a group is not a pair, or is a tie.
    """
    if not 0.0 <= label_smoothing < 0.5:
        raise ValueError(f"robust takes a label_smoothing of at least 0 and below 0.5, not {label_smoothing}")
    ((chosen, rejected),) = chosen_first("robust", ranks, beta * (policy_logps - reference_logps))
    d = chosen - rejected - margin
    clean, flipped = -logsigmoid(d), -logsigmoid(-d)
    return ((1.0 - label_smoothing) * clean - label_smoothing * flipped) / (1.0 - 2.0 * label_smoothing)


def smoothed_logistic(margin: Tensor, label_smoothing: float | Tensor) -> Tensor:
    """−(1−ε)·log σ(d) − ε·log σ(−d), element by element."""
    if not isinstance(label_smoothing, Tensor) and label_smoothing == 0.0:
        return -logsigmoid(margin)
    return -(1.0 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)

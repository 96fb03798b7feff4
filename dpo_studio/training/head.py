"""Log-probabilities of target tokens from hidden states, without a (tokens × vocabulary) tensor that stays.

With a frozen head the gradient is computed in the forward pass: the derivative of one token's log-probability
with respect to its hidden state does not depend on the loss, so the backward pass is one multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

#: Elements of one chunk's logits, by device: on a CPU few enough that their memory is had again, rather than asked of
#: the system, for the next chunk, and enough rows for products at full speed; on a GPU few and large operations.
_CHUNK_ELEMENTS = {"cpu": 6_500_000, "cuda": 100_000_000, "mps": 25_000_000}


@dataclass(frozen=True, slots=True)
class Head:
    """A model's output layer: logits = softcap(scale · (h·Wᵀ + b)).

    Attributes:
        weight: (vocabulary, hidden).
        bias: (vocabulary,) or None.
        softcap: c in c·tanh(logits / c), or None.
    """

    weight: Tensor
    bias: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    @property
    def frozen(self) -> bool:
        return not (self.weight.requires_grad or (self.bias is not None and self.bias.requires_grad))

    def logits(self, hidden: Tensor) -> Tensor:
        """(tokens, vocabulary), as the model's own forward computes them."""
        logits = linear(hidden, self.weight, self.bias)
        if self.scale != 1.0:
            logits = logits * self.scale
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return logits


def target_logps(head: Head, hidden: Tensor, targets: Tensor) -> Tensor:
    """Log p(target) of each position.

    Args:
        hidden: (tokens, hidden), at the positions that predict.
        targets: (tokens,) token ids.

    Returns:
        (tokens,) fp32.
    """
    rows = max(1, _CHUNK_ELEMENTS.get(hidden.device.type, 6_500_000) // head.weight.shape[0])
    if head.frozen:
        if torch.is_grad_enabled() and hidden.requires_grad:
            return _FrozenHead.apply(hidden, targets, head, rows)
        parts = zip(hidden.split(rows), targets.split(rows), strict=True)
        return torch.cat([_logps(head, h, t) for h, t in parts]) if len(targets) else hidden.new_zeros(0).float()
    parts = zip(hidden.split(rows), targets.split(rows), strict=True)
    return torch.cat([checkpoint(_logps, head, h, t, use_reentrant=False) for h, t in parts])


def _logps(head: Head, hidden: Tensor, targets: Tensor) -> Tensor:
    logps = head.logits(hidden).log_softmax(dim=1, dtype=torch.float32)
    return logps.gather(1, targets.unsqueeze(1)).squeeze(1)


class _FrozenHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, head: Head, rows: int) -> Tensor:
        logps, gradients = [], []
        for h, t in zip(hidden.split(rows), targets.split(rows), strict=True):
            logits = head.logits(h)
            slope = _slope_of_transform(head, logits)
            by_logits = logits.log_softmax(dim=1, dtype=torch.float32)
            at_target = t.unsqueeze(1)
            logps.append(by_logits.gather(1, at_target).squeeze(1))
            # d logp / d logits = onehot(target) − softmax; the onehot is added as the weight's rows.
            by_logits.exp_()
            if slope is not None:
                by_logits.mul_(slope)
            # In the memory of the logits, which are not needed any more.
            by_hidden = logits.copy_(by_logits) @ head.weight
            of_target = head.weight.index_select(0, t)
            if slope is not None:
                of_target = of_target * slope.gather(1, at_target).to(of_target.dtype)
            gradients.append((of_target - by_hidden).mul_(head.scale))
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(logps)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (by_hidden,) = ctx.saved_tensors
        return (by_hidden * grads[0].unsqueeze(1).to(by_hidden.dtype), None, None, None)


def _slope_of_transform(head: Head, logits: Tensor) -> Tensor | None:
    """The derivative of soft-capping, from the capped logits: 1 − (logits/c)²."""
    return None if head.softcap is None else 1.0 - (logits.float() / head.softcap) ** 2

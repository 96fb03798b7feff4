"""Log-probabilities of target tokens from hidden states, without a (tokens × vocabulary) tensor that stays.

With a frozen head the gradient is computed in the forward pass: the derivative of one token's log-probability
with respect to its hidden state does not depend on the loss, so the backward pass is one multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

#: Elements of one chunk's logits, by device: on a CPU few enough that their memory is had again, rather than asked of
#: the system, for the next chunk, and enough rows for products at full speed; on a GPU few and large operations.
_CHUNK_ELEMENTS = {"cpu": 6_500_000, "cuda": 100_000_000, "mps": 25_000_000}
#: Rows of a frozen weight that are taken at a time on a CPU, where reading a weight from memory takes as long as many
#: positions' products with it: it is read once for all positions, and is near for the gradient's product.
_BLOCK = {"cpu": 4096}


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

    def rows(self, first: int, stop: int) -> Head:
        """The part that gives these tokens' logits."""
        if first == 0 and stop >= self.weight.shape[0]:
            return self
        return replace(self, weight=self.weight[first:stop], bias=None if self.bias is None else self.bias[first:stop])

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
    device, vocabulary = hidden.device.type, head.weight.shape[0]
    block = min(vocabulary, _BLOCK.get(device, vocabulary)) if head.frozen else vocabulary
    rows = max(1, _CHUNK_ELEMENTS.get(device, 6_500_000) // block)
    if head.frozen:
        return _FrozenHead.apply(hidden, targets, head, rows, block)
    parts = zip(hidden.split(rows), targets.split(rows), strict=True)
    return torch.cat([checkpoint(_logps, head, h, t, use_reentrant=False) for h, t in parts])


def _logps(head: Head, hidden: Tensor, targets: Tensor) -> Tensor:
    logps = head.logits(hidden).log_softmax(dim=1, dtype=torch.float32)
    return logps.gather(1, targets.unsqueeze(1)).squeeze(1)


class _FrozenHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, head: Head, rows: int, block: int) -> Tensor:
        needed = ctx.needs_input_grad[0]
        parts = list(zip(hidden.split(rows), targets.split(rows), strict=True))
        found = [_in_blocks(head, h, t, block, gradients=needed) for h, t in parts]
        if needed:
            ctx.save_for_backward(torch.cat([gradient for _, gradient in found if gradient is not None]))
        return torch.cat([logps for logps, _ in found])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (by_hidden,) = ctx.saved_tensors
        return by_hidden * grads[0].unsqueeze(1).to(by_hidden.dtype), None, None, None, None


def _in_blocks(
    head: Head, hidden: Tensor, targets: Tensor, block: int, *, gradients: bool
) -> tuple[Tensor, Tensor | None]:
    """The log-probabilities (tokens,) and, where asked for, their gradients (tokens, hidden).

    The softmax is over blocks of the vocabulary, one after the other: sums are relative to the largest logit so far,
    and scaled down when a larger one comes.
    """
    at_target = targets.unsqueeze(1)
    largest = hidden.new_full(at_target.shape, torch.finfo(torch.float32).min, dtype=torch.float32)
    total, of_target = torch.zeros_like(largest), torch.zeros_like(largest)
    by_softmax = largest.new_zeros(hidden.shape) if gradients else None
    for first in range(0, head.weight.shape[0], block):
        part = head.rows(first, first + block)
        logits = part.logits(hidden)
        wide = logits.float()
        place = (at_target - first).clamp(0, wide.shape[1] - 1)
        here = (at_target >= first) & (at_target < first + block)
        of_target = torch.where(here, wide.gather(1, place), of_target)
        slope = None if by_softmax is None else _slope_of_transform(head, logits)
        before, largest = largest, torch.maximum(largest, wide.amax(dim=1, keepdim=True))
        shrunk = (before - largest).exp_()
        wide.sub_(largest).exp_()
        total = total.mul_(shrunk).add_(wide.sum(dim=1, keepdim=True))
        if by_softmax is not None:
            weights = wide if slope is None else wide.mul_(slope)
            # In the memory of the logits, which are not needed any more.
            by_softmax.mul_(shrunk).add_(logits.copy_(weights) @ part.weight)
    logps = (of_target - largest - total.log()).squeeze(1)
    if by_softmax is None:
        return logps, None
    # d logp / d logits = onehot(target) − softmax; the onehot is added as the weight's rows.
    rows = head.weight.index_select(0, targets)
    slope = _slope_of_transform(head, of_target)
    if slope is not None:
        rows = rows * slope.to(rows.dtype)
    return logps, (rows - by_softmax.div_(total)).mul_(head.scale).to(hidden.dtype)


def _slope_of_transform(head: Head, logits: Tensor) -> Tensor | None:
    """The derivative of soft-capping, from the capped logits: 1 − (logits/c)²."""
    return None if head.softcap is None else 1.0 - (logits.float() / head.softcap) ** 2

"""Log-probabilities of a completion's tokens, the plain way: one row, one forward pass, the whole head.

This is the reference that faster ways are tested against; it shares nothing and packs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def token_logps(model: torch.nn.Module, prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> torch.Tensor:
    """The log-probability log π(y_t | x, y_<t) of every completion token, in float32.

    Gradients flow unless the caller is under `torch.no_grad()`.

    Args:
        model: a causal language model, with or without an adapter.
        prompt_ids: x, at least one token.
        completion_ids: y, the end token included where the model produced it.

    Returns:
        shape (len(completion_ids),), float32, in nats.
    """
    if not prompt_ids:
        raise ValueError("a prompt has at least one token")
    device = next(model.parameters()).device
    ids = torch.tensor([[*prompt_ids, *completion_ids]], dtype=torch.long, device=device)
    if not completion_ids:
        return torch.zeros(0, dtype=torch.float32, device=device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt_ids) - 1 : -1].float()
    targets = ids[0, len(prompt_ids) :]
    return logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0]

"""Whether the whole model can be trained in the memory that this machine has free, before a model is loaded. No Qt."""

from __future__ import annotations

import psutil

#: Of each parameter in float32: the weight, its gradient, and the optimiser's two numbers.
BYTES_A_PARAMETER = 16


def whole_model_warning(parameters: int, *, free_bytes: int | None = None) -> str:
    """Why training every weight will most likely fail; nothing where there is room.

    Args:
        free_bytes: memory that is free; this machine's when not given.
    """
    free = psutil.virtual_memory().available if free_bytes is None else free_bytes
    needed = parameters * BYTES_A_PARAMETER
    if needed <= free:
        return ""
    return (
        f"Training every weight of a model of {parameters / 1e6:,.0f} M parameters takes more than"
        f" {needed / 1e9:.0f} GB of memory, and {free / 1e9:.0f} GB are free: train an adapter, or a smaller model."
    )

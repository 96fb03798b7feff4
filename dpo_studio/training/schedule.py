"""The learning rate of each step: a pure function, so that a resumed run needs no state for it."""

from __future__ import annotations

import math


def learning_rate(step: int, *, steps: int, peak: float, warmup_ratio: float) -> float:
    """The rate of step `step`, counted from 0: a straight rise to the peak, then half a cosine towards 0."""
    warmup = math.ceil(steps * warmup_ratio)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))

"""A small model in float32: where small differences decide, bfloat16's rounding decides instead."""

from __future__ import annotations

import dataclasses

import torch

from .load import LoadedModel

#: Models of fewer weights than this are made exact; of larger ones memory and time do not allow it.
EXACT_BELOW = 500_000_000


def exact(loaded: LoadedModel) -> LoadedModel:
    """The model in float32 where it is small, else as it is.

    (The starter's log-odds of a judgement come in steps of an eighth in bfloat16, and many of its pairs differ by less
    than a fifth. The order of its gaps between implicit rewards, under two random adapters, has a Kendall's tau of 0.2
    and 0.3 with that of float64 in bfloat16, and of 1.0 in float32.)
    """
    if loaded.parameters >= EXACT_BELOW or loaded.dtype == torch.float32:
        return loaded
    return dataclasses.replace(loaded, model=loaded.model.float(), dtype=torch.float32)

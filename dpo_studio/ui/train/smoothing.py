"""The smoothing of the curves: an exponential moving average that gaps and beginnings do not bend."""

from __future__ import annotations

import numpy as np

_BLOCK = 64


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """The average in which each older point counts `weight` times the one after it, (n,) to (n,).

    It is divided by the weights that were there, so it starts at the first value instead of at zero; gaps (NaN)
    stay gaps and add nothing.

    Args:
        weight: from 0 (the values themselves) to below 1.
    """
    if weight <= 0 or len(values) == 0:
        return values
    there = np.isfinite(values)
    total = _decaying_sum(np.where(there, values, 0.0), weight)
    count = _decaying_sum(there.astype(float), weight)
    result = np.full(len(values), np.nan)
    np.divide(total, count, out=result, where=there)
    return result


def _decaying_sum(values: np.ndarray, weight: float) -> np.ndarray:
    """s[t] = weight * s[t-1] + values[t], block by block so that the powers stay within range."""
    result = np.empty(len(values))
    powers = np.maximum(weight, 0.01) ** np.arange(_BLOCK + 1)
    carried = 0.0
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        n = len(block)
        result[start : start + n] = np.cumsum(block / powers[:n]) * powers[:n] + carried * powers[1 : n + 1]
        carried = result[start + n - 1]
    return result

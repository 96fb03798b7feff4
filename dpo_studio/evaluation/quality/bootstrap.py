"""Intervals by drawing whole comparisons again and again, with replacement (Efron 1979, "Bootstrap methods").

What hangs together is drawn together: the pairs and the answers of one comparison are no independent observations, so
comparisons are drawn (the cluster bootstrap; Field and Welsh 2007, "Bootstrapping clustered data"). For agreement
between annotators this holds its level better than formulas for large samples (Zapf and others 2016, BMC Medical
Research Methodology 16:93). The draws are seeded: the same labels have the same interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
_CELLS_AT_ONCE = 2_000_000
_LEAST_DEFINED = 0.9


def totals(rows: NDArray[Any]) -> Floats:
    """The sums of rows drawn with replacement, as many as there are (RESAMPLES, columns).

    Args:
        rows: what each comparison adds (comparisons, columns). Equal ones are drawn together: the same, but quick.
    """
    n = len(rows)
    different, times = np.unique(rows, axis=0, return_counts=True)
    draw = np.random.default_rng(0)
    at_once = max(1, _CELLS_AT_ONCE // len(different))
    drawn = [
        draw.multinomial(n, times / n, size=min(at_once, RESAMPLES - start)) @ different
        for start in range(0, RESAMPLES, at_once)
    ]
    return np.concatenate(drawn).astype(np.float64)


def interval(values: Floats) -> tuple[float, float] | None:
    """The 95% percentile interval of a figure in such draws (RESAMPLES,); None where it is often not defined (nan)."""
    known = values[~np.isnan(values)]
    if len(known) < _LEAST_DEFINED * RESAMPLES:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)

"""How many rows are written in one transaction, so that nobody else who writes has to wait for long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: A transaction is to hold the database for about so long; a label that waits is saved within twice of that.
_AIM_S = 0.008
_FEWEST, _MOST, _FIRST = 25, 1_000, 100
#: Between two transactions the database is left alone, so that whoever waits gets it; they ask every millisecond.
_BREATH_S, _BREATH_SHARE = 0.002, 0.2


class Pace:
    """Learns from how long transactions take.

    Attributes:
        rows: for the next transaction.
    """

    def __init__(self) -> None:
        self.rows = _FIRST

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One transaction; afterwards others have theirs."""
        began = time.perf_counter()
        yield
        took = max(time.perf_counter() - began, 1e-6)
        change = min(max(_AIM_S / took, 0.5), 1.25)
        self.rows = min(max(round(self.rows * change), _FEWEST), _MOST)
        time.sleep(_BREATH_S + took * _BREATH_SHARE)

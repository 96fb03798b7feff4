"""How long an item was looked at: seconds on screen, not counting while the window was away."""

from __future__ import annotations

import time
from collections.abc import Callable


class Stopwatch:
    """Counts seconds while it runs. `clock` is a monotonic one, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        running = 0.0 if self._since is None else self._clock() - self._since
        return self._counted + running

    def restart(self) -> None:
        """Count from nothing, running."""
        self._counted, self._since = 0.0, self._clock()

    def pause(self) -> None:
        self._counted, self._since = self.seconds, None

    def resume(self) -> None:
        if self._since is None:
            self._since = self._clock()

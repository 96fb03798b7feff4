"""Long work on what is shown, done a few milliseconds at a time between the window's events."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from PySide6.QtCore import QObject, QTimer


class Slices(QObject):
    """Goes on with pieces of work, each an iterator that does a slice at every step.

    The first slice is done at once, so what is short is never seen unfinished.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: dict[Hashable, Iterator[None]] = {}
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def busy(self) -> bool:
        """Whether there is more to do."""
        return bool(self._work)

    def start(self, key: Hashable, work: Iterator[None]) -> None:
        """Begin; what was going on under the same key is dropped."""
        self._work.pop(key, None)
        self._work[key] = work
        self._step(key)
        if self._work:
            self._timer.start()

    def stop(self, key: Hashable) -> None:
        """Drop the work under this key; nothing happens where there is none."""
        self._work.pop(key, None)

    def finish(self) -> None:
        """Do all that is left, however long it takes."""
        while self._work:
            self._step(next(iter(self._work)))

    def _on_timeout(self) -> None:
        if self._work:
            self._step(next(iter(self._work)))
        if not self._work:
            self._timer.stop()

    def _step(self, key: Hashable) -> None:
        try:
            next(self._work[key])
        except StopIteration:
            self._work.pop(key, None)

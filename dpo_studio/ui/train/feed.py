"""A run as the window follows it: its record, its state, and the wishes to its worker."""

from __future__ import annotations

import time
import weakref
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.types import RunId
from dpo_studio.jobs import estimating, training
from dpo_studio.jobs.training import Outcome

from .record import RunRecord
from .thread import TrainingThread

#: How many of the newest steps the speed is measured over.
SPEED_STEPS = 20


class RunFeed(QObject):
    """Follows one run from the first line it ever said. Live runs and old ones are the same to it.

    Args:
        start_worker: start its worker when it begins.
        lives: the run trains (or will, once begun); False for one that is only read again.

    Attributes:
        record: what it has said.
        outcome: how it stands; None until that is known.

    Signals:
        updated: (RunId) the record or the state is new.
        ended: (RunId) the run is over, `outcome` says how. Not after `detach`.
    """

    updated = Signal(object)
    ended = Signal(object)

    def __init__(
        self, run_id: RunId, name: str, run_folder: Path, *, start_worker: bool = False, lives: bool = False
    ) -> None:
        super().__init__()
        self.run_id = run_id
        self.name = name
        self.run_folder = run_folder
        self.record = RunRecord(estimating.expected(run_folder))
        self.outcome: Outcome | None = None
        self.asked = "run"
        self._arrivals: list[tuple[int, float]] = []
        self._thread = TrainingThread(run_folder, start_worker=start_worker)
        self._thread.events_read.connect(self._on_events)
        self._thread.ended_with.connect(self._on_ended)
        self.begun = False
        self.lives = lives or start_worker
        # A QThread must not go while it runs: whoever drops this feed waits the blink it takes to end.
        weakref.finalize(self, self._thread.detach)

    def begin(self) -> None:
        """Start reading (and the worker, if that was asked for)."""
        self.begun = True
        if not self._thread.starts_worker:
            self.asked = training.asked(self.run_folder)
        self._thread.start()

    def detach(self) -> None:
        """Stop following; a live worker goes on without the window."""
        self._thread.detach()

    @property
    def live(self) -> bool:
        """Whether it trains now, as far as is known."""
        return self.lives and self.begun and self.outcome is None

    def ask(self, what: str) -> None:
        """Pause, go on ("run") or stop-and-keep. Raises UserError when the folder cannot be written."""
        self._thread.ask(what)  # type: ignore[arg-type]
        self.asked = what
        self._arrivals.clear()
        self.updated.emit(self.run_id)

    def time_left_s(self) -> float | None:
        """Seconds to the last step by the speed of the newest steps, or None where it is unknown or done."""
        if len(self._arrivals) < 2 or not self.record.steps or self.record.is_ending or self.asked == "pause":
            return None
        (first, since), (last, until) = self._arrivals[0], self._arrivals[-1]
        if last <= first:
            return None
        return (until - since) / (last - first) * max(0, self.record.steps - last)

    def _on_events(self, said: list, restarted: bool) -> None:
        if restarted:
            self.record.clear()
            self._arrivals.clear()
        before = self.record.step
        self.record.add(said)
        if self.record.step < before:
            self._arrivals.clear()
        if self.record.step != before:
            self._arrivals.append((self.record.step, time.monotonic()))
            del self._arrivals[:-SPEED_STEPS]
        self.updated.emit(self.run_id)

    def _on_ended(self, outcome: Outcome) -> None:
        self._thread.wait()
        self.outcome = outcome
        self.ended.emit(self.run_id)
        self.updated.emit(self.run_id)

"""The thread that owns a run in the window: it starts the worker, or only watches, and tails what is said."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, QThread, Signal

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs import training
from dpo_studio.jobs.training import Outcome
from dpo_studio.jobs.worker import describe_exit

READ_EVERY_S = 0.08
LOOK_FOR_LIFE_EVERY_S = 0.4


class TrainingThread(QThread):
    """Reads a run's events from the start of its file, live or long over, by one code path.

    The worker is a process of its own: it goes on when this thread is told to `detach`.

    Signals:
        events_read: (list of events, restarted) what was said since the last time; `restarted` means
            that the file was cut back and the list begins at its start again.
        ended_with: (Outcome) the run is over; nothing follows. Not after `detach`.
    """

    events_read = Signal(object, bool)
    ended_with = Signal(object)

    def __init__(self, run_folder: Path, *, start_worker: bool, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run_folder = run_folder
        self.starts_worker = start_worker
        self._process: subprocess.Popen[bytes] | None = None
        self._detached = threading.Event()
        self._endings: list[events.Event] = []

    def ask(self, what: Literal["run", "pause", "stop"]) -> None:
        """Leave a wish for the worker.

        Raises:
            UserError: the run's folder cannot be written.
        """
        try:
            training.ask(self.run_folder, what)
        except OSError as error:
            raise UserError(
                f"The wish could not be left in the run's folder: {error.strerror}.", "Free some disk space."
            ) from error

    def detach(self) -> None:
        """Stop watching; the worker goes on. Returns when the thread has ended."""
        self._detached.set()
        with suppress(RuntimeError):  # at the end of the program Qt may have deleted the thread before this is asked
            self.wait()

    def run(self) -> None:
        """The thread's work; use `start`."""
        if self.starts_worker:
            refused = self._begin()
            if refused is not None:
                self.ended_with.emit(refused)
                return
        tail = training.EventTail(self.run_folder)
        looked = float("-inf")
        alive = True
        while not self._detached.is_set():
            if time.monotonic() - looked >= LOOK_FOR_LIFE_EVERY_S:
                looked, alive = time.monotonic(), self._is_alive()
            try:
                said = tail.read()
            except UserError as error:
                self.ended_with.emit(Outcome("failed", str(error)))
                return
            if said or tail.restarted:
                self._remember(said, restarted=tail.restarted)
                self.events_read.emit(said, tail.restarted)
            if not alive:
                # It was dead before this read, so the read was the last.
                self.ended_with.emit(self._outcome())
                return
            self._detached.wait(READ_EVERY_S)

    def _begin(self) -> Outcome | None:
        """Start the worker; how it failed, or None when it lives (also as somebody else's)."""
        try:
            self._process = training.start(self.run_folder)
        except UserError:
            return None
        except OSError as error:
            return Outcome(
                "failed",
                f"The training process could not be started: {error.strerror or error}."
                " Free some disk space and memory, then resume.",
            )
        return None

    def _is_alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return training.is_alive(self.run_folder)

    def _remember(self, said: list[events.Event], *, restarted: bool) -> None:
        """Keep what `outcome_of` looks at, and no more: runs can be long."""
        if restarted:
            self._endings.clear()
        endings = [e for e in said if isinstance(e, (events.RunDone, events.Failed, events.RunStarted))]
        if endings:
            self._endings = endings[-1:]
        elif not self._endings:
            self._endings = said[-1:]

    def _outcome(self) -> Outcome:
        """How the run stands now that its worker is gone; a worker of our own also says how it died."""
        outcome = training.outcome_of(self._endings, alive=False, run_folder=self.run_folder)
        if outcome.state == "interrupted" and self._process is not None and self._process.returncode:
            how = describe_exit(self._process.returncode)
            reason = f"Training was interrupted: {how}. Resume goes on from the last checkpoint."
            return Outcome("interrupted", reason, outcome.details)
        return outcome

"""Merging another copy of the project, as a job of the window: watched, and ended with nothing merged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject

from .exchange.commands import Commands, CommandThread
from .job_board import Job

TOO_LATE = "Too late to stop: what is new is being written"
#: Less done than this, and the time left is not told.
_ENOUGH_DONE = 0.1


class MergeJob(Job):
    """The command `merge`, once. It computes on no accelerator, so it waits for no model.

    It can be ended until it begins to write; from then on it is decided, and goes on.

    Attributes:
        answer: what it added; None where it did not come to its end.
        problem: why not: a UserError, or another exception, which is a bug.
        cancelled: whether a person ended it.
    """

    needs_accelerator = False
    stop_means = "Stop, and merge nothing"

    def __init__(
        self, commands: Commands, into: Path, other: Path, other_name: str = "", parent: QObject | None = None
    ) -> None:
        """
        Args:
            commands: keeps the command's thread, which lives a little longer than the job.
            other_name: who the other copy's annotator is here; "" keeps the name.
        """
        super().__init__(f"merging {other.name}", parent)
        named = ["--as", other_name] if other_name else []
        self._commands = commands
        self._arguments = ["merge", "--follow", *named, "--", str(into), str(other)]
        self._thread: CommandThread | None = None
        self._began = 0.0
        self.answer: Mapping[str, Any] | None = None
        self.problem: Exception | None = None
        self.cancelled = False

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread = self._commands.start(self._arguments)
        self._thread.heard.connect(self._on_heard)
        self._thread.answered.connect(self._on_answered)
        self._thread.refused.connect(self._on_refused)
        self._thread.start()

    def cancel(self) -> None:
        assert self._thread is not None, "a job that waits is not cancelled but taken out of the queue"
        if self.stop_means == TOO_LATE:
            return
        self.cancelled = True
        self._thread.stop()  # `refused` follows

    def _on_heard(self, said: Mapping[str, Any]) -> None:
        share = said["progress"]
        if said["doing"].startswith("writing"):
            self.stop_means = TOO_LATE
        left = (time.monotonic() - self._began) * (1 / share - 1) if share > _ENOUGH_DONE else None
        self.report(progress=share, time_left_s=left, detail=said["doing"])

    def _on_answered(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.finish()

    def _on_refused(self, error: Exception) -> None:
        self.problem = error
        self.finish()

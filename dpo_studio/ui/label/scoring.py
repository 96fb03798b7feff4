"""Scoring what waits in a process of its own, as a job of the window: for the order "most informative first"."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QTimer

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Policy
from dpo_studio.store import Project, scores
from dpo_studio.ui.exchange.commands import Commands
from dpo_studio.ui.job_board import Job

#: Comparisons that are scored at one go.
AT_ONCE = 500
_LOOK_EVERY_MS = 1000


class ScoringJob(Job):
    """`dpo-studio score`, once. What it scored so far is read from the project.

    Attributes:
        stage: what it does before the first of them has its score, such as loading the model; "" when it is not known.
        problem: why it could not go on: a UserError, or another exception, which is a bug; None otherwise.
        wanted: how many comparisons are to be scored.
    """

    def __init__(self, project: Project, policy: Policy, commands: Commands, parent: QObject | None = None) -> None:
        """
        Args:
            commands: keeps the command's thread, which lives a little longer than the job.
        """
        super().__init__("scoring comparisons", parent)
        self._project, self._policy = project, policy
        self._before = scores.progress(project, project.annotator, policy.id)
        self._annotator = project.annotator
        self.wanted = min(AT_ONCE, self._before.waiting - self._before.scored)
        self.scored = 0
        self.stage = ""
        self.problem: Exception | None = None
        self._cancelled = False
        self._began = time.monotonic()
        self._commands = commands
        self._timer = QTimer(self, interval=_LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    def start(self) -> None:
        self._began = time.monotonic()
        folder = str(self._project.folder)
        self._thread = self._commands.start(["score", "--follow", "--limit", str(AT_ONCE), "--", folder])
        self._thread.heard.connect(self._on_heard)
        self._thread.answered.connect(self._on_answered)
        self._thread.refused.connect(self._on_refused)
        self._thread.start()
        self._timer.start()
        self.changed.emit()

    def cancel(self) -> None:
        self._cancelled = True
        self._timer.stop()  # the project may be closed before the process is gone
        self._thread.stop()  # `refused` follows

    def _look(self) -> None:
        """Read how far it has come."""
        now = scores.progress(self._project, self._annotator, self._policy.id)
        self.scored = max(self.scored, now.scored - self._before.scored)
        share = self.scored / self.wanted if self.wanted else None
        left = (time.monotonic() - self._began) * (1 / share - 1) if share else None
        if self.scored or not self.stage:
            self.report(progress=share, time_left_s=left, detail=f"{self.scored}/{self.wanted}")
        else:
            self.report(detail=self.stage)

    def _on_heard(self, said: Mapping[str, Any]) -> None:
        if self._cancelled:
            return
        if not self.scored:
            self._began = time.monotonic()  # what is left is reckoned from when scoring began
        self.stage = said["doing"]
        self._look()

    def _on_answered(self, answer: dict) -> None:
        self.scored = int(answer["scored"])
        self._end()

    def _on_refused(self, error: Exception) -> None:
        if not (self._cancelled and isinstance(error, UserError)):
            self.problem = error
        self._end()

    def _end(self) -> None:
        self._timer.stop()
        self.finish()

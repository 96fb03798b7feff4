"""A training run as a job of the window: queued for the accelerator, shown in the status bar."""

from __future__ import annotations

from PySide6.QtCore import QObject

from dpo_studio.core.errors import UserError
from dpo_studio.ui.job_board import Job

from .feed import RunFeed


class TrainingJob(Job):
    """One run's turn on the accelerator. Cancelling it stops the run and keeps what it learnt.

    Attributes:
        outlives_window: its worker goes on when the window closes.
    """

    outlives_window = True

    def __init__(self, feed: RunFeed, parent: QObject | None = None) -> None:
        super().__init__(f"training {feed.name}", parent)
        self.feed = feed
        feed.updated.connect(self._on_updated)
        feed.ended.connect(self.finish)

    def start(self) -> None:
        self.feed.begin()

    def cancel(self) -> None:
        try:
            self.feed.ask("stop")
        except UserError as error:
            self.report(progress=self.progress, detail=str(error))

    def _on_updated(self) -> None:
        if self.state != "running":
            return
        record = self.feed.record
        if self.feed.asked == "stop":
            detail = "stopping after this step"
        elif record.step:
            detail = f"step {record.step}/{record.steps}" + (" paused" if self.feed.asked == "pause" else "")
        else:
            detail = record.stage or "starting"
        progress = record.step / record.steps if record.steps else None
        self.report(progress=progress, time_left_s=self.feed.time_left_s(), detail=detail)

"""The jobs of the window: one at a time owns the accelerator, the rest wait in order, visibly.

Jobs that compute nothing there run beside it.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class Job(QObject):
    """Work in a child process, as the status bar sees it. Subclasses start and cancel it.

    Attributes:
        title: a phrase for the status bar, "generating" or "training Run 2".
        state: "waiting", "running" or "ended".
        progress: 0 to 1, or None when it cannot be told.
        time_left_s: seconds left by measured speed, or None.
        detail: a short phrase such as "18/42".
        needs_accelerator: whether it waits for the others that do, and they for it.
        stop_means: what becomes of it when a person ends it.

    Signals:
        changed: any of the above is new.
        ended: the job is over, however it ended.
    """

    changed = Signal()
    ended = Signal()
    needs_accelerator = True
    stop_means = "Stop, and keep what is finished"

    def __init__(self, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.state = "waiting"
        self.progress: float | None = None
        self.time_left_s: float | None = None
        self.detail = ""

    def start(self) -> None:
        """Begin; called by the board, when the accelerator is free or not needed."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask it to end, keeping what is finished. `ended` follows."""
        raise NotImplementedError

    def report(self, *, progress: float | None = None, time_left_s: float | None = None, detail: str = "") -> None:
        self.progress, self.time_left_s, self.detail = progress, time_left_s, detail
        self.changed.emit()

    def finish(self) -> None:
        """Subclasses call this once, when it is over."""
        if self.state != "ended":
            self.state = "ended"
            self.ended.emit()


class JobBoard(QObject):
    """Runs jobs one after another.

    Signals:
        changed: a job came, moved on or went.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        """Queue a job; it starts at once when nothing runs that it has to wait for."""
        job.setParent(self)
        self.jobs.append(job)
        job.changed.connect(self.changed)
        job.ended.connect(lambda: self._on_ended(job))
        self._start_next()
        self.changed.emit()

    def cancel(self, job: Job) -> None:
        """End a running job, or take a waiting one out of the queue."""
        if job.state == "waiting":
            job.finish()
        elif job.state == "running":
            job.cancel()

    @property
    def running(self) -> Job | None:
        """What has the accelerator, or None."""
        return next((job for job in self.jobs if job.state == "running" and job.needs_accelerator), None)

    def _on_ended(self, job: Job) -> None:
        if job in self.jobs:
            self.jobs.remove(job)
            job.deleteLater()
        self._start_next()
        self.changed.emit()

    def _start_next(self) -> None:
        while (job := self._startable()) is not None:
            job.state = "running"
            job.start()

    def _startable(self) -> Job | None:
        taken = self.running is not None
        waiting = (job for job in self.jobs if job.state == "waiting")
        return next((job for job in waiting if not (taken and job.needs_accelerator)), None)

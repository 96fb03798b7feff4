"""What becomes of the jobs when the window closes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from .job_board import Job, JobBoard

LONGEST_WAIT_MS = 5000


def outlives_window(job: Job) -> bool:
    """Whether a job goes on by itself without the window: training does."""
    return bool(getattr(job, "outlives_window", job.title.startswith("training")))


def wind_down(board: JobBoard, parent: QObject, *, then: Callable[[], None]) -> None:
    """End the jobs that end with the window, wait a little for them to keep what is finished, then go on.

    Args:
        then: called once, from the event loop, at the latest after LONGEST_WAIT_MS.
    """
    going_on = [job.title for job in board.jobs if outlives_window(job) and job.state == "running"]
    for title in going_on:
        print(f"{title} goes on without the window; open the project again to watch it.", file=sys.stderr)
    for job in [job for job in board.jobs if not outlives_window(job)]:
        board.cancel(job)
    _Waiter(board, parent, then)


class _Waiter(QObject):
    """Waits for the board to be empty of what ends with the window."""

    def __init__(self, board: JobBoard, parent: QObject, then: Callable[[], None]) -> None:
        super().__init__(parent)
        self._board, self._then = board, then
        self._over = False
        board.changed.connect(self._look)
        QTimer.singleShot(LONGEST_WAIT_MS, self, self._finish)
        QTimer.singleShot(0, self, self._look)

    def _look(self) -> None:
        if all(outlives_window(job) for job in self._board.jobs):
            self._finish()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._board.changed.disconnect(self._look)
            self._then()
            self.deleteLater()

"""Measuring a step of the run that the form describes: a job of the window that ends with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs import estimating
from dpo_studio.jobs.worker import lower_priority, worker_environment
from dpo_studio.store import estimates, runs
from dpo_studio.ui.context import Context
from dpo_studio.ui.job_board import Job

from .setup_view import SetupView

NOW = "Measuring two steps now…"
COULD_NOT = "No step could be measured just now."


class MeasuringJob(Job):
    """One process that measures a run written to a folder of its own, which is thrown away.

    Attributes:
        found: what it measured, or None.
        problem: why it could not; nothing where it could, or was cancelled.
    """

    def __init__(self, write: Callable[[Path], None], parent: QObject | None = None) -> None:
        """
        Args:
            write: writes the run's folder, which is not there yet. May raise UserError or OSError.
        """
        super().__init__("measuring a step", parent)
        self._write = write
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._cancelled = False
        self.found: events.Estimated | None = None
        self.problem = ""
        self.process = QProcess(self)
        self.process.finished.connect(self._on_finished)
        self.process.errorOccurred.connect(self._on_error)
        self.process.started.connect(lambda: lower_priority(self.process.processId()))

    def start(self) -> None:
        try:
            self._scratch = tempfile.TemporaryDirectory(prefix="dpo-studio-measure-", ignore_cleanup_errors=True)
            folder = Path(self._scratch.name) / "run"
            self._write(folder)
        except (UserError, OSError) as error:
            self._end(str(error))
            return
        environment = QProcessEnvironment()
        for name, value in worker_environment().items():
            environment.insert(name, value)
        for name in ("TMPDIR", "TEMP", "TMP"):  # so that nothing stays where it is ended in the middle
            environment.insert(name, self._scratch.name)
        program, *arguments = estimating.command(folder, tied=True)
        self.process.setProcessEnvironment(environment)
        self.process.start(program, arguments)

    def cancel(self) -> None:
        self._cancelled = True
        self.process.kill()  # `finished` follows

    def _on_finished(self, status: int) -> None:
        said = bytes(self.process.readAllStandardOutput().data()).decode("utf-8", "replace")
        errors = bytes(self.process.readAllStandardError().data()).decode("utf-8", "replace")
        try:
            self.found = estimating.read_answer(said, errors=errors, status=status)
        except UserError as error:
            self._end("" if self._cancelled else str(error))
        else:
            self._end("")

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # no `finished` follows
            self._end(self.process.errorString())

    def _end(self, problem: str) -> None:
        self.problem = problem
        if self._scratch is not None:
            self._scratch.cleanup()
        self.finish()


class Measuring(QObject):
    """Joins the form to what was measured: shows it, and has it measured when the person asks."""

    def __init__(self, context: Context, setup: SetupView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context, self._setup = context, setup
        self.job: MeasuringJob | None = None
        self._busy = False
        self._problem = ""
        setup.planned.connect(self._on_planned)
        setup.estimate_row.asked.connect(self.toggle)
        context.jobs.changed.connect(self._on_jobs_changed)
        context.project_changed.connect(self.cancel)

    def toggle(self) -> None:
        """What the button does: measure, or end measuring."""
        if self.job is not None:
            self.cancel()
        else:
            self.measure()

    def measure(self) -> None:
        """Measure what the form describes, unless another job has the machine."""
        project, plan = self._context.project, self._setup.plan
        if project is None or plan is None or self._context.jobs.jobs:
            return
        policy, settings, data = plan
        job = self.job = MeasuringJob(
            lambda folder: runs.write_apart(folder, project, policy, settings, judges=data.judges)
        )

        def keep() -> None:
            if job.found is not None and self._context.project is project:
                estimates.keep(project, policy, settings, data, job.found)

        job.ended.connect(keep)
        job.ended.connect(self._on_ended)
        self._problem = ""
        self._context.jobs.submit(job)
        self.refresh()

    def cancel(self) -> None:
        """End measuring, if it goes on."""
        if self.job is not None:
            self._context.jobs.cancel(self.job)

    def refresh(self) -> None:
        """Show what is known of what the form describes."""
        project, plan, row = self._context.project, self._setup.plan, self._setup.estimate_row
        if project is None or plan is None:
            row.offer(measuring=self.job is not None, can_measure=False, busy=self._busy)
            return
        found = estimates.find(project, *plan)
        measuring = self.job is not None
        row.offer(measuring=measuring, can_measure=found is None, busy=self._busy)
        note = "" if found is not None else NOW if measuring else COULD_NOT if self._problem else ""
        self._setup.show_estimate(found, note)
        row.label.setToolTip(self._problem if note == COULD_NOT else "")

    def _on_planned(self) -> None:
        self._problem = ""
        self.refresh()

    def _on_jobs_changed(self) -> None:
        busy = any(job is not self.job for job in self._context.jobs.jobs)
        if busy != self._busy:
            self._busy = busy
            self.refresh()

    def _on_ended(self) -> None:
        assert self.job is not None
        self._problem, self.job = self.job.problem, None
        self.refresh()

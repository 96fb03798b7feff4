"""The strip at the bottom: which model, on what, how much memory, and each job with its progress."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from dpo_studio.core.types import Policy

from . import machine, theme
from .context import Context
from .job_board import Job
from .widgets.elided_label import ElidedLabel
from .widgets.plain_tip import plain_tip

MEMORY_EVERY_MS = 2000
MOST_JOBS_SHOWN = 3
_BAR_WIDTH = 96
#: What the button of a job needs around its sign, so that the strip keeps its height when one comes.
_AROUND_JOB = 24


def time_left_in_words(seconds: float) -> str:
    """Words such as "40 s left", "3 min left" or "2 h 05 left"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s left"
    if whole < 3600:
        return f"{round(whole / 60)} min left"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} left"


class JobStrip(QWidget):
    """One job: what it does, how far it is, and the button that ends it.

    Signals:
        cancel_asked: the person pressed ✕.
    """

    cancel_asked = Signal()

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.job: Job | None = job
        self.label = ElidedLabel()
        self.bar = QProgressBar()
        self.bar.setFixedWidth(_BAR_WIDTH)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.left = QLabel()
        self.left.setProperty("role", "muted")
        self.cancel_button = QToolButton()
        self.cancel_button.setText("✕")
        self.cancel_button.clicked.connect(self.cancel_asked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        for widget in (self.bar, self.label, self.left, self.cancel_button):
            row.addWidget(widget)
        job.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        job = self.job
        if job is None:
            return
        waiting = job.state == "waiting"
        between = " " if job.detail[:1].isdigit() else ": "
        words = f"{job.title}, waiting" if waiting else f"{job.title}{between}{job.detail}" if job.detail else job.title
        self.label.setText(words)
        self.label.setToolTip(plain_tip(words))
        self.bar.setVisible(not waiting)
        self.bar.setAccessibleName(f"Progress of {job.title}")
        if job.progress is None:
            self.bar.setRange(0, 0 if job.state == "running" else 1000)
        else:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(1000 * min(max(job.progress, 0.0), 1.0)))
        known = job.time_left_s is not None and round(job.time_left_s) > 0 and not waiting
        self.left.setText(time_left_in_words(job.time_left_s) if known else "")
        self.left.setVisible(bool(self.left.text()))
        verb = "Take out of the queue" if waiting else job.stop_means
        self.cancel_button.setToolTip(verb)
        self.cancel_button.setAccessibleName(f"{verb}: {job.title}")

    def release(self) -> None:
        """Forget the job: it is over."""
        self.job = None
        self.hide()
        self.deleteLater()


class StatusBar(QFrame):
    """The truth about the machine and its jobs.

    Signals:
        job_ended: the title of a job that is over.
    """

    job_ended = Signal(str)

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "status")
        self._context = context
        self._strips: dict[int, JobStrip] = {}
        self._guess = ""
        self.model = ElidedLabel()
        self.model.setAccessibleName("Model and round")
        self.device = ElidedLabel()
        self.device.setProperty("role", "muted")
        self.device.setAccessibleName("Device")
        self.memory = QLabel()
        self.memory.setProperty("role", "muted")
        self.memory.setAccessibleName("Memory in use")
        self.memory.setToolTip("Memory of the window and its model processes")
        self._more = QLabel()
        self._more.setProperty("role", "muted")
        self._jobs_row = QHBoxLayout()
        self._jobs_row.setSpacing(theme.SPACE_L)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_L, 4, theme.SPACE_S, 4)
        row.setSpacing(theme.SPACE_L)
        for widget in (self.model, self.device, self.memory):
            row.addWidget(widget)
        row.addStretch(1)
        row.addLayout(self._jobs_row)
        row.addWidget(self._more)
        self.setMinimumHeight(self.fontMetrics().height() + _AROUND_JOB)
        self._timer = QTimer(self)
        self._timer.setInterval(MEMORY_EVERY_MS)
        self._timer.timeout.connect(self._refresh_memory)
        for signal in (context.project_changed, context.policies_changed, context.runs_changed):
            signal.connect(self.refresh)
        context.device_changed.connect(self.refresh)
        context.jobs.changed.connect(self._refresh_jobs)

    def start_watching(self) -> None:
        """Begin to look at the machine: after the first paint, for it is not free."""
        self._guess = machine.device_guess()
        self._timer.start()
        self.refresh()
        self._refresh_memory()

    def refresh(self) -> None:
        """Read the newest policy and the device again."""
        policy = self._newest_policy()
        self.model.setText("" if policy is None else f"{_short(policy.name)} · round {policy.round}")
        self.model.setToolTip("" if policy is None else plain_tip(f"The newest model of this project: {policy.name}"))
        self.device.setText(self._context.device or self._guess)
        self.device.setToolTip(f"Models run on: {self.device.text()}")
        for label in (self.model, self.device):
            label.setVisible(bool(label.text()))

    def _newest_policy(self) -> Policy | None:
        project = self._context.project
        if project is None:
            return None
        from dpo_studio.store import runs

        return runs.newest_policy(project)

    def _refresh_memory(self) -> None:
        project = self._context.project
        size = machine.memory_bytes(None if project is None else project.folder)
        self.memory.setText("" if size is None else machine.in_words(size))
        self.memory.setVisible(size is not None)

    def _refresh_jobs(self) -> None:
        jobs = self._context.jobs.jobs
        for key, strip in list(self._strips.items()):
            if strip.job is not None and strip.job not in jobs:
                title = strip.job.title
                del self._strips[key]
                self._jobs_row.removeWidget(strip)
                strip.release()
                self.job_ended.emit(title)
        for job in jobs:
            if id(job) not in self._strips:
                strip = JobStrip(job, self)
                strip.cancel_asked.connect(self._on_cancel_asked)
                self._strips[id(job)] = strip
                self._jobs_row.addWidget(strip)
        shown = list(self._strips.values())
        for place, strip in enumerate(shown):
            strip.refresh()
            strip.setVisible(place < MOST_JOBS_SHOWN)
        hidden = max(0, len(shown) - MOST_JOBS_SHOWN)
        self._more.setText(f"and {hidden} more waiting" if hidden else "")
        self._more.setVisible(bool(hidden))

    def _on_cancel_asked(self) -> None:
        strip = self.sender()
        if isinstance(strip, JobStrip) and strip.job is not None:
            self._context.jobs.cancel(strip.job)


def _short(name: str) -> str:
    """A model's name without the folders or the account before it, or the server behind it."""
    base, plus, rest = name.partition(" + ")
    base = base.partition(" at http")[0]
    last = base.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or base
    return f"{last}{plus}{rest}"

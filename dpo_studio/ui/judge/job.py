"""A judge at work, as a job of the window: its process ranks, this thread writes what it says, a little at a time."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.judge_order import sentence as order_sentence
from dpo_studio.core.judges import Judge
from dpo_studio.core.types import GroupId
from dpo_studio.jobs.worker import describe_exit, lower_priority, worker_environment
from dpo_studio.store import Project, judgements
from dpo_studio.ui.job_board import Job

#: Groups that the process is given at once.
BATCH = 64
#: Milliseconds that writing may hold up the window before it has its turn again.
SLICE_MS = 8.0
KILL_AFTER_MS = 10_000


class JudgeJob(Job):
    """Ranks groups that wait for a judge. What it ranked stands, however it ends.

    Attributes:
        judged, no_opinion, not_judged: groups it ranked, looked at without an opinion, and could not be asked about.
        pairs, disagreements, first_shown: counts as in core.events.GroupJudged.
        problem: (sentence, details) why it could not go on; empty where it could.
        cancelled: whether a person ended it.
    """

    def __init__(
        self, project: Project, judge: Judge, groups: Sequence[GroupId], *, parent: QObject | None = None
    ) -> None:
        super().__init__("judging", parent)
        self.judge = judge
        self.total = len(groups)
        self.judged = self.no_opinion = self.not_judged = 0
        self.pairs = self.disagreements = self.first_shown = 0
        self.problem: tuple[str, str] = ("", "")
        self.cancelled = False
        self._project = project
        self._groups = deque(groups)
        self._said: deque[bytes] = deque()
        self._cut = b""
        self._began = time.monotonic()
        self._ended_with: int | None = None
        self._stage = "starting"
        self.process = QProcess(self)
        self.process.started.connect(self._on_started)
        self.process.readyReadStandardOutput.connect(self._on_said)
        self.process.finished.connect(self._on_finished)
        self.process.errorOccurred.connect(self._on_error)
        self._writing = QTimer(self, interval=0)
        self._writing.timeout.connect(self._write_some)

    def start(self) -> None:
        environment = QProcessEnvironment()
        for name, value in worker_environment().items():
            environment.insert(name, value)
        self.process.setProcessEnvironment(environment)
        self.process.start(sys.executable, ["-m", "dpo_studio", "worker", "judge"])
        self._report()

    def cancel(self) -> None:
        """End after the question in hand; a process that does not end is killed."""
        if self.cancelled:
            return
        self.cancelled = True
        self.process.closeWriteChannel()
        QTimer.singleShot(KILL_AFTER_MS, self.process, self.process.kill)
        self.changed.emit()

    @property
    def by_order(self) -> str:
        """What to tell where it goes by the order of the answers; empty where it does not."""
        return order_sentence(self.pairs, self.disagreements, self.first_shown)

    @property
    def done(self) -> int:
        """Groups that were seen to."""
        return self.judged + self.no_opinion + self.not_judged

    def sentence(self) -> str:
        """What came of it."""
        comparisons = "1 comparison" if self.total == 1 else f"{self.total:,} comparisons"
        said = f"The judge ({self.judge.name}) ranked {self.judged:,} of {comparisons}."
        if self.no_opinion:
            said += f" It had no opinion on {self.no_opinion:,}."
        if self.by_order:
            said += f" {self.by_order}"
        elif self.pairs:
            said += f" Turned round, {self.disagreements:,} of {self.pairs:,} pairs came out otherwise."
        if self.not_judged:
            said += f" {self.not_judged:,} could not be judged."
        return said

    def _on_started(self) -> None:
        lower_priority(self.process.processId())
        self._began = time.monotonic()
        self._send()

    def _send(self) -> None:
        """Give the process its next groups, or end its input, at which it ends."""
        if not self._groups or self.cancelled:
            self.process.closeWriteChannel()
            return
        batch = [self._groups.popleft() for _ in range(min(BATCH, len(self._groups)))]
        command = judgements.command_for(self._project, self.judge, batch)
        self.process.write(commands.to_line(command).encode())

    def _on_said(self) -> None:
        *lines, self._cut = (self._cut + bytes(self.process.readAllStandardOutput().data())).split(b"\n")
        self._said.extend(lines)
        self._writing.start()

    def _write_some(self) -> None:
        """Write down what was said, as much as a turn of the event loop has time for, durably and together."""
        until = time.perf_counter() + SLICE_MS / 1000
        try:
            with self._project.transaction():
                while self._said and time.perf_counter() < until:
                    event = events.from_line(self._said.popleft().decode("utf-8", "replace"))
                    if event is not None:
                        self._take(event)
        except UserError as error:
            self.problem = (str(error), "")
            self._said.clear()
            self.process.kill()
        if not self._said:
            self._writing.stop()
            if self._ended_with is not None:
                self._end()
                return
        self._report()

    def _take(self, event: events.Event) -> None:
        if isinstance(event, (events.GroupJudged, events.GroupNotJudged)):
            judgements.record(self._project, self.judge, event)
            self._stage = ""
            if isinstance(event, events.GroupJudged):
                self.judged += bool(event.ranks)
                self.no_opinion += not event.ranks
                self.pairs += event.pairs
                self.disagreements += event.disagreements
                self.first_shown += event.first_shown
            else:
                self.not_judged += 1
        elif isinstance(event, events.ModelLoading):
            self._stage = event.stage
        elif isinstance(event, events.ModelLoaded):
            self._stage, self._began = "", time.monotonic()
        elif isinstance(event, events.Failed):
            self.problem = (f"{event.message} {event.hint}".strip(), event.details)
            self.process.closeWriteChannel()
        elif isinstance(event, events.JobFinished):
            self._send()

    def _report(self) -> None:
        done = self.done
        speed = done / max(time.monotonic() - self._began, 1e-3)
        standing = f"{done:,}/{self.total:,}" + (", goes by the order of the answers" if self.by_order else "")
        self.report(
            progress=None if self._stage else done / max(self.total, 1),
            time_left_s=(self.total - done) / speed if done else None,
            detail=self._stage or standing,
        )

    def _on_finished(self, status: int, how: QProcess.ExitStatus) -> None:
        self._ended_with = -status if how == QProcess.ExitStatus.CrashExit else status
        self._on_said()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # no `finished` follows
            self.problem = (f"The judge's process could not be started: {self.process.errorString()}.", "")
            self.finish()

    def _end(self) -> None:
        if not (self.done == self.total or self.cancelled or self.problem[0]):
            log = bytes(self.process.readAllStandardError().data()).decode("utf-8", "replace")
            words = describe_exit(self._ended_with or 0)
            self.problem = (f"The judge's process ended before its work was done: {words}.", log[-4000:])
        self.finish()

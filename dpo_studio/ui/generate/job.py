"""A generation as a job of the window: sends its commands one after another and follows the events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer

from dpo_studio.core import commands, events
from dpo_studio.ui.job_board import Job

from .progress import Progress

CANCEL_GRACE_MS = 10_000


class GenerationJob(Job):
    """Answers groups that are in the project already, or, for a model not used before, asks for them once it loaded.

    Attributes:
        progress_of: texts, states and numbers so far.
        stage: what happens before the first token, such as "converting the starter model"; else empty.
        problem: (sentence, details) when it could not go on; empty sentences otherwise.
        cancelled: whether a person ended it.
    """

    def __init__(
        self,
        work: Sequence[commands.Generate],
        *,
        send: Callable[[commands.Command], None],
        kill: Callable[[], None],
        load: commands.Load | None = None,
        make_work: Callable[[], Sequence[commands.Generate]] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__("generating", parent)
        self._send, self._kill = send, kill
        self._load, self._make_work = load, make_work
        self._work: list[commands.Generate] = []
        self._current: commands.Generate | None = None
        self.stage = ""
        self.problem: tuple[str, str] = ("", "")
        self.cancelled = False
        self.progress_of = Progress(max_new_tokens=160)
        self._take_up(work)

    def start(self) -> None:
        self.stage = "starting the model process"
        if self._load is not None:
            self._send(self._load)
        else:
            self._next()
        self._report()

    def cancel(self) -> None:
        """End after the token in hand. A process that does not answer, or only loads a model, is ended itself."""
        if self.cancelled:
            return
        self.cancelled = True
        if self._current is not None:
            self._send(commands.Cancel(self._current.job))
            QTimer.singleShot(CANCEL_GRACE_MS, self, self._on_cancel_late)
        else:
            self._kill()  # `worker_ended` follows
        self.changed.emit()

    def owns(self, event: events.Event) -> bool:
        """Whether an event is about this job."""
        job = getattr(event, "job", None)
        return self.state == "running" and (not job or (self._current is not None and job == self._current.job))

    def handle(self, event: events.Event) -> None:
        """Take in an event that it `owns`. At its last one the job has `ended`."""
        self.progress_of.apply(event, time.monotonic())
        if isinstance(event, events.ModelLoading):
            self.stage = event.stage
        elif isinstance(event, events.ModelLoaded):
            self.stage = "reading the prompt"
            if self._load is not None:
                self._load = None
                self._take_up(self._make_work() if self._make_work is not None else ())
                self._next()
        elif isinstance(event, events.Failed):
            self.problem = (f"{event.message} {event.hint}".strip(), event.details)
            self.finish()
        elif isinstance(event, events.JobFinished):
            if event.reason == "cancelled":
                self.cancelled = True
                self.finish()
            else:
                self._next()
        elif not isinstance(event, events.Notice):
            self.stage = ""
        if self.state != "ended":
            self._report()

    def worker_ended(self, sentence: str, details: str) -> None:
        """The process is gone."""
        if self.state == "running":
            if not self.cancelled:
                self.problem = (sentence, details)
            self.finish()

    def _take_up(self, work: Sequence[commands.Generate]) -> None:
        self._work.extend(work)
        for command in work:
            self.progress_of.expect(command.items)
            self.progress_of.max_new_tokens = int(command.sampling.get("max_new_tokens", 160))

    def _next(self) -> None:
        if self._work and not self.cancelled:
            self._current = self._work.pop(0)
            self._send(self._current)
        else:
            self.finish()

    def _report(self) -> None:
        known = self.progress_of
        self.report(
            progress=known.fraction if not self.stage else None,
            time_left_s=known.time_left_s,
            detail=f"{known.done}/{known.total}" if known.total else "loading the model",
        )

    def _on_cancel_late(self) -> None:
        if self.state == "running":
            self._kill()

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
    """Answers groups of the project, for a model not used before once it could be loaded.

    Args:
        more: the next commands; none where there are none yet, or no more.
        load: a model to load first; `on_loaded` is called when it is, before the first `more`.

    Attributes:
        may_come: whether there may be more to answer when `more` gives nothing.
        progress_of: texts, states and numbers so far.
        stage: what happens before the first token, such as "converting the starter model"; else empty.
        problem: (sentence, details) when it could not go on; empty sentences otherwise.
        cancelled: whether a person ended it.
        paused: whether a person holds it; what is being written then stays in the model process's memory.
    """

    def __init__(
        self,
        more: Callable[[], Sequence[commands.Generate]],
        *,
        send: Callable[[commands.Command], None],
        kill: Callable[[], None],
        load: commands.Load | None = None,
        on_loaded: Callable[[], None] = lambda: None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__("generating", parent)
        self._send, self._kill = send, kill
        self._more, self._load, self._on_loaded = more, load, on_loaded
        self.may_come = True
        self._work: list[commands.Generate] = []
        self._current: commands.Generate | None = None
        self.stage = ""
        self.problem: tuple[str, str] = ("", "")
        self.cancelled = False
        self.paused = False
        self.progress_of = Progress(max_new_tokens=160)

    def start(self) -> None:
        self.stage = "starting the model process"
        if self._load is not None:
            self._send(self._load)
        else:
            self._next()
        if self.state == "running":
            self._report()

    def cancel(self) -> None:
        """End after the token in hand. A process that does not answer, or only loads a model, is ended itself."""
        if self.cancelled:
            return
        self.cancelled = True
        if self._current is not None:
            self._send(commands.Cancel(self._current.job))
            QTimer.singleShot(CANCEL_GRACE_MS, self, self._on_cancel_late)
        elif self._load is not None:
            self._kill()  # `worker_ended` follows
        else:
            self.finish()
        self.changed.emit()

    @property
    def can_pause(self) -> bool:
        """Whether there is something to hold, or held: not while it waits for its turn, loads a new model, or ends."""
        return self.state == "running" and not self.cancelled and (self._current is not None or self.paused)

    def pause(self) -> None:
        """Hold it after the token in hand. It keeps the machine: other jobs wait on."""
        if self.can_pause and not self.paused and self._current is not None:
            self.paused = True
            self.progress_of.pause(time.monotonic())
            self._send(commands.Pause(self._current.job))
            self._report()

    def resume(self) -> None:
        """Go on where it was held."""
        if not self.paused or self.state != "running":
            return
        self.paused = False
        self.progress_of.resume(time.monotonic())
        if self._current is not None:
            self._send(commands.Resume(self._current.job))
        else:
            self._next()
        if self.state != "ended":
            self._report()

    def came(self) -> None:
        """There is more to answer than before, or it is known that there is not."""
        if self.state == "running" and self._current is None and self._load is None and not self.paused:
            self._next()
            if self.state == "running":
                self._report()

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
                self._on_loaded()
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

    def _next(self) -> None:
        """Send what comes next; a pause that came as the last command ended holds it back until `resume`."""
        self._current = None
        if not self._work and not self.cancelled:
            self._work.extend(self._more())
            for command in self._work:
                self.progress_of.expect(command.items)
                self.progress_of.max_new_tokens = int(command.sampling.get("max_new_tokens", 160))
        if self.cancelled or not (self._work or self.may_come):
            self.finish()
        elif self._work and not self.paused:
            self._current = self._work.pop(0)
            self._send(self._current)

    def _report(self) -> None:
        known = self.progress_of
        done = f"{known.done}/{known.total}" if known.total else "loading the model"
        self.report(
            progress=known.fraction if not self.stage or self.paused else None,
            time_left_s=None if self.paused else known.time_left_s,
            detail=("paused, " if self.paused else "") + done,
        )

    def _on_cancel_late(self) -> None:
        if self.state == "running":
            self._kill()

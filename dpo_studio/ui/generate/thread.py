"""The model process as the window sees it: a thread that reads what it says and passes it on.

The process stays alive with its model loaded between jobs. Tokens come in faster than a screen needs
them, so they are gathered and passed on at most 30 times a second.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QThread, Signal

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs.worker import Worker, describe_exit, log_tail

BURST_S = 1 / 30
LOG_NAME = "generation.log"
LOG_LIMIT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class TokenBurst(events.Event):
    """The text of several TokensDecoded of one candidate; `tokens` counts them."""

    job: str
    group: int
    candidate: int
    text: str
    tokens: int


class Gatherer:
    """Gathers TokensDecoded into bursts; everything else goes through at once, in its order."""

    def __init__(self, interval_s: float = BURST_S) -> None:
        self._interval_s = interval_s
        self._waiting: dict[tuple[str, int, int], tuple[list[str], int]] = {}
        self._sent_at = -interval_s

    def add(self, event: events.Event, now_s: float) -> list[events.Event]:
        """Take in one event; returns those that are due."""
        if isinstance(event, events.TokensDecoded):
            texts, tokens = self._waiting.get((event.job, event.group, event.candidate), ([], 0))
            texts.append(event.text)
            self._waiting[event.job, event.group, event.candidate] = (texts, tokens + 1)
            if now_s - self._sent_at < self._interval_s:
                return []
            self._sent_at = now_s
            return self.rest()
        return [*self.rest(), event]

    def rest(self) -> list[events.Event]:
        """What was held back so far."""
        bursts: list[events.Event] = [
            TokenBurst(job, group, candidate, "".join(texts), tokens)
            for (job, group, candidate), (texts, tokens) in self._waiting.items()
        ]
        self._waiting = {}
        return bursts


class GenerationThread(QThread):
    """Starts the model process and reads it until it ends. Start it once; make another when it ended.

    Signals:
        events_received: a list of events, TokensDecoded gathered into TokenBurst.
        worker_ended: (sentence, details) the process ended though nobody asked it to.
    """

    events_received = Signal(object)
    worker_ended = Signal(str, str)

    def __init__(self, log_path: Path, *, interpreter: str = sys.executable, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._log_path = log_path
        self._interpreter = interpreter
        self._worker: Worker | None = None
        self._closing = False
        self._killed = False
        self._commands: queue.SimpleQueue[commands.Command | None] = queue.SimpleQueue()

    @property
    def worker_pid(self) -> int | None:
        """The process's id while there is one."""
        return None if self._worker is None else self._worker.pid

    def send(self, command: commands.Command) -> None:
        """Tell the process a command, as soon as it takes it. Never waits."""
        self._commands.put(command)

    def close(self, *, wait_ms: int = 3000) -> None:
        """End the process and wait for the thread: for when the window closes."""
        if self.isFinished() or not self.isRunning():
            return
        self._closing = True
        self._signal(signal.SIGTERM)
        if not self.wait(wait_ms):
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            self.wait()

    def kill(self) -> None:
        """End the process now; `worker_ended` follows what it said last."""
        self._killed = True
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def run(self) -> None:
        """Read events until the process ends (the thread's body)."""
        try:
            _shorten(self._log_path)
            worker = self._worker = Worker(["generate"], log_path=self._log_path, interpreter=self._interpreter)
        except OSError as error:
            self.worker_ended.emit(f"The model process could not be started: {error.strerror or error}.", "")
            return
        if self._closing or self._killed:  # asked for while it was being started
            self.kill()
        writer = threading.Thread(target=self._write, args=(worker,), daemon=True)
        writer.start()
        sentence = ""
        try:
            for batch in self._batches(worker.events()):
                self.events_received.emit(batch)
        except UserError as error:
            sentence = str(error)
            worker.stop()
        status = worker.wait()
        self._commands.put(None)
        writer.join(1.0)
        worker.close()
        if not self._closing:
            words = sentence or f"The model process ended before its work was done: {describe_exit(status)}."
            self.worker_ended.emit(words, log_tail(self._log_path))

    def _batches(self, said: Iterable[events.Event]) -> Iterator[list[events.Event]]:
        gatherer = Gatherer()
        for event in said:
            due = gatherer.add(event, time.monotonic())
            if due:
                yield due
        rest = gatherer.rest()
        if rest:
            yield rest

    def _write(self, worker: Worker) -> None:
        """Pass commands on: a thread of its own, for a pipe that is full would hold up its writer."""
        while (command := self._commands.get()) is not None:
            if not worker.send(command):
                return

    def _signal(self, number: int) -> None:
        worker = self._worker
        if worker is not None and worker.running:
            try:
                os.kill(worker.pid, number)
            except OSError:
                pass


class ModelProcess(QObject):
    """The model process over the life of a page: started at the first command, started afresh after it ended.

    Signals:
        events_received, worker_ended: as of GenerationThread.
    """

    events_received = Signal(object)
    worker_ended = Signal(str, str)

    def __init__(self, *, interpreter: str = sys.executable, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.log_folder = Path(tempfile.gettempdir())
        self._interpreter = interpreter
        self._threads: list[GenerationThread] = []
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)
        # The list outlives this object: a thread must never be destroyed while it runs.
        self.destroyed.connect(partial(_close_all, self._threads))

    @property
    def pid(self) -> int | None:
        """The process's id, or None when none runs."""
        return self._threads[-1].worker_pid if self._threads else None

    def send(self, command: commands.Command) -> None:
        """Tell the process a command, starting it where none runs and there is work. Never waits."""
        if not self._threads and isinstance(command, commands.Cancel):
            return
        if not self._threads:
            thread = GenerationThread(self.log_folder / LOG_NAME, interpreter=self._interpreter)
            thread.events_received.connect(self.events_received)
            thread.worker_ended.connect(self._on_ended)
            self._threads.append(thread)
            thread.start()
        self._threads[-1].send(command)

    def kill(self) -> None:
        """End the process now; `worker_ended` follows what it said last."""
        if self._threads:
            self._threads[-1].kill()

    def close(self) -> None:
        """End the process and wait for it."""
        _close_all(self._threads)

    def _on_ended(self, sentence: str, details: str) -> None:
        while self._threads:
            self._threads.pop().wait()
        self.worker_ended.emit(sentence, details)


def _close_all(threads: list[GenerationThread], *_destroyed: object) -> None:
    while threads:
        threads.pop().close()


def _shorten(log_path: Path) -> None:
    """Start the log afresh when it has grown long."""
    try:
        if log_path.stat().st_size > LOG_LIMIT_BYTES:
            log_path.unlink()
    except OSError:
        pass

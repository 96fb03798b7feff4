"""The generation worker's process: commands on stdin, events on a stdout that nothing else can write to."""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO

from dpo_studio.core import commands, events

#: Seconds that the work in hand has to come to its end once stdin has ended.
GRACE_S = 2.0


class _Inbox:
    """Commands as they come in, read by a thread; cancels and pauses take effect at once.

    The process is ended when stdin has ended and the work in hand does not stop by itself.
    """

    def __init__(self, stream: IO[str], say: Callable[[events.Event], None]) -> None:
        self._stream, self._say = stream, say
        self._waiting: queue.SimpleQueue[commands.Command | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._paused: set[str] = set()
        self._heard = threading.Condition()
        self._asked: list[str] = []
        self._ended = threading.Event()
        threading.Thread(target=self._read, name="read commands", daemon=True).start()

    def next(self) -> commands.Command | None:
        """The next command; None when there will be no more."""
        return None if self._ended.is_set() else self._waiting.get()

    def is_cancelled(self, job: str) -> bool:
        """Whether a job is to end. While it is paused this waits: the job stands where it asks."""
        with self._heard:
            self._heard.wait_for(lambda: job not in self._paused or self._is_over(job))
            return self._is_over(job)

    def _is_over(self, job: str) -> bool:
        return self._ended.is_set() or job in self._cancelled

    def _read(self) -> None:
        for line in self._stream:
            if not line.strip():
                continue
            try:
                command = commands.from_line(line)
            except Exception:
                self._say(events.Failed("The model process did not understand a command.", "", traceback.format_exc()))
                continue
            with self._heard:
                self._note(command)
                self._heard.notify_all()
            if isinstance(command, commands.Generate | commands.Load):
                self._waiting.put(command)
        with self._heard:
            self._ended.set()
            self._heard.notify_all()
        self._waiting.put(None)
        timer = threading.Timer(GRACE_S, os._exit, [0])
        timer.daemon = True
        timer.start()

    def _note(self, command: commands.Command) -> None:
        """What a command says about the jobs, old and new."""
        if isinstance(command, commands.Cancel):
            self._cancelled.update([command.job] if command.job else self._asked)
        elif isinstance(command, commands.Pause):
            self._paused.add(command.job)
        elif isinstance(command, commands.Resume):
            self._paused.discard(command.job)
        elif isinstance(command, commands.Generate):
            self._asked.append(command.job)
            self._cancelled.discard(command.job)
            self._paused.discard(command.job)


def main() -> int:
    """Serve commands until stdin ends; returns the exit status."""
    say = speaker()

    stdin = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace")
    inbox = _Inbox(stdin, say)
    try:
        _serve(inbox, say)
    except Exception:
        say(events.Failed("Something went wrong in the model process.", "", traceback.format_exc()))
        return 1
    return 0


def _serve(inbox: _Inbox, say: Callable[[events.Event], None]) -> None:
    from .service import Generator

    generator = Generator()
    while (command := inbox.next()) is not None:
        if isinstance(command, commands.Generate):
            job = command.job
            for event in generator.run(command, lambda job=job: inbox.is_cancelled(job)):
                say(event)
        elif isinstance(command, commands.Load):
            for event in generator.load(command, lambda: inbox.is_cancelled("")):
                say(event)


def speaker() -> Callable[[events.Event], None]:
    """Takes stdout; what says events on it, from any thread. The process ends where nobody listens any more."""
    out = take_stdout()
    lock = threading.Lock()

    def say(event: events.Event) -> None:
        with lock:
            try:
                out.write(events.to_line(event))
                out.flush()
            except (BrokenPipeError, ValueError):
                os._exit(0)

    return say


def take_stdout() -> IO[str]:
    """A stream on the real stdout, which from now on is stderr for everyone else."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out

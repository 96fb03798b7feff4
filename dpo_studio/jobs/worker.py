"""A worker process that is told commands on stdin and says events on stdout.

It ends at the end of its stdin, so it dies with whoever started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from dpo_studio.core import commands, events

LOG_TAIL_LINES = 20
NICENESS = 10


def worker_environment() -> dict[str, str]:
    """The environment of every worker.

    glibc is told to keep big blocks: by default it gives them back and faults them in afresh at each step. (32 MiB is
    the largest threshold it takes; a larger one is passed over in silence, and its own adapting is then off.) One arena
    for all threads: another for each kept 80 MB more at the peak of a training, and was no faster.
    Idle OpenMP threads spin for up to a millisecond, then sleep: ones that go on spinning steal the core that the other
    threads, the window and other programs wait for (two decoding threads on two busy cores: 73 s spinning, 5.5 s
    asleep), and ones that sleep at once wake too late for the next of many small products (training on two quiet
    cores: 2.5 pairs a second asleep, 3.6 with a short spin, 3.8 spinning). How long a count of spins takes differs from
    processor to processor: 1,000 were enough on one, and made two threads slower than one on another, where 10,000
    trained 1.4 times as fast.
    oneDNN keeps some of its compiled products (a thousand took 290 MB): rows and groups of other lengths want others.
    PyTorch keeps up to a thousand of them too, in a cache of its own, whose number LRU_CACHE_CAPACITY is.
    """
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "10000"),
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128"),
        "LRU_CACHE_CAPACITY": os.environ.get("LRU_CACHE_CAPACITY", "16"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MALLOC_TRIM_THRESHOLD_": os.environ.get("MALLOC_TRIM_THRESHOLD_", "8589934592"),
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "1"),
        "MALLOC_MMAP_THRESHOLD_": os.environ.get("MALLOC_MMAP_THRESHOLD_", "33554432"),
    }


def lower_priority(pid: int) -> None:
    """Let the window and the person's other programs go first (where the system has priorities like that)."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS))


def describe_exit(returncode: int) -> str:
    """How a process ended, in words for a person."""
    if returncode == 0:
        return "it ended by itself"
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        if name == "SIGKILL":
            return "it was killed, most often because the machine ran out of memory"
        return f"it was ended by {name}"
    return f"it ended with status {returncode}"


def log_tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a worker's log, for "details"."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


class Worker:
    """One `python -m dpo_studio worker …` process. `events` and `wait` are for one reading thread.

    Attributes:
        log_path: where its stderr goes.
    """

    def __init__(self, arguments: Sequence[str], *, log_path: Path, interpreter: str = sys.executable) -> None:
        self.log_path = log_path
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [interpreter, "-m", "dpo_studio", "worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=worker_environment(),
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        lower_priority(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, command: commands.Command) -> bool:
        """Tell it a command; False when it is gone."""
        try:
            self._stdin.write(commands.to_line(command))
            self._stdin.flush()
        except (BrokenPipeError, ValueError, OSError):
            return False
        return True

    def events(self) -> Iterator[events.Event]:
        """What it says, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = events.from_line(line)
            if event is not None:
                yield event

    def close(self) -> None:
        """End of commands: it finishes what it does now and ends."""
        try:
            self._stdin.close()
        except OSError:
            pass

    def stop(self, *, grace_s: float = 3.0) -> int:
        """End it: close stdin, then terminate, then kill. Returns its exit status."""
        self.close()
        for end in (self._process.terminate, self._process.kill):
            try:
                return self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                end()
        return self._process.wait()

    def wait(self) -> int:
        return self._process.wait()

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

"""A training run as a process: detached, known by its folder alone.

The folder is the only channel: `events.jsonl` (everything it says, appended), `control.json` (what it
is asked), `run.lock` (held while it lives; a pid would lie after a reboot), `worker.log`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from dpo_studio.core import events
from dpo_studio.core.errors import UserError

from .worker import log_tail, lower_priority, worker_environment

EVENTS_FILE, CONTROL_FILE, LOCK_FILE, LOG_FILE = "events.jsonl", "control.json", "run.lock", "worker.log"

_REMEMBERED_BYTES = 256

State = Literal["new", "running", "finished", "stopped", "failed", "interrupted"]


def command(run_folder: Path, *, processes: int = 1, interpreter: str = sys.executable) -> list[str]:
    """The command line that trains a run: its worker, or as many as there are processes, by `accelerate launch`.

    With "multi_gpu" accelerate means that it starts them all; each takes a GPU of its own, or the CPU where
    there is none.
    """
    worker = ["-m", "dpo_studio", "worker", "train", str(run_folder)]
    if processes == 1:
        return [interpreter, *worker]
    cores = psutil.cpu_count(logical=False) or 1
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // processes))
    return [
        *(interpreter, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)),
        *("--num_machines", "1", "--main_process_port", "0", "--num_cpu_threads_per_process", threads),
        *("--mixed_precision", "no", "--dynamo_backend", "no", *worker),
    ]


def start(run_folder: Path, *, processes: int = 1, interpreter: str = sys.executable) -> subprocess.Popen[bytes]:
    """Start the run's worker, or start it again where it was interrupted. It outlives this process.

    Raises:
        UserError: it is running already.
        OSError: its folder cannot be written, or no process can be started.
    """
    if is_alive(run_folder):
        raise UserError("This run is training already.", "Wait for it, or stop it first.")
    ask(run_folder, "run")
    with (run_folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            command(run_folder, processes=processes, interpreter=interpreter),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=worker_environment(),
            start_new_session=True,
        )
    lower_priority(process.pid)
    return process


def ask(run_folder: Path, what: Literal["run", "pause", "stop"]) -> None:
    """Leave a wish for the worker, who reads it at each step.

    Raises:
        OSError: the disk is full, say; the wish before stands.
    """
    path = run_folder / CONTROL_FILE
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps({"ask": what}) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def asked(run_folder: Path) -> str:
    """The latest wish; "run" when there is none."""
    try:
        return str(json.loads((run_folder / CONTROL_FILE).read_text(encoding="utf-8"))["ask"])
    except (OSError, ValueError, KeyError, TypeError):
        return "run"


def lock(run_folder: Path) -> FileLock:
    """The lock a worker holds as the sign that it lives. It is let go by the system when it dies."""
    return FileLock(run_folder / LOCK_FILE)


def is_alive(run_folder: Path) -> bool:
    """Whether a worker holds the run's lock."""
    if not (run_folder / LOCK_FILE).exists():
        return False
    probe = lock(run_folder)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    probe.release()
    return False


class EventTail:
    """Reads a run's events as they are appended, from the start of the file.

    A line that is not complete yet is left for the next read; a file that was cut back (a resume
    drops what came after its checkpoint) is read again from its start, and `restarted` says so. It is
    known by what stands before the place last read, since it may have grown past that place again.
    """

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / EVENTS_FILE
        self._offset = 0
        self._before = b""
        self.restarted = False

    def read(self) -> list[events.Event]:
        """The events since the last read."""
        self.restarted = False
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset - len(self._before))
                if file.read(len(self._before)) != self._before:
                    self._offset, self._before, self.restarted = 0, b"", True
                    file.seek(0)
                chunk = file.read()
        except FileNotFoundError:
            return []
        complete = chunk[: chunk.rfind(b"\n") + 1]
        self._offset += len(complete)
        self._before = (self._before + complete)[-_REMEMBERED_BYTES:]
        # split("\n"), not splitlines(): an answer may hold U+2028 and the like, which are no line ends of JSON lines.
        found = (events.from_line(line) for line in complete.decode("utf-8", "replace").split("\n") if line)
        return [event for event in found if event is not None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands.

    Attributes:
        reason: a sentence for states that want one.
        diverged: it failed because its numbers ran away, which going on would not mend.
        kept: then the folder of what it had learnt before, relative to the run's; empty where there is nothing.
    """

    state: State
    reason: str = ""
    details: str = ""
    diverged: bool = False
    kept: str = ""


def outcome(run_folder: Path) -> Outcome:
    """How a run stands, from its lock and its events."""
    alive = is_alive(run_folder)
    said = EventTail(run_folder).read()
    return outcome_of(said, alive=alive, run_folder=run_folder)


def outcome_of(said: list[events.Event], *, alive: bool, run_folder: Path) -> Outcome:
    """As `outcome`, for events that were read already."""
    if alive:
        return Outcome("running")
    endings = (events.RunDone, events.Failed, events.RunStarted)
    last = next((event for event in reversed(said) if isinstance(event, endings)), None)
    if isinstance(last, events.RunDone):
        return Outcome("finished" if last.reason == "finished" else "stopped")
    if isinstance(last, events.Failed):
        return Outcome("failed", f"{last.message} {last.hint}".strip(), last.details, last.diverged, last.kept)
    if not said and not (run_folder / LOG_FILE).exists():
        return Outcome("new")
    return Outcome(
        "interrupted",
        "Training was interrupted: its process ended without a word (killed, out of memory, or a power cut)."
        " Resume goes on from the last checkpoint.",
        log_tail(run_folder / LOG_FILE),
    )

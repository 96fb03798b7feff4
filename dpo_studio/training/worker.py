"""The process that trains a run: takes its lock, runs the engine, appends every event to `events.jsonl`."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs import training as jobs

from .diverged import DivergedError
from .saved import State, checkpoint_saved, latest_checkpoint

EXIT_DONE, EXIT_FAILED, EXIT_TAKEN = 0, 1, 3
RESERVE_FILE, RESERVE_BYTES = "reserve", 64 * 1024
#: Longer than a look at whether a worker lives holds the lock.
LOCK_PATIENCE_S = 2.0
LAST_WORD_S = 10.0
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(run_folder: Path) -> int:
    """Train the run in this folder, or go on with it. Returns the process's exit status.

    0: it is done (or was already), 1: it failed, and the last event says why, 3: another process is at it.
    """
    run_folder = Path(run_folder).absolute()
    if not run_folder.is_dir():
        print(f"There is no run folder {run_folder}.", file=sys.stderr)
        return EXIT_FAILED
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0:
        return _assist(run_folder)
    lock = jobs.lock(run_folder)
    try:
        lock.acquire(timeout=LOCK_PATIENCE_S)
    except Timeout:
        print("This run is training already, in another process.", file=sys.stderr)
        return EXIT_TAKEN
    try:
        return _train(run_folder)
    finally:
        lock.release()


class EventLog:
    """Appends events to a run's `events.jsonl`: whole lines only, and room kept for a last word.

    A reserve file holds some space, which is freed when the disk is full so that the reason can be written.
    """

    def __init__(self, run_folder: Path, *, keep_bytes: int) -> None:
        """Cut the log back to its first `keep_bytes` bytes."""
        self._path, self._reserve = run_folder / jobs.EVENTS_FILE, run_folder / RESERVE_FILE
        self._file = self._path.open("ab", buffering=0)
        self._file.truncate(min(keep_bytes, self._path.stat().st_size))
        self._good = self._path.stat().st_size

    def reserve(self) -> None:
        """Set room aside for the last word. Raises OSError when there is none."""
        self._reserve.write_bytes(b"\0" * RESERVE_BYTES)

    def append(self, event: events.Event) -> None:
        """Raises OSError when the disk is full; the line is then not there in part."""
        line = events.to_line(event).encode()
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._file.truncate(self._good)
            raise
        self._good += len(line)
        if isinstance(event, (events.CheckpointSaved, events.RunDone, events.Failed)):
            os.fsync(self._file.fileno())

    def append_last(self, event: events.Event) -> None:
        """Append the run's last word, with the reserve's room if need be."""
        self._reserve.unlink(missing_ok=True)
        try:
            self.append(event)
        except OSError:
            with suppress(OSError):  # worker.log is on the same disk
                print(events.to_line(event), end="", file=sys.stderr)

    def close(self) -> None:
        self._reserve.unlink(missing_ok=True)
        self._file.close()


def _assist(run_folder: Path) -> int:
    """Share the work of a run's first process, which holds the lock and writes everything there is to say."""
    if _is_finished(run_folder):
        return EXIT_DONE
    try:
        from .engine import train

        for _ in train(run_folder):
            pass
    except Exception as error:
        if not isinstance(error, UserError):
            traceback.print_exc()
        _wait_for_the_last_word(run_folder)
        return EXIT_FAILED
    return EXIT_DONE


def _wait_for_the_last_word(run_folder: Path) -> None:
    """Wait until the first process has let the run go: once one has failed, its launcher ends them all."""
    deadline = time.monotonic() + LAST_WORD_S
    while jobs.is_alive(run_folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_finished(run_folder: Path) -> bool:
    return any(isinstance(event, events.RunDone) for event in jobs.EventTail(run_folder).read())


def _train(run_folder: Path) -> int:
    if _is_finished(run_folder):
        print("This run is finished.", file=sys.stderr)
        return EXIT_DONE
    found = latest_checkpoint(run_folder)
    try:
        log = EventLog(run_folder, keep_bytes=found[1].events_bytes if found else 0)
    except OSError as error:
        print(_disk_failure(error).message, file=sys.stderr)
        return EXIT_FAILED
    try:
        failure = _run_engine(run_folder, log, found)
        if failure is not None:
            log.append_last(failure)
            return EXIT_FAILED
        return EXIT_DONE
    finally:
        log.close()


def _run_engine(run_folder: Path, log: EventLog, found: tuple[Path, State] | None) -> events.Failed | None:
    """Run the engine to its end; what stopped it, if something did.

    Args:
        found: the checkpoint that it goes on from, if there is one.
    """
    try:
        log.reserve()
        if found:  # its own line came after it was made, so it was cut away, or never written
            log.append(checkpoint_saved(run_folder, *found))
        # Here and not above: the lock is to be held before the seconds that torch takes to import.
        from .engine import train

        for event in train(run_folder, control=lambda: jobs.asked(run_folder)):
            log.append(event)
    except DivergedError as error:
        return events.Failed(error.message, error.hint, diverged=True, kept=error.kept)
    except UserError as error:
        return events.Failed(error.message, error.hint)
    except OSError as error:
        if error.errno in _DISK_FULL:  # and nothing into the log, which is on the same disk
            return _disk_failure(error)
        traceback.print_exc()
        return events.Failed(f"A file could not be read or written: {error}.", details=traceback.format_exc())
    except Exception as error:
        traceback.print_exc()
        from .memory import is_out_of_memory

        if is_out_of_memory(error):
            return events.Failed(
                "There is not enough memory to train this model.", "Close other programs or choose a smaller model."
            )
        return events.Failed(
            "Training stopped because of a mistake in the program.",
            "Copy the details into a report.",
            details=traceback.format_exc(),
        )
    return None


def _disk_failure(error: OSError) -> events.Failed:
    if error.errno not in _DISK_FULL:
        return events.Failed(f"The run's folder cannot be written: {error}.")
    return events.Failed(
        "The disk is full, so training stopped.",
        "Free some space, then Resume: training goes on from the last checkpoint.",
    )

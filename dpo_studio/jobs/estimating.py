"""Ask a process of its own what a prepared run will take, and say afterwards how near that was. No torch here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dpo_studio.core import events
from dpo_studio.core.errors import UserError

from .worker import describe_exit, worker_environment

#: In a run's folder: what was expected of it when it was made.
ESTIMATE_FILE = "estimate.json"


def command(run_folder: Path, *, tied: bool = False, interpreter: str = sys.executable) -> list[str]:
    """The command line that measures a prepared run and says an `Estimated`, or a `Failed`.

    Args:
        tied: it ends when its stdin does, and so with whoever started it.
    """
    return [interpreter, "-m", "dpo_studio", "worker", "estimate", str(run_folder), *(["--tied"] if tied else [])]


def estimate(run_folder: Path, *, interpreter: str = sys.executable) -> events.Estimated:
    """What the run will take. It waits for a model to be loaded and two steps to be taken.

    Raises:
        UserError: training could not begin, and why.
    """
    done = subprocess.run(
        command(run_folder, interpreter=interpreter),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=worker_environment(),
    )
    return read_answer(done.stdout, errors=done.stderr, status=done.returncode)


def read_answer(said: str, *, errors: str, status: int) -> events.Estimated:
    """What the process found, from its stdout, its stderr and its exit status.

    Raises:
        UserError: training could not begin, and why.
    """
    for line in reversed(said.splitlines()):
        event = events.from_line(line)
        if isinstance(event, events.Estimated):
            return event
        if isinstance(event, events.Failed):
            raise UserError(event.message, event.hint)
    last = (errors.strip().splitlines() or [describe_exit(status)])[-1]
    raise UserError(f"No step could be measured: {last}", "Train without an estimate; the run says what is wrong.")


def expected(run_folder: Path) -> events.Estimated | None:
    """What was expected of a run when it was made; None where nothing was measured before."""
    try:
        found = events.from_line((run_folder / ESTIMATE_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found if isinstance(found, events.Estimated) else None


def compare(estimated: events.Estimated, *, seconds: float, memory_gb: float | None) -> str:
    """What was expected of a finished run, what it took, and how far off the estimate was."""
    took = f"{in_words(seconds)}{_off(seconds, estimated.seconds)}"
    if memory_gb is not None:
        took += f" and {memory_gb:.1f} GB{_off(memory_gb, estimated.memory_gb)}"
    return f"Estimated {in_words(estimated.seconds)} and {estimated.memory_gb:.1f} GB; took {took}."


def _off(took: float, estimated: float) -> str:
    """How much more or less it took than was estimated; nothing below half a percent."""
    percent = round(100 * (took / estimated - 1)) if estimated > 0 else 0
    return f" ({abs(percent)}% {'more' if percent > 0 else 'less'})" if percent else ""


def in_words(seconds: float) -> str:
    """A time fine enough to compare: "48 s", "3 min 20 s", "1 h 5 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"

"""Ask a process of its own what a prepared run will take; this one need not load a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dpo_studio.core import events
from dpo_studio.core.errors import UserError

from .worker import describe_exit, worker_environment


def estimate(run_folder: Path, *, interpreter: str = sys.executable) -> events.Estimated:
    """What the run will take. It waits for a model to be loaded and two steps to be taken.

    Raises:
        UserError: training could not begin, and why.
    """
    done = subprocess.run(
        [interpreter, "-m", "dpo_studio", "worker", "estimate", str(run_folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=worker_environment(),
    )
    for line in reversed(done.stdout.splitlines()):
        event = events.from_line(line)
        if isinstance(event, events.Estimated):
            return event
        if isinstance(event, events.Failed):
            raise UserError(event.message, event.hint)
    last = (done.stderr.strip().splitlines() or [describe_exit(done.returncode)])[-1]
    raise UserError(f"No step could be measured: {last}", "Train without an estimate; the run says what is wrong.")

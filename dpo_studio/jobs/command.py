"""One command of the command line as a child process: what it answered, or the sentence it gave.

For work whose libraries the window does not import (an export, an import): the process answers with
one JSON object and ends. With --follow some commands say more before it, an object a line. `run` waits, so it is for a
thread.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dpo_studio.core.errors import UserError

from .worker import describe_exit, worker_environment

_MISTAKE = 2
_LOG_LINES = 20


class CommandRefused(UserError):
    """A command's UserError, as it came from its process.

    Attributes:
        more: what it said besides the sentence and the hint, by name.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(str(answer.get("error", "")), str(answer.get("hint", "")))
        self.more = {name: value for name, value in answer.items() if name not in ("error", "hint")}


class CommandProcess:
    """`python -m dpo_studio ARGUMENTS… --json`, once.

    `run` belongs to one thread; `stop` may be called from another.

    Args:
        told: what it reads on stdin: for what no list of processes and no log is to show.
        heard: called with each object that it prints before its answer, in the thread of `run`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        told: str | None = None,
        heard: Callable[[dict[str, Any]], None] | None = None,
        interpreter: str = sys.executable,
    ) -> None:
        # The flag goes before what a person typed: after "--" it would be taken for a name.
        name, *rest = arguments
        self._line = [interpreter, "-m", "dpo_studio", name, "--json", *rest]
        self._told = told
        self._heard = heard
        self._process: subprocess.Popen[str] | None = None
        self.stopped = False

    def run(self) -> dict[str, Any]:
        """Start it, wait for its end, and return the object that it printed.

        Raises:
            UserError: what it said a person can mend (CommandRefused), or that it was stopped or killed.
            RuntimeError: it met a bug; the text holds its last lines.
        """
        if self.stopped:
            raise UserError("This was stopped.")
        with tempfile.TemporaryFile() as log:
            process = self._process = subprocess.Popen(
                self._line,
                stdin=subprocess.DEVNULL if self._told is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=worker_environment(),
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            if self.stopped:
                process.terminate()
            self._tell(process)
            answer = self._listen(process)
            status = process.wait()
            log.seek(0)
            return self._outcome(status, answer, log.read().decode("utf-8", "replace"))

    def _tell(self, process: subprocess.Popen[str]) -> None:
        told, self._told = self._told, None
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(told or "")

    def _listen(self, process: subprocess.Popen[str]) -> str:
        """The last line that it prints; those before are handed on."""
        last = ""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if last and self._heard is not None and not self.stopped:
                    self._heard(json.loads(last))
                last = line.strip() or last
        return last

    def stop(self) -> None:
        """End it; `run` then raises."""
        self.stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _outcome(self, status: int, said: str, log: str) -> dict[str, Any]:
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if status == 0 and isinstance(answer, dict):
            return answer
        if self.stopped:
            raise UserError("This was stopped before it was done.")
        if status == _MISTAKE and isinstance(answer, dict):
            raise CommandRefused(answer)
        if status < 0:
            raise UserError(f"The process did not finish: {describe_exit(status)}.", "Try it again.")
        last_lines = "\n".join(log.splitlines()[-_LOG_LINES:])
        raise RuntimeError(f"`{' '.join(self._line[1:])}`: {describe_exit(status)}\n{last_lines}")

"""What the set-up shows while it works: one line a stage, and the end of the log when one fails."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_HEARTBEAT_S = 20.0
_FAILURE_LINES = 30
_PIP_NEWS = re.compile(r"^\s*(Collecting|Downloading|Using cached|Installing|Building|Obtaining|Processing)\b")
_SIZE = re.compile(r"\(([\d.]+ [kMG]B)\)\s*$")


class SetupError(Exception):
    """The set-up cannot go on; the message says what to do."""


class Console:
    """Writes stages to stderr: on a terminal one changing line, elsewhere a line now and then."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    @contextmanager
    def stage(self, title: str):
        """A piece of work: its title while it runs, its seconds when it is done. Yields a news function."""
        began = time.monotonic()
        news = [""]
        over = threading.Event()

        def keep_showing() -> None:
            while not over.wait(0.5 if self._live else _HEARTBEAT_S):
                self._show_running(title, news[0], time.monotonic() - began)

        if not self._live:
            self.say(f"… {title}")
        shower = threading.Thread(target=keep_showing, daemon=True)
        shower.start()
        try:
            yield lambda text: news.__setitem__(0, text)
        except BaseException:
            over.set()
            shower.join()
            self._end_line(f"✗ {title}")
            raise
        over.set()
        shower.join()
        self._end_line(f"✓ {title} ({time.monotonic() - began:.0f} s)")

    def _show_running(self, title: str, news: str, seconds: float) -> None:
        text = f"… {title}, {seconds:.0f} s" + (f": {news}" if news else "")
        if self._live:
            print(f"\r\x1b[2K{text[:110]}", end="", file=self._stream, flush=True)
        else:
            self.say(text[:140])

    def _end_line(self, text: str) -> None:
        if self._live:
            print("\r\x1b[2K", end="", file=self._stream)
        self.say(text)


def run_logged(
    console: Console,
    title: str,
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    mend: str = "",
) -> None:
    """Run a talkative command as one stage; all it says goes to `log`.

    Raises:
        SetupError: it failed; its last lines and the mend are in the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    last: list[str] = []
    with console.stage(title) as news, log.open("a", encoding="utf-8") as file:
        file.write(f"\n$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                last = [*last[-_FAILURE_LINES + 1 :], line.rstrip()]
                if _PIP_NEWS.match(line):
                    news(_short(line))
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if status:
            tail = "\n".join(f"    {line}" for line in last)
            raise SetupError(f"{tail}\n\n{title} failed (status {status}). {mend}\nThe whole log is {log}.")


def _short(line: str) -> str:
    """A line of pip's in a few words: no addresses, no long lists."""
    words = line.replace("Using cached", "Reading").split()
    if words[0] == "Installing" or len(words) < 2:
        return "putting the packages in place"
    size = _SIZE.search(line)
    return f"{words[0].lower()} {words[1].rsplit('/', 1)[-1]}" + (f" ({size[1]})" if size else "")

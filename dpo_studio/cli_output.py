"""What the command line says and how it ends: one JSON object or plain text, and exit statuses.

Results go to stdout, progress to stderr. 0 is done, 2 a person's mistake (one line, no traceback),
1 a bug, 130 stopped with Ctrl+C.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import click

from dpo_studio.core.errors import UserError

DONE, BUG, MISTAKE, STOPPED = 0, 1, 2, 130
#: How often a person who waits, and a program that follows, are told how far it is.
_TOLD_EVERY_S, _FOLLOWED_EVERY_S = 2.0, 0.2


class Reporter:
    """Where a command says what it does and what came of it.

    Attributes:
        as_json: the result is one JSON object on stdout.
        follow: with it, what is said underway is JSON on stdout as well, an object a line before the result.
    """

    def __init__(self, *, as_json: bool, follow: bool = False) -> None:
        self.as_json = as_json
        self.follow = as_json and follow
        self._stdout = sys.stdout
        self._said_at = time.monotonic()

    def progress(self, text: str) -> None:
        """A line on stderr, for a person who waits."""
        print(text, file=sys.stderr, flush=True)

    def underway(self, share: float | None, doing: str) -> None:
        """How far it is (0 to 1, or None where that is not known) and what it does.

        Often to who follows, every few seconds to a person who waits.
        """
        now = time.monotonic()
        if now - self._said_at < (_FOLLOWED_EVERY_S if self.follow else _TOLD_EVERY_S):
            return
        self._said_at = now
        if self.follow:
            self.more({"progress": share, "doing": doing})
        else:
            self.progress(doing if share is None else f"{share:4.0%}  {doing}")

    def more(self, values: Mapping[str, Any]) -> None:
        """A part of the result, to who follows; nothing to others."""
        if self.follow:
            print(json.dumps(values, ensure_ascii=False), file=self._stdout, flush=True)

    def result(self, values: Mapping[str, Any], text: str) -> None:
        """What came of it: the values with --json, else the text."""
        said = json.dumps(values, ensure_ascii=False) if self.as_json else text
        try:
            print(said, file=self._stdout, flush=True)
        except BrokenPipeError:
            # The reader has seen enough. What is still in the buffer must not fail again at exit.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stdout.fileno())


def reports(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command `--json` and a Reporter as its first argument.

    While it runs, whatever a library prints goes to stderr, so that stdout holds the result alone.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one machine-readable JSON object.")
    @functools.wraps(command)
    def wrapped(as_json: bool, follow: bool = False, **arguments: Any) -> Any:
        reporter = Reporter(as_json=as_json, follow=follow)
        with redirect_stdout(sys.stderr):
            return command(reporter, **arguments)

    return wrapped


def followed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that `reports` the option to say underway what it says to a person who waits."""
    return click.option(
        "--follow",
        is_flag=True,
        help="With --json: say underway how far it is, a JSON object a line before the result.",
    )(command)


def run(group: click.Group, arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status; errors are worded here and nowhere else."""
    as_json = "--json" in arguments
    try:
        status = group.main(args=list(arguments), prog_name="dpo-studio", standalone_mode=False)
        return status if isinstance(status, int) else DONE
    except UserError as error:
        _complain(error.message, error.hint, as_json=as_json, more=getattr(error, "more", {}))
        return MISTAKE
    except click.UsageError as error:
        hint = f"See: {error.ctx.command_path} --help" if error.ctx else ""
        _complain(_one_line(error), hint, as_json=as_json)
        return MISTAKE
    except click.ClickException as error:
        _complain(_one_line(error), "", as_json=as_json)
        return MISTAKE
    except (click.Abort, KeyboardInterrupt):
        _complain("Stopped.", "", as_json=as_json)
        return STOPPED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _complain(
                "The disk is full, so this could not be done.",
                "Free some space and do it again; what was saved before is intact.",
                as_json=as_json,
            )
            return MISTAKE
        details = traceback.format_exc()
        print(details, file=sys.stderr, end="")
        message = f"This is a bug in DPO Studio: {type(error).__name__}: {error}"
        _complain(message, "Please report it with the lines above.", as_json=as_json, more={"details": details})
        return BUG


@contextmanager
def interruptions(on_first: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl+C ask for a clean end; the second one ends at once.

    Yields a function that says whether there was one. Outside the main thread nothing is caught.
    """
    asked = False

    def on_signal(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        on_first()

    try:
        before = signal.signal(signal.SIGINT, on_signal)
    except ValueError:
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Take the system's request to end as Ctrl+C, so that nothing half done and no scratch file stays behind."""

    def on_signal(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, on_signal)
    except ValueError:  # outside the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 prompt", "12 prompts"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _one_line(error: click.ClickException) -> str:
    """Click spreads a list of choices over several lines."""
    message = " ".join(error.format_message().split())
    return message if message.endswith((".", "?")) else f"{message}."


def _complain(message: str, hint: str, *, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    print(f"{message} {hint}".strip(), file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"error": message, "hint": hint, **(more or {})}, ensure_ascii=False), flush=True)

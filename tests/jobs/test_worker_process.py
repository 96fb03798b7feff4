"""A worker process: told things, heard, ended, and how its end is worded."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time

import pytest

from dpo_studio.core import commands, events
from dpo_studio.jobs import worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in interpreter is a script")

ECHO = """
for line in sys.stdin:
    command = json.loads(line)
    print("a library's own words", flush=True)
    print(json.dumps({"v": 1, "event": "Notice", "code": command["command"], "message": command["base"]}), flush=True)
"""
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"v": 1, "event": "Notice", "code": "up", "message": ""}), flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def start(tmp_path):
    """A function that starts a Worker whose interpreter runs the given lines in place of the app."""
    started = []

    def start(body):
        interpreter = tmp_path / "interpreter"
        interpreter.write_text(f"#!{sys.executable}\nimport json, os, signal, sys, time\n{body}")
        interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
        started.append(
            worker.Worker(["generate"], log_path=tmp_path / "logs" / "worker.log", interpreter=str(interpreter))
        )
        return started[-1]

    yield start
    for process in started:
        process.stop(grace_s=0.2)


def test_it_hears_commands_and_says_events_until_its_stdin_ends(start):
    process = start(ECHO)
    said = process.events()
    for base in ("starter", "grün \u2028 好"):
        assert process.send(commands.Load(base))
        assert next(said) == events.Notice("Load", base)
    process.close()
    assert list(said) == [] and process.wait() == 0 and not process.running
    assert not process.send(commands.Load("starter"))


def test_it_is_told_its_arguments_and_runs_below_the_window(start):
    process = start(
        "nice = os.nice(0)\n"
        "time.sleep(0.3)\n"
        'print(json.dumps({"v": 1, "event": "Notice", "code": str(os.nice(0)), "message": " ".join(sys.argv[1:])}))'
    )
    (said,) = process.events()
    assert said == events.Notice(str(min(os.nice(0) + worker.NICENESS, 19)), "-m dpo_studio worker generate")


def test_a_worker_that_will_not_end_is_killed(start):
    process = start(STUBBORN)
    assert next(process.events()) == events.Notice("up", "")
    began = time.monotonic()
    assert process.stop(grace_s=0.3) == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_what_it_says_on_stderr_is_in_its_log(start):
    process = start("print('first', file=sys.stderr)\nsys.exit('no such model')")
    assert process.wait() == 1
    assert worker.log_tail(process.log_path) == "first\nno such model"
    assert worker.log_tail(process.log_path, lines=1) == "no such model"


def test_a_worker_that_died_is_noticed_when_it_is_told_something(start):
    process = start("os.kill(os.getpid(), signal.SIGKILL)")
    assert process.wait() == -signal.SIGKILL
    assert list(process.events()) == []
    assert not process.send(commands.Load("starter"))
    process.close()


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "it ended by itself"),
        (3, "it ended with status 3"),
        (-9, "it was killed, most often because the machine ran out of memory"),
        (-15, "it was ended by SIGTERM"),
        (-11, "it was ended by SIGSEGV"),
        (-200, "it was ended by signal 200"),
    ],
)
def test_an_end_in_words(returncode, words):
    assert worker.describe_exit(returncode) == words


def test_a_missing_log_has_no_lines(tmp_path):
    assert worker.log_tail(tmp_path / "none.log") == ""

"""The worker as a real process: its stdout holds events only, it hears cancel, its death costs no finished answer."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dpo_studio.core import commands, events
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.jobs.worker import worker_environment

MAIN = "import sys; from dpo_studio.generation.worker import main; sys.exit(main())"


@contextmanager
def worker(log: Path, code: str = MAIN) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env={**worker_environment(), "OMP_NUM_THREADS": "1"},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def job(base: Path, name: str, groups: int, *, length: int = 100, candidates=(0, 1, 2, 3)) -> commands.Generate:
    items = tuple(
        commands.GenerationItem(group, (Message("user", f"Question {group}"),), tuple(candidates))
        for group in range(groups)
    )
    sampling = SamplingSettings(max_new_tokens=length, temperature=1.2).to_json()
    return commands.Generate(job=name, base=str(base), items=items, sampling=sampling, device="cpu")


def send(process: subprocess.Popen[str], *told: commands.Command) -> None:
    process.stdin.write("".join(map(commands.to_line, told)))
    process.stdin.flush()


def read_until(process: subprocess.Popen[str], done: Callable[[events.Event], bool]) -> list[events.Event]:
    said = []
    for line in process.stdout:
        event = events.from_line(line)
        assert event is not None, line
        said.append(event)
        if done(event):
            return said
    raise AssertionError("it ended first")


def is_end(event: events.Event) -> bool:
    return isinstance(event, (events.JobFinished, events.Failed))


def test_jobs_are_answered_in_turn_and_a_cancel_hits_the_one_it_names(tiny_llama: Path, log: Path) -> None:
    with worker(log) as process:
        send(process, job(tiny_llama, "first", 1, length=5))
        send(process, job(tiny_llama, "endless", 400))
        send(process, job(tiny_llama, "never begun", 400))
        send(process, job(tiny_llama, "last", 1, length=5))
        assert read_until(process, is_end)[-1] == events.JobFinished("first", "done")
        read_until(process, lambda e: isinstance(e, events.CompletionFinished))
        send(process, commands.Cancel("never begun"))
        send(process, commands.Cancel("endless"))
        assert read_until(process, is_end)[-1] == events.JobFinished("endless", "cancelled")
        assert read_until(process, is_end) == [events.JobFinished("never begun", "cancelled")]
        assert read_until(process, is_end)[-1] == events.JobFinished("last", "done")
        process.stdin.close()
        assert process.wait(20) == 0


def test_it_ends_soon_after_its_stdin_does_though_it_has_work(tiny_llama: Path, log: Path) -> None:
    with worker(log) as process:
        send(process, job(tiny_llama, "endless", 4000))
        read_until(process, lambda e: isinstance(e, events.TokensDecoded))
        began = time.monotonic()
        process.stdin.close()
        process.stdout.read()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10


def test_what_was_said_before_it_was_killed_stands(tiny_llama: Path, log: Path) -> None:
    """Killed in the middle of a group: every line but the last cut one is whole, answers included."""
    with worker(log) as process:
        send(process, job(tiny_llama, "job", 400, length=200))
        said = read_until(process, lambda e: isinstance(e, events.GroupFinished))
        said += read_until(process, lambda e: isinstance(e, events.TokensDecoded))
        os.kill(process.pid, signal.SIGKILL)
        rest = [events.from_line(line) for line in process.stdout]
        assert process.wait(20) == -signal.SIGKILL
    kept = [event for event in [*said, *rest] if isinstance(event, events.CompletionFinished)]
    assert {event.candidate for event in kept if event.group == 0} == {0, 1, 2, 3}
    # The same answers come again, so that a job taken up after a kill goes on as if nothing had been.
    with worker(log) as process:
        send(process, job(tiny_llama, "again", 1, length=200))
        again = [e for e in read_until(process, is_end) if isinstance(e, events.CompletionFinished)]
    assert {e.candidate: e.token_ids for e in again} == {e.candidate: e.token_ids for e in kept if e.group == 0}


def test_prints_of_libraries_do_not_reach_the_events(tiny_llama: Path, log: Path) -> None:
    code = (
        "import os, sys\n"
        "from dpo_studio.generation import worker\n"
        "serve = worker._serve\n"
        "def noisy(inbox, say):\n"
        "    print('from Python')\n"
        "    os.write(1, b'from C\\n')\n"
        "    serve(inbox, say)\n"
        "worker._serve = noisy\n"
        "sys.exit(worker.main())\n"
    )
    with worker(log, code) as process:
        send(process, job(tiny_llama, "job", 1, length=3))
        read_until(process, is_end)  # every line is an event, or this fails
        process.stdin.close()
        process.wait(20)
        heard = log.read_text(encoding="utf-8")
    assert "from Python" in heard and "from C" in heard


def test_a_line_that_is_no_command_is_told_and_the_next_is_obeyed(tiny_llama: Path, log: Path) -> None:
    with worker(log) as process:
        process.stdin.write("nonsense\n")
        process.stdin.flush()
        (failed,) = read_until(process, is_end)
        assert isinstance(failed, events.Failed) and "understand" in failed.message and failed.details
        send(process, job(tiny_llama, "job", 1, length=3))
        assert read_until(process, is_end)[-1] == events.JobFinished("job", "done")


def test_a_pause_holds_the_job_and_resuming_gives_the_same_answers(tiny_llama: Path, log: Path) -> None:
    asked = job(tiny_llama, "job", 8, length=60)
    with worker(log) as process:
        send(process, asked)
        plain = finished(read_until(process, is_end))
        send(process, dataclasses.replace(asked, job="again"), commands.Pause("again"))
        # The second job's end does not come: what does come is the answer to nonsense, which is given at once.
        time.sleep(2.0)  # long enough for all of its answers; a slower machine has proved less, not failed
        process.stdin.write("nonsense\n")
        process.stdin.flush()
        held = read_until(process, lambda event: isinstance(event, events.Failed))
        assert not any(isinstance(event, events.JobFinished) for event in held)
        send(process, commands.Resume("again"))
        said = held + read_until(process, is_end)
        assert said[-1] == events.JobFinished("again", "done")
        assert finished(said) == plain and len(plain) == 32


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_paused_job_can_still_be_ended(tiny_llama: Path, log: Path, end: str) -> None:
    with worker(log) as process:
        send(process, job(tiny_llama, "job", 50, length=200), commands.Pause("job"))
        if end == "cancel":
            send(process, commands.Cancel("job"))
            assert read_until(process, is_end)[-1] == events.JobFinished("job", "cancelled")
        process.stdin.close()
        assert process.wait(60) == 0


def finished(said: list[events.Event]) -> dict[tuple[int, int], str]:
    return {(e.group, e.candidate): e.text for e in said if isinstance(e, events.CompletionFinished)}

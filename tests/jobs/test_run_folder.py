"""A training run known by its folder: its lock, its wishes, its events, and how it stands."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys

import pytest

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs import training

STARTED = events.RunStarted(
    steps=30, groups=4, held_out_groups=1, device="cpu", dtype="float32", parameters=9, trainable_parameters=1
)
STEP = events.StepDone(1, 0.1, {"loss": 0.69})
DONE = events.RunDone("finished", 30, 12.5, "adapter")

HOLD = """
import sys, time, pathlib
from dpo_studio.jobs import training
lock = training.lock(pathlib.Path(sys.argv[1]))
lock.acquire(timeout=5)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run with a space"
    folder.mkdir()
    return folder


@pytest.fixture
def holder(run):
    """A process that holds the run's lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def say(run, *said):
    with (run / training.EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.writelines(map(events.to_line, said))


def test_a_new_folder(run):
    assert training.outcome(run) == training.Outcome("new")
    assert not training.is_alive(run) and not (run / training.LOCK_FILE).exists()


def test_running_while_the_lock_is_held_and_interrupted_after_sigkill(run, holder):
    say(run, STARTED, STEP)
    (run / training.LOG_FILE).write_text("first line\nTraceback: out of memory\n")
    assert training.is_alive(run) and training.outcome(run).state == "running"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    ended = training.outcome(run)
    assert ended.state == "interrupted"
    assert "Resume goes on from the last checkpoint" in ended.reason
    assert ended.details == "first line\nTraceback: out of memory"


def test_a_worker_killed_before_its_first_word_is_interrupted(run):
    (run / training.LOG_FILE).touch()
    assert training.outcome(run).state == "interrupted"


def test_a_run_that_lives_is_not_started_twice(run, holder):
    with pytest.raises(UserError, match="training already"):
        training.start(run)


def test_looking_does_not_take_the_lock_away(run, holder):
    for _ in range(20):
        assert training.is_alive(run)
    assert holder.poll() is None


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ([STARTED, STEP, DONE], "finished"),
        ([STARTED, events.RunDone("stopped", 3, 1.0, "adapter")], "stopped"),
        ([STARTED, STEP], "interrupted"),
        ([STARTED, DONE, STARTED], "interrupted"),
        ([STARTED, events.Failed("The disk is full.", "Free some space."), STARTED, STEP, DONE], "finished"),
    ],
)
def test_how_it_stands_is_what_it_said_last(run, said, state):
    (run / training.LOG_FILE).touch()
    say(run, *said)
    assert training.outcome(run).state == state


def test_a_failure_says_why(run):
    say(run, STARTED, events.Failed("The disk is full.", "Free some space.", details="Traceback"))
    assert training.outcome(run) == training.Outcome("failed", "The disk is full. Free some space.", "Traceback")


def test_the_latest_wish_counts(run):
    assert training.asked(run) == "run"
    for wish in ("pause", "run", "stop"):
        training.ask(run, wish)
        assert training.asked(run) == wish
    assert [path.name for path in run.iterdir()] == [training.CONTROL_FILE]


@pytest.mark.parametrize("content", ["", "{", "[]", '"stop"', '{"other": 1}'])
def test_a_broken_wish_means_run(run, content):
    (run / training.CONTROL_FILE).write_text(content)
    assert training.asked(run) == "run"


def test_the_tail_gives_each_event_once(run):
    tail = training.EventTail(run)
    assert tail.read() == []
    say(run, STARTED)
    assert tail.read() == [STARTED]
    assert tail.read() == []
    say(run, STEP, DONE)
    assert tail.read() == [STEP, DONE]


def test_a_line_half_written_waits_for_its_rest(run):
    tail = training.EventTail(run)
    line = events.to_line(events.AnswerSampled("before", 0, "grün \u2028 \x85 \x1c 好", "stop")).encode()
    path = run / training.EVENTS_FILE
    for cut in range(0, len(line), 7):
        with path.open("ab") as file:
            file.write(line[cut : cut + 7])
        if cut + 7 < len(line):
            assert tail.read() == []
    assert tail.read() == [events.AnswerSampled("before", 0, "grün \u2028 \x85 \x1c 好", "stop")]


def test_a_log_cut_back_by_a_resume_is_read_again(run):
    tail = training.EventTail(run)
    say(run, STARTED, STEP, events.StepDone(2, 0.2, {}))
    assert len(tail.read()) == 3 and not tail.restarted
    (run / training.EVENTS_FILE).write_text(events.to_line(STARTED))
    assert tail.read() == [STARTED] and tail.restarted
    say(run, STEP)
    assert tail.read() == [STEP] and not tail.restarted


def test_a_log_cut_back_and_grown_past_where_it_was_read_is_read_again(run):
    tail = training.EventTail(run)
    say(run, STARTED, STEP)
    assert tail.read() == [STARTED, STEP]
    path = run / training.EVENTS_FILE
    path.write_text(events.to_line(STARTED), encoding="utf-8")
    again = events.StepDone(3, 0.1, {"loss": 0.25})
    say(run, again, DONE, DONE)
    assert tail.read() == [STARTED, again, DONE, DONE]
    assert tail.restarted
    assert tail.read() == []
    assert not tail.restarted


def test_a_wish_that_cannot_be_left_leaves_nothing_half_written(run, monkeypatch):
    training.ask(run, "pause")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training.os, "replace", full)
    with pytest.raises(OSError):
        training.ask(run, "stop")
    assert training.asked(run) == "pause"
    assert [path.name for path in run.iterdir()] == [training.CONTROL_FILE]


def test_lines_that_are_no_event_are_passed_over(run):
    (run / training.EVENTS_FILE).write_bytes(b"\n\xff\xfe\nDownloading 3%\n" + events.to_line(STEP).encode())
    assert training.EventTail(run).read() == [STEP]


def test_a_run_of_a_newer_version_is_refused(run):
    (run / training.EVENTS_FILE).write_text('{"v": 2, "event": "Notice", "code": "", "message": ""}\n')
    with pytest.raises(UserError, match="newer DPO Studio"):
        training.EventTail(run).read()


def test_a_started_worker_that_cannot_work_leaves_its_reason(run):
    """A real child: an empty folder is no run, so it ends at once with a reason in its log or its events."""
    process = training.start(run)
    assert process.wait(120) != 0
    assert training.asked(run) == "run"
    stands = training.outcome(run)
    assert stands.state in ("failed", "interrupted")
    assert stands.reason

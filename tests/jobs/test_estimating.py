"""What the measuring process says, what was expected of a run, and how near that was."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs import estimating
from dpo_studio.jobs.worker import worker_environment

FOUND = events.Estimated(seconds=180.0, memory_gb=1.6, step_seconds=2.0, steps=80)


def test_the_answer_is_found_among_other_lines():
    said = f"a library greets\n{events.to_line(FOUND)}and says goodbye\n"
    assert estimating.read_answer(said, errors="", status=0) == FOUND


def test_a_failure_is_said_in_its_own_words():
    line = events.to_line(events.Failed("There is no such model.", "Choose another."))
    with pytest.raises(UserError, match="There is no such model"):
        estimating.read_answer(line, errors="traceback", status=1)


def test_a_process_that_says_nothing_is_told_by_its_last_words_or_its_end():
    with pytest.raises(UserError, match="out of luck"):
        estimating.read_answer("", errors="first\nout of luck\n", status=1)
    with pytest.raises(UserError, match="ran out of memory"):
        estimating.read_answer("", errors="", status=-9)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (180, "3 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (3900, "1 h 5 min"),
    ],
)
def test_times_are_fine_enough_to_compare(seconds, words):
    assert estimating.in_words(seconds) == words


def test_a_finished_run_is_told_beside_its_estimate():
    text = estimating.compare(FOUND, seconds=200.0, memory_gb=1.52)
    assert text == "Estimated 3 min and 1.6 GB; took 3 min 20 s (11% more) and 1.5 GB (5% less)."
    text = estimating.compare(FOUND, seconds=200.0, memory_gb=None)
    assert text == "Estimated 3 min and 1.6 GB; took 3 min 20 s (11% more)."


def test_what_was_expected_is_read_from_the_runs_folder(tmp_path):
    assert estimating.expected(tmp_path) is None
    (tmp_path / "estimate.json").write_text(events.to_line(FOUND), encoding="utf-8")
    assert estimating.expected(tmp_path) == FOUND
    (tmp_path / "estimate.json").write_bytes(b"\xff\xfe")
    assert estimating.expected(tmp_path) is None


def test_a_tied_process_ends_with_its_stdin():
    """It measures nothing here: its own body would sleep for a minute."""
    body = (
        "import time; from pathlib import Path; from dpo_studio.training import estimate;"
        "estimate.read_spec = lambda folder: time.sleep(60); print('ready', flush=True);"
        "estimate.main(Path('none'), tied=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", body], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=worker_environment()
    )
    try:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline().strip() == b"ready"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.stdin.close()
        assert process.wait(10) == 1
    finally:
        process.kill()
        process.wait()

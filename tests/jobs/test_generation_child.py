"""The real generation worker as a child process: a sentence for a bad model, and every way of ending."""

from __future__ import annotations

import signal
import sys

import pytest

from dpo_studio.core import commands, events
from dpo_studio.jobs.worker import Worker, describe_exit


@pytest.fixture
def child(tmp_path):
    process = Worker(["generate"], log_path=tmp_path / "worker.log")
    yield process
    process.stop(grace_s=1.0)


def next_failure(process: Worker) -> events.Failed:
    return next(event for event in process.events() if isinstance(event, events.Failed))


def test_a_folder_without_a_model_is_a_sentence_and_the_worker_goes_on(child, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert child.send(commands.Load(str(tmp_path / name)))
        failure = next_failure(child)
        assert name in failure.message and failure.hint and not failure.details
    assert child.running
    child.close()
    assert [event for event in child.events() if isinstance(event, events.Failed)] == []
    assert child.wait() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_worker_ends_the_stream_and_its_end_is_worded(child, tmp_path):
    (tmp_path / "empty").mkdir()
    child.send(commands.Load(str(tmp_path / "empty")))
    next_failure(child)
    child._process.send_signal(signal.SIGKILL)
    assert list(child.events()) == []
    assert "ran out of memory" in describe_exit(child.wait())
    assert not child.send(commands.Cancel("job"))

"""The training process: its lock, its last words, and that being killed changes nothing."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpo_studio.core import events
from dpo_studio.jobs import training as jobs
from dpo_studio.training import engine, worker
from dpo_studio.training.saved import latest_checkpoint

resource = pytest.importorskip("resource", reason="limits on files are a Unix thing")


def start(folder: Path, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "dpo_studio", "worker", "train", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def said(folder: Path) -> list[events.Event]:
    return jobs.EventTail(folder).read()


def steps(folder: Path) -> list[tuple]:
    """Everything measured at each step but the clock and the memory."""
    return [
        (event.step, {name: v for name, v in event.metrics.items() if name not in ("tokens_per_s", "memory_gb")})
        for event in said(folder)
        if isinstance(event, (events.StepDone, events.Evaluated))
    ]


@pytest.fixture
def in_process(monkeypatch):
    """`worker.main` in this process, on one thread."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return worker.main


def test_killed_again_and_again_a_run_gives_the_same_numbers(make_run):
    whole, killed = (make_run(name, lora_dropout=0.1, epochs=8) for name in ("whole", "killed"))
    undisturbed = start(whole)
    rng, deaths = random.Random(5), 0
    for _ in range(8):
        process, goal = start(killed), rng.randint(1, 5)
        begun = len(said(killed))
        while process.poll() is None:
            found = [event for event in said(killed)[begun:] if isinstance(event, events.StepDone)]
            if deaths < 3 and len(found) >= goal:
                process.send_signal(signal.SIGKILL)
                process.wait()
                deaths += 1
                assert not jobs.is_alive(killed)
                assert jobs.outcome(killed).state in ("interrupted", "finished")
                break
            begun = min(begun, len(said(killed)))
            time.sleep(0.002)
        process.communicate()
        if process.returncode == 0:
            break
    assert undisturbed.wait(120) == 0, undisturbed.stderr.read()
    undisturbed.communicate()
    first_steps = {event.first_step for event in said(killed) if isinstance(event, events.RunStarted)}
    assert deaths == 3
    assert max(first_steps) > 0
    assert steps(killed) == steps(whole)
    for name in ("adapter/adapter_model.safetensors", "final_logps.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    answers = [event for event in said(whole) if isinstance(event, events.AnswerSampled)]
    assert [event for event in said(killed) if isinstance(event, events.AnswerSampled)] == answers


def test_a_damaged_checkpoint_is_passed_over(make_run, in_process):
    folder = make_run(max_steps=6)
    assert in_process(folder) == 0
    newest = latest_checkpoint(folder)[0]
    (newest / "optimizer.safetensors").write_bytes(b"half")
    found, state = latest_checkpoint(folder)
    assert (found.name, state.step) == ("step-000004", 4)


def test_one_worker_at_a_time(make_run):
    folder = make_run()
    with jobs.lock(folder):
        process = start(folder)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "already" in errors
    assert said(folder) == []


def test_the_lock_is_held_before_torch_is_imported():
    code = "import sys, dpo_studio.training.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_finished_run_is_left_alone(make_run, in_process):
    folder = make_run(max_steps=1)
    assert in_process(folder) == 0
    before = (folder / "events.jsonl").read_bytes()
    assert in_process(folder) == 0
    assert (folder / "events.jsonl").read_bytes() == before
    assert not (folder / worker.RESERVE_FILE).exists()


def test_what_a_person_can_mend_is_the_last_event(make_run, in_process):
    folder = make_run(groups=[make_run.group(random.Random(1), 0, ranks=[1, 1, 1])])
    assert in_process(folder) == 1
    last = said(folder)[-1]
    assert isinstance(last, events.Failed)
    assert "no group to train on" in last.message and last.hint and not last.details
    assert jobs.outcome(folder).state == "failed"


def test_a_model_of_an_unknown_kind(make_run, in_process, tmp_path, tiny_model):
    model = tmp_path / "odd"
    model.mkdir()
    for path in tiny_model.iterdir():
        (model / path.name).write_bytes(path.read_bytes().replace(b'"model_type": "llama"', b'"model_type": "odd9"'))
    folder = make_run(base=model)
    assert in_process(folder) == 1
    last = said(folder)[-1]
    assert isinstance(last, events.Failed) and last.hint and not last.details, last


def test_a_mistake_of_the_program_comes_with_its_traceback(make_run, in_process, monkeypatch):
    from dpo_studio.training import engine

    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(engine.adapter, "attach", broken)
    folder = make_run()
    assert in_process(folder) == 1
    assert "ZeroDivisionError: a bug" in said(folder)[-1].details


def limit_files(size: int):
    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return apply


def test_numbers_that_ran_away_are_told_apart_with_what_is_kept(make_run, in_process, monkeypatch):
    folder = make_run(evaluate_every=0, checkpoint_every=1)
    monkeypatch.setattr(engine, "learning_rate", lambda step, **_: 1e-3 if step < 3 else 1e36)
    assert in_process(folder) == worker.EXIT_FAILED
    found = jobs.outcome(folder)
    assert (found.state, found.diverged, found.kept) == ("failed", True, "adapter")
    assert (folder / found.kept).is_dir() and "lower learning rate" in found.reason


def test_a_disk_that_fills_is_told_and_the_run_goes_on_later(make_run):
    """Files may not grow past 100 kB: the optimiser's state does, which is what a full disk looks like."""
    folder = make_run(checkpoint_every=5, lora_rank=16)
    process = start(folder, preexec_fn=limit_files(100_000))
    process.communicate(timeout=120)
    assert process.returncode == 1
    last = said(folder)[-1]
    assert isinstance(last, events.Failed)
    assert "disk is full" in last.message and "Resume" in last.hint
    assert not list((folder / "checkpoints").glob("*"))
    assert not (folder / worker.RESERVE_FILE).exists()
    resumed = start(folder)
    resumed.communicate(timeout=120)
    assert resumed.returncode == 0
    assert [event.step for event in said(folder) if isinstance(event, events.StepDone)] == list(range(1, 13))


def test_a_disk_that_is_full_from_the_start(make_run):
    folder = make_run()
    process = start(folder, preexec_fn=limit_files(30_000))
    process.communicate(timeout=120)
    assert process.returncode == 1
    assert "disk is full" in said(folder)[-1].message
    assert not (folder / worker.RESERVE_FILE).exists()


def test_the_last_word_fits_where_nothing_else_does(make_run, monkeypatch):
    folder = make_run()
    log = worker.EventLog(folder, keep_bytes=0)
    log.reserve()
    log.append(events.Notice("first", "kept"))
    real = log._file

    class Full:
        """A disk that takes half a line and then nothing, until the reserve is gone."""

        def write(self, line):
            if not (folder / worker.RESERVE_FILE).exists():
                return real.write(line)
            real.write(line[: len(line) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(real, name)

    log._file = Full()
    with pytest.raises(OSError):
        log.append(events.Notice("second", "does not fit"))
    assert [event.code for event in said(folder)] == ["first"]
    log.append_last(events.Failed("The disk is full."))
    assert [type(event).__name__ for event in said(folder)] == ["Notice", "Failed"]
    log.close()


def test_a_folder_that_is_not_a_run(tmp_path, in_process):
    assert in_process(tmp_path) == 1
    assert "is not a training run" in said(tmp_path)[-1].message
    assert in_process(tmp_path / "nothing") == 1

"""Going on after an end that nobody planned: what a resumed run says, and that it may stand elsewhere by then."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dpo_studio.core import events
from dpo_studio.jobs import training as jobs
from dpo_studio.training import checkpoints, worker
from dpo_studio.training.engine import train


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def said(folder: Path, kind: type) -> list:
    return [event for event in jobs.EventTail(folder).read() if isinstance(event, kind)]


class Died(BaseException):
    """Stands for the end of the process."""


def die_at_step(folder: Path, step: int, monkeypatch) -> None:
    """Run the worker until it has said that this step is done, and no further."""
    with monkeypatch.context() as patched:
        append = worker.EventLog.append

        def deadly(self, event):
            append(self, event)
            if isinstance(event, events.StepDone) and event.step == step:
                raise Died

        patched.setattr(worker.EventLog, "append", deadly)
        with pytest.raises(Died):
            worker.main(folder)


@pytest.mark.parametrize("step", [3, 5])
def test_every_checkpoint_is_told_once_whenever_the_run_died(make_run, monkeypatch, step):
    folder = make_run(max_steps=8, checkpoint_every=4, evaluate_every=0)
    die_at_step(folder, step, monkeypatch)
    assert worker.main(folder) == 0
    found = said(folder, events.CheckpointSaved)
    assert [(event.step, event.folder) for event in found] == [
        (4, "checkpoints/step-000004"),
        (8, "checkpoints/step-000008"),
    ]
    assert [event.step for event in said(folder, events.StepDone)] == list(range(1, 9))


def test_a_checkpoint_that_was_made_and_not_told_is_told_by_the_resumed_run(make_run, monkeypatch):
    folder = make_run(max_steps=6, checkpoint_every=4, evaluate_every=0)
    with monkeypatch.context() as patched:
        real = checkpoints.save

        def deadly(*args):
            real(*args)
            raise Died

        patched.setattr(checkpoints, "save", deadly)
        with pytest.raises(Died):
            worker.main(folder)
    assert not said(folder, events.CheckpointSaved)
    assert worker.main(folder) == 0
    assert [event.step for event in said(folder, events.CheckpointSaved)] == [4]
    assert [event.step for event in said(folder, events.StepDone)] == list(range(1, 7))


def test_a_later_round_goes_on_where_its_project_was_moved_to(make_run, tmp_path, monkeypatch):
    list(train(make_run("first", max_steps=2)))
    die_at_step(make_run("second", max_steps=4, adapter="../first/adapter"), 3, monkeypatch)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("first", "second"):
        shutil.move(tmp_path / name, moved / name)
    assert worker.main(moved / "second") == 0
    (loaded,) = said(moved / "second", events.ModelLoaded)[-1:]
    assert os.path.samefile(loaded.adapter, moved / "first" / "adapter")
    assert [event.step for event in said(moved / "second", events.StepDone)] == [1, 2, 3, 4]
    assert json.loads((moved / "second" / "settings.json").read_text())["adapter"] == "../first/adapter"


def test_attaching_an_adapter_warns_of_nothing(make_run, recwarn):
    list(train(make_run("first", max_steps=1)))
    list(train(make_run("second", max_steps=1, adapter="../first/adapter")))
    assert [str(warning.message) for warning in recwarn if warning.category is FutureWarning] == []

"""Measuring a step from the Train page. The process is a small stand-in that answers as the real one does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt

from dpo_studio.core import events
from dpo_studio.jobs import estimating, training
from dpo_studio.store import estimates, runs
from dpo_studio.ui.closing import wind_down
from dpo_studio.ui.context import Context
from dpo_studio.ui.job_board import Job
from dpo_studio.ui.train.page import TrainPage
from tests.ui.train import stories

FOUND = events.Estimated(seconds=180.0, memory_gb=1.62, step_seconds=6.0, steps=30)
SAYS = f"print({events.to_line(FOUND)!r})"
FAILS = f"print({events.to_line(events.Failed('There is no such model.', 'Choose another.'))!r})"
HANGS = "import sys; sys.stdin.read()"


@pytest.fixture
def asked(monkeypatch):
    """Has the measuring process run another program; returns the run folders that it was given."""
    folders: list[Path] = []

    def program(body: str) -> list[Path]:
        def command(run_folder: Path, *, tied: bool = False) -> list[str]:
            assert tied
            folders.append(run_folder)
            return [sys.executable, "-c", body]

        monkeypatch.setattr(estimating, "command", command)
        return folders

    return program


@pytest.fixture
def page(qtbot, light, tmp_path):
    context = Context()
    made = TrainPage(context)
    qtbot.addWidget(made)
    context.open(stories.project_with_labels(tmp_path / "project", rankings_count=6, held_out=2, ties=1))
    made.ensure_built()
    made.resize(1280, 800)
    made.show()
    yield made
    made.measuring.cancel()
    qtbot.waitUntil(lambda: made.measuring.job is None)
    context.open(None)


def press(qtbot, page: TrainPage) -> None:
    qtbot.mouseClick(page.setup.estimate_row.button, Qt.MouseButton.LeftButton)


def ends(qtbot, page: TrainPage) -> None:
    qtbot.waitUntil(lambda: page.measuring.job is None and not page.context.jobs.jobs, timeout=20_000)


def test_nothing_is_measured_unasked(page, asked):
    folders = asked(SAYS)
    page.setup.advanced.fields["epochs"].setText("3")
    assert folders == [] and page.context.jobs.jobs == []
    assert page.setup.estimate_row.button.isVisible() and page.setup.estimate_row.button.text() == "Measure"


def test_what_was_measured_is_said_and_stays_known(qtbot, page, asked):
    folders = asked(SAYS)
    press(qtbot, page)
    assert "Measuring two steps now" in page.setup.estimate.text()
    assert page.context.jobs.running.title == "measuring a step"
    ends(qtbot, page)
    assert page.setup.estimate.text() == (
        "14 passes over 6 rankings: 42 steps; about 3 min and 1.6 GB of memory, measured on real steps here."
    )
    assert not page.setup.estimate_row.button.isVisible()
    assert len(folders) == 1 and not folders[0].exists()
    assert runs.all_runs(page.context.project) == []
    # A rate changes nothing; other passes were not measured; and back again they are known.
    fields = page.setup.advanced.fields
    fields["learning_rate"].setText("1e-5")
    assert "3 min and 1.6 GB" in page.setup.estimate.text()
    fields["epochs"].setText("3")
    assert "1.6 GB" not in page.setup.estimate.text() and page.setup.estimate_row.button.isVisible()
    fields["epochs"].setText("14")
    assert "3 min and 1.6 GB" in page.setup.estimate.text()


def test_a_failure_is_said_quietly_and_can_be_tried_again(qtbot, page, asked):
    asked(FAILS)
    press(qtbot, page)
    ends(qtbot, page)
    row = page.setup.estimate_row
    assert row.label.text().endswith("No step could be measured just now.")
    assert "There is no such model." in row.label.toolTip()
    assert row.button.text() == "Measure" and row.button.isEnabled()
    asked(SAYS)
    press(qtbot, page)
    ends(qtbot, page)
    assert "1.6 GB" in row.label.text() and row.label.toolTip() == ""


def test_a_program_that_cannot_start_ends_the_job(qtbot, page, monkeypatch):
    monkeypatch.setattr(estimating, "command", lambda folder, tied: ["/no/such/program", str(folder)])
    press(qtbot, page)
    ends(qtbot, page)
    assert "No step could be measured" in page.setup.estimate.text()


def test_it_can_be_cancelled_and_then_says_nothing(qtbot, page, asked):
    folders = asked(HANGS)
    press(qtbot, page)
    process = page.measuring.job.process
    qtbot.waitUntil(lambda: process.processId() > 0)
    pid = process.processId()
    assert page.setup.estimate_row.button.text() == "Cancel"
    press(qtbot, page)
    ends(qtbot, page)
    assert "measured just now" not in page.setup.estimate.text()
    assert page.setup.estimate_row.button.text() == "Measure"
    assert not folders[0].parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_measured_while_another_job_has_the_machine(qtbot, page, asked):
    class Other(Job):
        def start(self) -> None:
            pass

    folders = asked(SAYS)
    other = Other("generating")
    page.context.jobs.submit(other)
    assert not page.setup.estimate_row.button.isEnabled()
    page.measuring.measure()
    assert folders == [] and page.context.jobs.jobs == [other]
    other.finish()
    assert page.setup.estimate_row.button.isEnabled()


def test_training_goes_first_and_ends_the_measuring(qtbot, page, asked, monkeypatch):
    asked(HANGS)
    started: list[Path] = []

    def start(run_folder: Path) -> None:
        started.append(run_folder)
        raise OSError("not here")

    monkeypatch.setattr(training, "start", start)
    press(qtbot, page)
    run = page.train()
    qtbot.waitUntil(lambda: bool(started), timeout=10_000)
    assert page.measuring.job is None
    assert started == [page.context.project.folder / run.folder]


def test_it_ends_with_the_window(qtbot, page, asked):
    asked(HANGS)
    press(qtbot, page)
    owner, over = QObject(), []
    wind_down(page.context.jobs, owner, then=lambda: over.append(True))
    qtbot.waitUntil(lambda: bool(over), timeout=4000)
    assert page.context.jobs.jobs == []


def test_another_project_is_not_told_what_this_one_takes(qtbot, page, asked, tmp_path):
    asked(HANGS)
    press(qtbot, page)
    page.context.open(stories.project_with_labels(tmp_path / "other", rankings_count=6, held_out=2, ties=1))
    ends(qtbot, page)
    assert not (page.context.project.folder / "cache" / "estimates").exists()


def test_a_finished_run_says_what_it_took_beside_its_estimate(qtbot, page):
    project, plan = page.context.project, page.setup.plan
    estimates.keep(project, *plan, FOUND)
    run = runs.create(project, plan[0], plan[1])
    stories.write(project, run, stories.story(project, run, upto=30))
    page.context.runs_changed.emit()
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    # The story takes 63 s, and 1.62 GB at each step.
    assert "Estimated 3 min and 1.6 GB; took 1 min 3 s (65% less) and 1.6 GB." in page.view.ending_label.text()

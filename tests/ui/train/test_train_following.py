"""Runs as the page follows them, live and over, its own and others."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from dpo_studio.core import events
from dpo_studio.jobs import training
from dpo_studio.store import Project, policies, runs
from dpo_studio.ui.context import Context
from dpo_studio.ui.job_board import Job
from dpo_studio.ui.train.page import TrainPage
from tests.ui.train import stories
from tests.ui.train.watching import Said, shown_points


def test_a_live_run_is_followed_from_the_moment_the_project_opens(qtbot, open_page, project, live):
    run = stories.new_run(project)
    folder = stories.write(project, run, stories.story(project, run, upto=12, done=""))
    live(folder)
    context = Context()
    page = TrainPage(context)  # never built: the rail's badge must work without
    qtbot.addWidget(page)
    said = Said(context)
    badges = []
    page.badge_changed.connect(lambda: badges.append(page.badge()))
    context.open(project)
    qtbot.waitUntil(lambda: page.badge() == "● 12/32")
    assert context.jobs.running is not None and context.jobs.running.detail == "step 12/32"
    assert context.jobs.running.progress == pytest.approx(12 / 32)
    stories.write(project, run, [stories.step_done(13), stories.step_done(14)])
    qtbot.waitUntil(lambda: page.badge() == "● 14/32")
    assert context.jobs.running.time_left_s > 0
    page.ensure_built()
    page.resize(1280, 800)
    page.show()
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    assert page.view is not None and page.view.stop_button.isVisible()

    qtbot.mouseClick(page.view.pause_button, Qt.MouseButton.LeftButton)
    assert training.asked(folder) == "pause" and page.badge() == "‖ 14/32"
    assert page.view.pause_button.text() == "Go on"
    qtbot.keyClick(page, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert training.asked(folder) == "run"
    context.jobs.cancel(context.jobs.running)
    assert training.asked(folder) == "stop" and not page.view.pause_button.isEnabled()

    stories.write(
        project, run, [*stories.answers(project, run, "after"), events.RunDone("stopped", 14, 9.0, "adapter")]
    )
    live.let_go(folder)
    qtbot.waitUntil(lambda: context.jobs.jobs == [])
    assert page.badge() == "" and page.view.tabs.currentIndex() == 1
    assert said.messages == [], "the page is looked at, and says it"
    assert "stopped after 14 steps" in page.view.ending_label.text()
    context.open(None)


def test_an_adapter_becomes_a_policy_exactly_once(qtbot, open_page, project):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    assert page.said.policies_changed == 1, "a run that ended while the window was closed is adopted on opening"
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    page.context.open(Project.open(project.folder))
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    trained = [p for p in policies.all_policies(page.context.project) if p.adapter]
    assert [(p.name, p.round) for p in trained] == [("starter + Run 1", 1)]
    assert page.said.policies_changed == 1
    qtbot.mouseClick(page.view.round_button, Qt.MouseButton.LeftButton)
    assert page.stack.currentWidget() is page.setup and page.setup.policy_id() == trained[0].id
    assert page.setup.policy_note.isVisible()


def test_the_run_that_was_looked_at_is_there_again_in_the_next_window(qtbot, open_page, project):
    first, second = stories.new_run(project), stories.new_run(project)
    for run in (first, second):
        stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    assert page.stack.currentWidget() is page.setup, "nothing was looked at yet"
    page.show_run(first.id)
    again = open_page(Project.open(project.folder))
    assert again.stack.currentWidget() is again.view and again.view.title.text() == first.name
    qtbot.keyClick(again, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    last = open_page(Project.open(project.folder))
    assert last.stack.currentWidget() is last.setup, "the form was shown last"


def test_a_run_without_its_adapter_makes_no_policy(open_page, project):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run), adapter=False)
    page = open_page(project)
    assert page.said.policies_changed == 0
    assert all(p.adapter is None for p in policies.all_policies(project))


def test_a_file_that_was_cut_back_is_read_from_its_start(qtbot, open_page, project, live):
    run = stories.new_run(project)
    folder = stories.write(project, run, stories.story(project, run, upto=12, done=""))
    live(folder)
    page = open_page(project)
    qtbot.waitUntil(lambda: page.badge() == "● 12/32")
    path = folder / training.EVENTS_FILE
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    keep = next(i for i, line in enumerate(lines) if '"step": 10' in line and "CheckpointSaved" in line) + 1
    path.write_text("".join(lines[:keep]), encoding="utf-8")
    qtbot.waitUntil(lambda: page.badge() == "● 10/32")
    stories.write(project, run, [stories.started(first_step=10), events.StepDone(11, 1.0, {"loss": 7.0})])
    qtbot.waitUntil(lambda: page.badge() == "● 11/32")
    x, y = shown_points(page, "loss", "loss", "train")
    assert x == list(range(1, 12)) and y[-1] == 7.0


def test_a_run_waits_while_another_job_has_the_accelerator(qtbot, open_page, project):
    class Busy(Job):
        def start(self) -> None:
            pass

    page = open_page(project)
    busy = Busy("generating")
    page.context.jobs.submit(busy)
    qtbot.mouseClick(page.setup.train_button, Qt.MouseButton.LeftButton)
    (run,) = runs.all_runs(project)
    assert page.badge() == "queued" and page.view.progress_label.text() == "waits until the other job is done"
    assert not (project.folder / run.folder / "worker.log").exists()
    page.context.jobs.cancel(page.context.jobs.jobs[1])
    assert page.badge() == ""
    qtbot.waitUntil(lambda: page.view.resume_button.isVisible())
    assert page.view.resume_button.text() == "Start"


def test_closing_the_project_lets_the_run_go_on(qtbot, open_page, project, live):
    run = stories.new_run(project)
    folder = stories.write(project, run, stories.story(project, run, upto=3, done=""))
    live(folder)
    page = open_page(project)
    qtbot.waitUntil(lambda: page.badge() == "● 3/32")
    page.context.open(None)
    assert page.badge() == "" and page.context.jobs.jobs == []
    assert training.asked(folder) == "run" and training.is_alive(folder)
    assert page.stack.currentWidget() is page.setup


def test_a_run_started_elsewhere_is_followed_when_the_page_is_shown(qtbot, open_page, project, live):
    page = open_page(project)
    page.hide()
    run = stories.new_run(project)
    live(stories.write(project, run, stories.story(project, run, upto=7, done="")))
    assert page.badge() == ""
    page.show()
    qtbot.waitUntil(lambda: page.badge() == "● 7/32")

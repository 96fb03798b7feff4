"""Merging another copy in the window, with the real command in its process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompts, rankings
from dpo_studio.store import merging as store_merging
from dpo_studio.ui.context import Context
from dpo_studio.ui.job_board import Job, JobBoard
from dpo_studio.ui.main_window import MainWindow
from dpo_studio.ui.merge_job import TOO_LATE, MergeJob
from dpo_studio.ui.merging import Merging
from dpo_studio.ui.settings_store import SettingsStore
from dpo_studio.ui.settling import Settling
from tests.groups import add_group

LONG_MS = 60_000


def label(project: Project, place: int, annotator: str = "") -> None:
    group = completions.recent_groups(project)[place]
    rankings.add(project, group, ranks=[1, 2], annotator=annotator or None)


@pytest.fixture
def two(tmp_path):
    """A project and its copy, with two comparisons to label."""
    with Project.create(tmp_path / "here") as project:
        for number in range(2):
            add_group(project, f"Question {number}?", ("a", "b"))
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    return tmp_path / "here", tmp_path / "there"


@pytest.fixture
def merging(qtbot, two):
    context = Context()
    context.open(Project.open(two[0]))
    window = QWidget()
    window.resize(900, 600)
    qtbot.addWidget(window)
    window.show()
    made = Merging(context, QAction("Merge"), window)
    made.said = []
    context.message.connect(lambda text, level: made.said.append((text, level)))
    yield made
    made.commands.close()
    context.open(None)


def context_of(merging):
    return merging._context


def test_what_the_other_copy_holds_comes_in_and_every_page_hears_of_it(qtbot, merging, two, monkeypatch):
    with Project.open(two[1]) as there:
        prompts.add(there, [Message("user", "One more?")])
        label(there, 0, "Ben")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(two[1]))
    heard = []
    for name in ("prompts", "groups", "rankings", "policies"):
        getattr(context_of(merging), f"{name}_changed").connect(lambda name=name: heard.append(name))
    merging.ask()
    assert not merging._action.isEnabled()
    qtbot.waitUntil(lambda: len(merging.said) == 2, timeout=LONG_MS)
    assert merging.said[1] == ("Merged 1 judgement and 1 new prompt.", "info")
    assert sorted(heard) == ["groups", "policies", "prompts", "rankings"]
    assert prompts.count(context_of(merging).project) == 3 and merging._action.isEnabled()
    assert [r.annotator for _, r in rankings.labelled(context_of(merging).project)] == ["Ben"]
    merging.ask()
    qtbot.waitUntil(lambda: len(merging.said) == 4, timeout=LONG_MS)
    assert merging.said[3][0] == "Nothing was new: everything that copy holds is here already."


@pytest.mark.parametrize("answer", ["a name", "mine"])
def test_labels_of_one_name_are_asked_about(qtbot, merging, two, answer):
    project = context_of(merging).project
    label(project, 0)
    with Project.open(two[1]) as there:
        label(there, 1)
    merging.merge(two[1])
    qtbot.waitUntil(lambda: merging.question is not None and merging.question.isVisible(), timeout=LONG_MS)
    question = merging.question
    assert "“me”" in question.told.text() and not question.merge_button.isEnabled()
    assert rankings.counts(project).done == 1
    if answer == "mine":
        question.mine_button.click()
    else:
        question.field.setText(" Ben ")
        QTest.keyClick(question.field, Qt.Key.Key_Return)
    assert question.isHidden()
    qtbot.waitUntil(lambda: merging.said[-1][0].startswith("Merged"), timeout=LONG_MS)
    assert sorted(r.annotator for _, r in rankings.labelled(project)) == (
        ["me", "me"] if answer == "mine" else ["Ben", "me"]
    )


def test_what_is_no_copy_is_told_in_a_sentence(qtbot, merging, tmp_path):
    (tmp_path / "empty").mkdir()
    merging.merge(tmp_path / "empty")
    qtbot.waitUntil(lambda: merging.said[-1][1] == "error", timeout=LONG_MS)
    assert "is not a DPO Studio project" in merging.said[-1][0]
    merging.merge(Path(context_of(merging).project.folder))
    qtbot.waitUntil(lambda: "same project" in merging.said[-1][0], timeout=LONG_MS)


def test_the_question_can_be_left_and_nothing_is_merged(qtbot, merging, two):
    label(context_of(merging).project, 0)
    with Project.open(two[1]) as there:
        label(there, 1)
    merging.merge(two[1])
    qtbot.waitUntil(lambda: merging.question is not None and merging.question.isVisible(), timeout=LONG_MS)
    QTest.keyClick(merging.question.field, Qt.Key.Key_Escape)
    assert merging.question.isHidden() and merging._action.isEnabled()
    assert len(rankings.labelled(context_of(merging).project)) == 1


def test_it_is_in_the_menu_while_a_project_is_open(qtbot, two):
    window = MainWindow(SettingsStore(), page_sources=())
    qtbot.addWidget(window)
    assert not window.menus.merge.isEnabled()
    window.open_project(two[0])
    assert window.menus.merge.isEnabled() and window.menus.merge in window.menus.all_actions()
    window.close_project()
    assert not window.menus.merge.isEnabled()


def test_a_merge_is_a_job_that_runs_beside_a_model_and_can_be_ended(qtbot, merging, two):
    class Training(Job):
        def start(self):
            pass

    board = context_of(merging).jobs
    training = Training("training")
    board.submit(training)
    with Project.open(two[1]) as there:
        label(there, 0, "Ben")
    merging.merge(two[1])
    (job,) = [one for one in board.jobs if one is not training]
    assert job.state == "running" and board.running is training
    assert job.stop_means == "Stop, and merge nothing"
    board.cancel(job)
    qtbot.waitUntil(lambda: len(merging.said) == 2, timeout=LONG_MS)
    assert merging.said[1] == ("Merging was stopped: nothing was merged.", "info")
    assert board.jobs == [training] and merging._action.isEnabled()
    assert rankings.labelled(context_of(merging).project) == []
    training.finish()
    merging.merge(two[1])
    qtbot.waitUntil(lambda: len(merging.said) == 4, timeout=LONG_MS)
    assert merging.said[3][0] == "Merged 1 judgement."


def test_once_it_is_written_it_cannot_be_ended_and_is_finished_whatever_happens(qtbot, merging, two):
    """The button says so; and where the command dies then, the window has the rest written."""
    context = context_of(merging)
    with Project.open(two[1]) as there:
        label(there, 0, "Ben")

    def told(share, doing):
        if doing.startswith("writing"):
            raise KeyboardInterrupt

    merging.merge(two[1])
    (job,) = context.jobs.jobs
    job._on_heard({"progress": 0.3, "doing": "writing what is new"})
    assert job.stop_means == TOO_LATE
    context.jobs.cancel(job)
    qtbot.waitUntil(lambda: len(merging.said) == 2, timeout=LONG_MS)
    assert merging.said[1][0] == "Merged 1 judgement."
    with Project.open(two[1]) as there:
        label(there, 1, "Ben")
    with Project.open(two[0]) as here, pytest.raises(KeyboardInterrupt):
        store_merging.merge(here, two[1], told=told)
    Settling(context, merging)
    died = MergeJob(merging.commands, two[0], two[1])
    died.problem, died.cancelled, merging._into = UserError("It died."), True, two[0]
    merging._on_ended(died)
    assert "too late to stop" in merging.said[-1][0]
    qtbot.waitUntil(lambda: merging.said[-1][0] == "All of it is added now.", timeout=LONG_MS)
    assert [r.annotator for _, r in rankings.labelled(context.project)] == ["Ben", "Ben"]


def test_jobs_that_need_the_accelerator_still_wait_for_one_another(qtbot):
    class Some(Job):
        def start(self):
            pass

    class Beside(Some):
        needs_accelerator = False

    board = JobBoard()
    first, second, beside = Some("first"), Some("second"), Beside("beside")
    for job in (first, second, beside):
        board.submit(job)
    assert [job.state for job in (first, second, beside)] == ["running", "waiting", "running"]
    beside.finish()
    assert second.state == "waiting"
    first.finish()
    assert second.state == "running" and board.jobs == [second]

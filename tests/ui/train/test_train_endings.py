"""How a run that did not reach its end is told, and goes on."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from dpo_studio.core import events
from dpo_studio.jobs import training
from tests.ui.train import stories


def test_a_worker_that_dies_leaves_a_sentence_and_resume(qtbot, open_page, project, live, monkeypatch):
    run = stories.new_run(project)
    folder = stories.write(project, run, stories.story(project, run, upto=12, done=""))
    (folder / "worker.log").write_text("Killed by a power cut\n", encoding="utf-8")
    live(folder)
    page = open_page(project)
    qtbot.waitUntil(lambda: page.badge() == "● 12/32")
    live.let_go(folder)
    qtbot.waitUntil(lambda: page.view.resume_button.isVisible())
    assert "interrupted" in page.view.ending_label.text()
    assert page.said.messages[-1][0] == "error"
    qtbot.mouseClick(page.view.details_button, Qt.MouseButton.LeftButton)
    assert "Killed by a power cut" in QGuiApplication.clipboard().text()

    def start(run_folder: Path) -> None:
        live(run_folder)
        raise_nothing.append(run_folder)
        from dpo_studio.core.errors import UserError

        raise UserError("It is running already.")

    raise_nothing: list[Path] = []
    monkeypatch.setattr(training, "start", start)
    qtbot.mouseClick(page.view.resume_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.badge() == "● 12/32")
    assert raise_nothing == [folder]
    assert page.view.stop_button.isVisible() and not page.view.resume_button.isVisible()


def test_a_failed_run_says_why(qtbot, open_page, project):
    run = stories.new_run(project)
    said = stories.story(project, run, upto=5, done="")
    stories.write(project, run, [*said, events.Failed("The disk is full.", "Free some space, then resume.", "trace")])
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    text = page.view.ending_label.text()
    assert text == "Run 1 could not go on. The disk is full. Free some space, then resume."
    page.view.copy_details()
    assert "trace" in QGuiApplication.clipboard().text()
    assert page.view.resume_button.isVisible()

"""How a run that did not reach its end is told, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from dpo_studio.core import events
from dpo_studio.jobs import training
from dpo_studio.store import policies, runs
from dpo_studio.ui.train import readings
from dpo_studio.ui.train.feed import RunFeed
from dpo_studio.ui.train.notes import NotesPanel
from dpo_studio.ui.train.numbers import NumbersStrip
from dpo_studio.ui.train.record import RunRecord
from dpo_studio.ui.train.run_view import progress_text
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
    assert page.said.messages == [], "the sentence stands on the page already"
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


DIVERGED = "Training stopped at step 6: its numbers are not finite any more. What it had learnt by step 4 is kept."


@pytest.mark.parametrize("kept", ["adapter", ""])
def test_a_run_whose_numbers_ran_away_offers_a_lower_rate_and_not_the_same_again(
    qtbot, open_page, project, monkeypatch, kept
):
    run = stories.new_run(project, learning_rate=3e-3, epochs=7, method="dpo", max_kl=0.0)
    said = stories.story(project, run, upto=5, done="")
    failed = events.Failed(DIVERGED, "Train again with a lower learning rate.", diverged=True, kept=kept)
    folder = stories.write(project, run, [*said, failed])
    if kept:
        (folder / kept).mkdir()
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    assert page.view.ending_label.text().endswith("Train again with a lower learning rate.")
    assert not page.view.resume_button.isVisible() and not page.view.can_resume
    assert page.view.generate_button.isVisible() == bool(kept), "what is kept can be used"
    assert [policy.adapter for policy in policies.all_policies(project)][1:] == ([f"{run.folder}/{kept}"] * bool(kept))

    qtbot.mouseClick(page.view.slower_button, Qt.MouseButton.LeftButton)
    assert page.stack.currentWidget() is page.setup and page.setup.train_button.hasFocus()
    settings = page.setup.settings()
    assert (settings.learning_rate, settings.epochs, settings.method, settings.max_kl) == (1e-3, 7, "dpo", 0.0)
    assert page.setup.policy_id() == run.policy_id
    assert page.setup.reason.isVisible()
    assert "the learning rate is 0.001 here, a third of its 0.003" in page.setup.reason.text()
    monkeypatch.setattr(training, "start", lambda run_folder: None)
    qtbot.mouseClick(page.setup.train_button, Qt.MouseButton.LeftButton)
    assert runs.all_runs(project)[-1].settings["learning_rate"] == 1e-3
    page.show_run(None)
    assert not page.setup.reason.isVisible(), "it was about that run"


@pytest.mark.parametrize(("done", "level"), [("finished", "info"), ("", "error")])
def test_an_ending_is_said_to_whoever_does_not_see_it(qtbot, open_page, project, live, done, level):
    run = stories.new_run(project)
    folder = stories.write(project, run, stories.story(project, run, upto=12, done=""))
    live(folder)
    page = open_page(project)
    qtbot.waitUntil(lambda: page.badge() == "● 12/32")
    page.show_run(None)
    if done:
        stories.write(project, run, [events.RunDone(done, 12, 63.0, "adapter", {})])
    live.let_go(folder)
    qtbot.waitUntil(lambda: bool(page.said.messages))
    ((said, text),) = page.said.messages
    assert said == level
    assert text.startswith("Run 1 is trained: 12 steps." if done else "Training was interrupted")


def test_a_run_says_what_it_does_before_its_first_step(open_page, project, live):
    run = stories.new_run(project)
    feed = RunFeed(run.id, run.name, project.folder / run.folder, lives=True)
    feed.begun = True
    told = []

    def hear(*said: events.Event) -> None:
        feed.record.add(said)
        told.append(progress_text(feed, waiting=False))

    before = [event for event in stories.story(project, run) if isinstance(event, events.AnswerSampled)]
    hear(events.ModelLoading("starter", "loading the weights"))
    hear(stories.started())
    hear(events.ModelLoading("starter", "scoring the answers with the starting model"))
    hear(before[0], stories.evaluated(0))
    feed.asked = "pause"
    hear(events.Sampled(0, {"kl": 0.0}))
    hear(stories.step_done(1))
    assert told == [
        "loading the weights",
        "answering the sample prompts before training",
        "scoring the answers with the starting model",
        "measuring it before training",
        "paused before the first step",
        "step 1 of 32 · paused",
    ]


@pytest.mark.parametrize("steps", [12, 32])
def test_no_time_is_left_once_the_last_step_is_done(project, monkeypatch, steps):
    run = stories.new_run(project)
    feed = RunFeed(run.id, run.name, project.folder / run.folder, lives=True)
    feed.begun = True
    clock = iter(range(100, 1000, 10))
    monkeypatch.setattr("dpo_studio.ui.train.feed.time.monotonic", lambda: next(clock))
    feed._on_events([stories.started(steps=steps)], False)
    for step in (10, 11):
        feed._on_events([stories.step_done(step)], False)
    assert feed.time_left_s() == 10 * (steps - 11)
    assert progress_text(feed, waiting=False).endswith(" left")
    drifted = [events.Notice("drifted", "Past the bound.")] if steps > 12 else []
    feed._on_events([stories.step_done(12), *drifted], False)
    assert feed.time_left_s() is None
    assert progress_text(feed, waiting=False) == f"step 12 of {steps} · saving it and answering the sample prompts"


def test_the_numbers_are_those_of_the_step_that_is_kept(qtbot):
    """Not of the last one, which is past the bound and gone."""
    record = RunRecord()
    record.add([events.StepDone(step, step / 4, {"accuracy": step / 10, "loss": 1.0 / step}) for step in (1, 2, 3, 4)])
    strip = NumbersStrip()
    qtbot.addWidget(strip)
    shown = strip.findChildren(QLabel)
    strip.show_record(record)
    assert "40%" in [label.text() for label in shown]
    record.add([events.RunDone("drifted", 4, 9.0, "adapter", kept_step=2)])
    strip.show_record(record)
    texts = [label.text() for label in shown]
    assert "20%" in texts and "40%" not in texts


def test_the_notes_are_about_the_step_that_is_kept():
    """The last one drifted and was let go; what was no number after the kept step is told all the same."""
    record = RunRecord()
    for step in range(1, 9):
        record.add([events.StepDone(step, step / 8, {"loss": None if step == 7 else 0.5, "margin": 1.0})])
        record.add([events.Sampled(step, {"kl": 3.0 * step})])

    def codes():
        found = readings.read(record.train, record.held_out, record.fresh, steps=32, beta=0.1, kept=record.kept_step)
        return [(reading.code, reading.step) for reading in found]

    assert codes() == [("not_finite", 7), ("drifted", 8)]
    record.add([events.RunDone("drifted", 8, 9.0, "adapter", kept_step=3)])
    assert record.kept_step == 3 and codes() == [("not_finite", 7)]
    record.add([events.RunDone("drifted", 8, 9.0, "adapter", kept_step=5)])
    assert codes() == [("not_finite", 7), ("drifted", 5)]
    record.add([events.RunDone("done", 8, 9.0, "adapter", kept_step=8)])
    assert record.kept_step == 0 and codes() == [("not_finite", 7), ("drifted", 8)]


def test_the_notes_say_of_which_step_they_are(qtbot, project):
    record = RunRecord()
    record.add([events.StepDone(step, step / 4, {"loss": 0.5}) for step in (1, 2, 3, 4)])
    record.add([events.RunDone("drifted", 4, 9.0, "adapter", kept_step=2)])
    panel = NotesPanel()
    qtbot.addWidget(panel)
    run = stories.new_run(project)
    panel.show_run(run, record, [readings.Reading("far", "rewards", 2, "It moved far.", "Read the answers.")])
    told = [label.text() for label in panel.findChildren(QLabel)]
    assert told[:2] == ["About step 2, which was kept; the curves go on to step 4.", "It moved far."]


def test_a_run_that_made_no_step_offers_nothing_that_it_learnt(qtbot, open_page, project):
    run = stories.new_run(project)
    said = [stories.started(), events.RunDone("stopped", 0, 5.0, "")]
    stories.write(project, run, said, adapter=False)
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    assert "before its first step" in page.view.ending_label.text()
    for button in (page.view.generate_button, page.view.export_button, page.view.round_button):
        assert not button.isVisible()
    assert page.said.policies_changed == 0

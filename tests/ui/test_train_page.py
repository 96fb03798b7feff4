"""The Train page driven as a person would, on runs whose events were written as a worker writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from dpo_studio.core import events
from dpo_studio.core.methods import METHODS
from dpo_studio.core.settings import with_method
from dpo_studio.jobs import training
from dpo_studio.store import Project, policies, prompts, runs
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.job_board import Job
from dpo_studio.ui.train.fields import METHOD_FIELDS
from dpo_studio.ui.train.page import TrainPage
from tests.ui import train_stories as stories


class Said:
    """What the page told the window."""

    def __init__(self, context: Context) -> None:
        self.messages: list[tuple[str, str]] = []
        self.pages: list[str] = []
        self.policies_changed = 0
        context.message.connect(lambda text, level: self.messages.append((level, text)))
        context.page_wanted.connect(self.pages.append)
        context.policies_changed.connect(self._count)

    def _count(self) -> None:
        self.policies_changed += 1


@pytest.fixture
def project(tmp_path) -> Project:
    return stories.project_with_labels(tmp_path / "project", rankings_count=6, held_out=2, ties=1)


@pytest.fixture
def open_page(qtbot, light):
    """Opens a page on a project and shows it; what was followed is let go of at the end."""
    contexts = []

    def opened(project: Project | None) -> TrainPage:
        context = Context()
        page = TrainPage(context)
        page.said = Said(context)
        qtbot.addWidget(page)
        contexts.append((context, page))
        if project is not None:
            context.open(project)
        page.ensure_built()
        page.resize(1280, 800)
        page.show()
        page.activateWindow()
        qtbot.waitUntil(page.isActiveWindow)
        return page

    yield opened
    for context, _page in contexts:
        context.open(None)


@pytest.fixture
def live(monkeypatch):
    """Runs that seem to be trained: the lock is held here, and starting a worker only notes the wish."""
    held = {}

    def hold(folder: Path) -> None:
        held[folder] = training.lock(folder)
        held[folder].acquire()

    def let_go(folder: Path) -> None:
        held.pop(folder).release()

    hold.let_go = let_go
    yield hold
    for lock in held.values():
        lock.release()


def shown_points(page: TrainPage, key: str, metric: str, source: str) -> tuple[list[float], list[float]]:
    page.view.curves._repaint()
    card = page.view.curves.cards[key]
    line = next(line for line in card.spec.lines if (line.metric, line.source) == (metric, source))
    x, y = card._lines[line].getOriginalDataset()
    return ([], []) if x is None else (list(x), list(y))


def test_without_labels_there_is_a_sentence_and_a_way_out(qtbot, open_page, tmp_path):
    page = open_page(Project.create(tmp_path / "empty"))
    assert page.setup.empty_frame.isVisible() and not page.setup.form_frame.isVisible()
    qtbot.mouseClick(page.setup.empty_button, Qt.MouseButton.LeftButton)
    assert page.said.pages == ["label"]
    assert page.badge() == ""


def test_all_ties_says_so(open_page, tmp_path):
    page = open_page(stories.project_with_labels(tmp_path / "ties", rankings_count=0, held_out=0, ties=3))
    assert "All 3 rankings are ties" in page.setup.empty_label.text()
    page.setup.ask_to_train()
    assert runs.all_runs(page.context.project) == []


def test_the_form_says_what_trains_and_why(open_page, project):
    page = open_page(project)
    assert page.setup.data_label.text().startswith("6 rankings train it, 2 are held out")
    settings = page.setup.settings()
    # Six rankings in steps of two are three steps a pass: fourteen passes are the fewest with forty steps.
    assert (settings.method, settings.epochs, settings.batch_groups) == ("pl_dpo", 14, 2)
    assert "14 passes over 6 rankings: 42 steps" in page.setup.estimate.text()
    assert "fewer than 40 move a model little" in page.setup.reasons.text()


def test_new_labels_renew_the_recommendation_but_not_what_was_typed(open_page, project):
    page = open_page(project)
    page.setup.advanced.fields["beta"].setText("0.25")
    for prompt in [p for p in prompts.all_prompts(project) if p.held_out]:
        prompts.set_held_out(project, prompt.id, False)
    page.context.rankings_changed.emit()
    settings = page.setup.settings()
    assert page.setup.data_label.text().startswith("8 rankings train it")
    assert settings.beta == 0.25
    assert "beta" in page.setup.changes.text()
    page.setup.reset_button.click()
    assert page.setup.settings().beta == 0.3 and not page.setup.changes.isVisible()


def test_problems_stand_at_their_fields_and_nothing_starts(qtbot, open_page, project):
    page = open_page(project)
    page.setup.advanced.fields["learning_rate"].setText("fast")
    page.setup.advanced.fields["epochs"].setText("0")
    page.setup.advanced.fields["lora_rank"].setText("2.5")
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    problems = page.setup.advanced.problems
    assert page.setup.advanced_card.isVisible()
    assert problems["learning_rate"].text() == "Learning rate needs a number, not 'fast'."
    assert problems["epochs"].text() == "Passes is 0; it can be from 1 to 1000."
    assert problems["lora_rank"].text() == "Rank needs a whole number, not '2.5'."
    assert problems["beta"].text() == "" and not problems["beta"].isVisible()
    assert page.setup.advanced.fields["epochs"].property("invalid") is True
    assert runs.all_runs(project) == []
    page.setup.reset()
    assert not any(label.text() for label in problems.values())


def test_the_method_decides_which_fields_there_are(open_page, project):
    page = open_page(project)
    page.setup.disclosure.setChecked(True)
    fields = page.setup.advanced.fields
    assert fields["stage_reduction"].isVisible() and not fields["label_smoothing"].isVisible()
    fields["label_smoothing"].setText("nonsense")
    assert page.setup.settings().label_smoothing == 0.0, "a field that is not shown does not stop the run"
    fields["label_smoothing"].setText("0.1")
    page.setup.choice.buttons["dpo"].click()
    assert not fields["stage_reduction"].isVisible() and fields["label_smoothing"].isVisible()
    settings = page.setup.settings()
    assert (settings.method, settings.label_smoothing) == ("dpo", 0.1)


def test_another_method_brings_its_words_its_defaults_and_its_fields(qtbot, open_page, project):
    page = open_page(project)
    choice, fields = page.setup.choice, page.setup.advanced.fields
    page.setup.disclosure.setChecked(True)
    assert {choice.others.itemData(n) for n in range(choice.others.count())} | {"pl_dpo", "dpo"} == set(METHODS)
    choice.others.setCurrentIndex(choice.others.findData("hinge"))
    choice.others.activated.emit(choice.others.currentIndex())
    assert choice.buttons["other"].isChecked() and METHODS["hinge"].sentence in choice.others_note.text()
    assert (page.setup.settings().method, page.setup.settings().beta) == ("hinge", 0.05)
    assert "method" in page.setup.changes.text() and "beta" not in page.setup.changes.text()
    strength = fields["strength_use"]
    assert [strength.itemData(n) for n in range(strength.count())] == ["off", "margin", "weight"]
    assert not fields["strength_alpha"].isVisible()
    strength.setCurrentIndex(strength.findData("margin"))
    assert fields["strength_alpha"].isVisible() and page.setup.settings().strength_use == "margin"
    choice.buttons["pl_dpo"].click()
    settings = page.setup.settings()
    assert (settings.method, settings.beta, settings.strength_use) == ("pl_dpo", 0.3, "off")
    assert not choice.others_note.isVisible() and not fields["strength_alpha"].isVisible()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_trained_as_the_page_shows_it(open_page, project, method):
    page = open_page(project)
    page.setup.choice.set_method(method)
    page.setup.choice.chosen.emit()
    settings = page.setup.settings()
    assert settings == with_method(page.setup._recommendation.settings, method)
    shown = {field.name for field in METHOD_FIELDS if not page.setup.advanced.fields[field.name].isHidden()}
    assert shown == set(METHODS[method].uses) - {"strength_alpha"}
    ties = 1 if METHODS[method].reads_ties else 0
    assert page.setup.data_label.text().startswith(f"{6 + ties} rankings train it")


def test_a_method_that_cannot_use_the_rankings_says_so_and_does_not_train(open_page, tmp_path):
    project = stories.project_with_labels(tmp_path / "one", rankings_count=1, held_out=0, ties=0)
    page = open_page(project)
    page.setup.choice.set_method("kto")
    page.setup.choice.chosen.emit()
    assert page.setup.choice.problem.isVisible() and "2 different prompts" in page.setup.choice.problem.text()
    assert "cannot use these rankings" in page.setup.estimate.text()
    page.setup.ask_to_train()
    assert runs.all_runs(project) == []
    page.setup.choice.buttons["dpo"].click()
    assert not page.setup.choice.problem.isVisible()


def test_a_finished_run_reloads_with_every_point(qtbot, open_page, project):
    run = stories.new_run(project)
    said = stories.story(project, run)
    stories.write(project, run, said)
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    for key, metric in (("loss", "loss"), ("rewards", "reward_best"), ("rewards", "reward_worst"),
                        ("margin", "margin"), ("accuracy", "accuracy")):  # fmt: skip
        for source, kind in (("train", events.StepDone), ("held_out", events.Evaluated)):
            x, y = shown_points(page, key, metric, source)
            expected = [(event.step, event.metrics[metric]) for event in said if isinstance(event, kind)]
            assert list(zip(x, y, strict=True)) == expected, (key, metric, source)
    assert page.view.tabs.currentIndex() == 0, "an old run opens on its curves"
    assert "is trained: 32 steps" in page.view.ending_label.text()
    assert page.view.generate_button.isVisible() and not page.view.pause_button.isVisible()
    qtbot.mouseClick(page.view.generate_button, Qt.MouseButton.LeftButton)
    assert page.said.pages == ["generate"]


def test_a_metric_that_was_not_finite_is_a_gap_in_the_curve(qtbot, open_page, project):
    run = stories.new_run(project)
    said = stories.story(project, run, upto=6, done="")
    said.insert(-2, events.StepDone(5, 0.5, {"loss": float("nan")}))
    stories.write(project, run, [stories.started(), *(events.StepDone(s, 0.1, {"loss": v}) for s, v in
                                                      [(1, 1.0), (2, float("nan")), (3, 0.8)])])  # fmt: skip
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    x, y = shown_points(page, "loss", "loss", "train")
    assert x == [1, 2, 3]
    np.testing.assert_array_equal(y, [1.0, np.nan, 0.8])


def test_the_whole_model_can_be_chosen_and_has_a_rate_of_its_own(qtbot, open_page, project):
    from dpo_studio.core.recommended import recommend

    page = open_page(project)
    setup = page.setup
    assert setup.settings().trains == "lora"
    qtbot.mouseClick(setup.trains.buttons["full"], Qt.MouseButton.LeftButton)
    settings = setup.settings()
    assert settings.trains == "full"
    assert settings.learning_rate == recommend(6, trains="full").settings.learning_rate < 5e-5
    assert "what is trained" in setup.changes.text()
    setup.disclosure.setChecked(True)
    assert not setup.advanced.fields["lora_rank"].isVisible() and setup.advanced.fields["beta"].isVisible()
    setup.reset()
    assert setup.settings().trains == "lora"
    assert setup.settings().learning_rate == recommend(6).settings.learning_rate


def test_before_and_after_stand_side_by_side(qtbot, open_page, project):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    rows = page.view.answers._rows
    assert len(rows) == 4
    row = next(iter(rows.values()))
    assert "The Quiet Tide" in row._views["before"].toPlainText()
    after = row._views["after"].toPlainText()
    assert "Low Tide, Salt & Crumb." in after and "[picture: x]" in after
    assert row._notes["before"].text() == "cut off"
    assert "café by the sea" in row.findChildren(type(page.view.title))[0].text()
    assert [row._steps.itemText(n) for n in range(row._steps.count())] == ["step 8", "step 16", "step 24", "step 32"]
    assert "number 32" in row._fresh.toPlainText() and not row.fresh_frame.isHidden()
    row._steps.setCurrentIndex(1)
    assert "number 16" in row._fresh.toPlainText()
    row.show_answers({**next(iter(page.view.feed.record.answers.values()))})
    assert "number 16" in row._fresh.toPlainText()


def test_an_answer_loads_nothing_from_this_disk_or_the_web(qtbot, light, tmp_path):
    from PySide6.QtGui import QColor, QImage, QTextDocument

    from dpo_studio.ui.train.before_after import AnswerView

    picture = tmp_path / "secret.png"
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    assert image.save(str(picture))
    view = AnswerView("an answer")
    qtbot.addWidget(view)
    view.show_answer(f"![a]({picture})\n\n![b][r]\n\n<img src='{picture}'>\n\n[r]: file://{picture}\n")
    view.resize(300, 200)
    view.show()
    for name in (str(picture), f"file://{picture}", "https://example.org/x.png"):
        loaded = view.document().resource(QTextDocument.ResourceType.ImageResource.value, name)
        assert loaded is None or loaded.width() <= 1
    pixels = view.grab().toImage()
    red = sum(pixels.pixelColor(x, y) == QColor("red") for x in range(pixels.width()) for y in range(pixels.height()))
    assert red == 0
    assert view.openLinks() is False


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
    assert [level for level, _ in said.messages] == ["info"]
    assert "stopped after 14 steps" in said.messages[0][1]
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


def test_other_runs_are_drawn_behind_dashed(qtbot, open_page, project):
    first, second = stories.new_run(project), stories.new_run(project)
    for run in (first, second):
        stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(second.id)
    (action,) = page.view.curves._menu.actions()
    assert action.text() == "Run 1"
    action.setChecked(True)
    qtbot.waitUntil(lambda: first.id in page.follower.feeds and page.follower.feeds[first.id].outcome is not None)
    page.view.curves._repaint()
    overlays = page.view.curves.cards["loss"]._overlays
    assert [len(item.getOriginalDataset()[0]) for item in overlays] == [32, 9]
    assert overlays[0].opts["pen"].style() == Qt.PenStyle.DashLine
    action.setChecked(False)
    page.view.curves._repaint()
    assert page.view.curves.cards["loss"]._overlays == []


def test_zoom_hover_smoothing_and_reset(qtbot, open_page, project):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    curves = page.view.curves
    curves._repaint()
    box = curves.cards["loss"].widget.getViewBox()
    whole = box.viewRange()[0]
    box.setXRange(4, 8, padding=0)
    box.sigRangeChangedManually.emit([True, True])
    curves._repaint()
    assert box.viewRange()[0] == pytest.approx([4, 8]), "a repaint does not undo the zoom"
    assert curves.cards["margin"].widget.getViewBox().viewRange()[0] == pytest.approx([4, 8], abs=0.5)
    qtbot.mouseClick(curves._reset, Qt.MouseButton.LeftButton)
    assert box.viewRange()[0] == pytest.approx(whole)

    curves.setFocus()
    qtbot.keyClick(curves, Qt.Key.Key_Right)
    qtbot.keyClick(curves, Qt.Key.Key_Left)
    assert "Step 31:" in curves.cards["loss"]._sentence.text()
    assert f"{stories.step_done(31).metrics['loss']:.3g}" in curves.cards["loss"]._sentence.text()
    qtbot.keyClick(curves, Qt.Key.Key_Escape)
    assert curves.cards["loss"]._sentence.text() == curves.cards["loss"].spec.sentence

    _, raw = shown_points(page, "loss", "loss", "train")
    curves.set_smoothing(0.9)
    _, smooth = shown_points(page, "loss", "loss", "train")
    assert smooth[0] == raw[0] and np.std(np.diff(smooth)) < np.std(np.diff(raw)) / 3


def test_fast_events_are_painted_at_most_twenty_times_a_second(qtbot, open_page, project, live):
    run = stories.new_run(project)
    folder = stories.write(project, run, [stories.started(steps=100_000)])
    live(folder)
    page = open_page(project)
    qtbot.waitUntil(lambda: page.view is not None and page.view.feed.record.steps == 100_000)
    before = page.view.curves.repaints
    for step in range(1, 201):
        page.view.feed._on_events([stories.step_done(step)], False)
        if step % 10 == 0:
            qtbot.wait(10)
    qtbot.wait(100)
    # 200 updates over at least 0.3 s; on a slow machine more time passes, so the bound is on the share.
    assert 1 <= page.view.curves.repaints - before <= 60
    assert len(shown_points(page, "loss", "loss", "train")[0]) == 200


def test_curves_are_saved_as_pictures_and_numbers(qtbot, open_page, project, tmp_path):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    for suffix in ("png", "svg", "csv"):
        page.view.curves.save(tmp_path / f"curves.{suffix}")
    from PySide6.QtGui import QImage

    image = QImage(str(tmp_path / "curves.png"))
    colours = {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert image.width() == 2560 and theme.current().series[1] in colours
    assert (tmp_path / "curves.svg").read_text(encoding="utf-8").count("<path") > 8
    rows = (tmp_path / "curves.csv").read_text(encoding="utf-8").splitlines()
    header = rows[0].split(",")
    assert header[0] == "step" and {"train_loss", "held_out_loss", "train_kendall_tau"} <= set(header)
    assert len(rows) == 1 + 33  # steps 0 (held out only) to 32
    step_four = dict(zip(header, rows[5].split(","), strict=True))
    assert float(step_four["train_loss"]) == stories.step_done(4).metrics["loss"]
    assert float(step_four["held_out_margin"]) == stories.evaluated(4).metrics["margin"]
    assert dict(zip(header, rows[1].split(","), strict=True))["train_loss"] == ""

    from dpo_studio.core.errors import UserError

    with pytest.raises(UserError, match=r"Use \.png"):
        page.view.curves.save(tmp_path / "curves.doc")
    with pytest.raises(UserError, match="could not be written"):
        page.view.curves.save(tmp_path / "nowhere" / "curves.csv")


def test_readings_stand_beside_their_curve(qtbot, open_page, project):
    run = stories.new_run(project)
    still = [events.StepDone(s, 0.1, {"loss": 1.0, "margin": 0.0}) for s in range(1, 21)]
    stories.write(project, run, [stories.started(), *still])
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.notes.count == 1)
    page.view.curves._repaint()
    assert "hardly more than the worst" in page.view.curves.cards["margin"]._note.text()
    assert page.view.curves.cards["loss"]._note.text() == ""


def test_the_look_follows_the_theme(qtbot, qapp, open_page, project):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    card = page.view.curves.cards["loss"]
    theme.apply(qapp, "dark")
    assert card.widget.backgroundBrush().color().name() == theme.DARK.card
    line = card.spec.lines[1]
    assert card._lines[line].opts["pen"].color().name() == theme.DARK.series[line.colour]


def test_every_control_has_a_name_and_is_reached_by_tab(qtbot, open_page, project):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider

    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.setup.disclosure.setChecked(True)
    for shown in (None, run.id):
        page.show_run(shown)
        qtbot.waitUntil(lambda: page.view is None or page.view.feed.outcome is not None)
        reached, widget = set(), page.list._list
        widget.setFocus()
        for _ in range(80):
            reached.add(page.focusWidget())
            qtbot.keyClick(page.focusWidget(), Qt.Key.Key_Tab)
        controls = [w for kind in (QAbstractButton, QComboBox, QLineEdit, QSlider) for w in page.findChildren(kind)]
        controls = [w for w in controls if w.isVisible() and w.isEnabled()]
        assert len(controls) >= 5
        for control in controls:
            name = control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")
            assert name, control
            # One tab stop each, arrows between them.
            alternatives = {*page.setup.choice.buttons.values(), *page.setup.trains.buttons.values()}
            assert control in reached or control in alternatives, name
    assert {action.text() for action in page.actions_for_palette()} >= {"Train or resume", "New training"}
    assert page.key_help()

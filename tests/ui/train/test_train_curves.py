"""The curves of a run: every point, zoom, values, smoothing, other runs, pictures of them."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core import events
from dpo_studio.ui import theme
from tests.ui.train import stories
from tests.ui.train.watching import shown_points


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
    wanted = []
    page.context.run_wanted.connect(lambda name, run: wanted.append((list(page.said.pages), name, run.uuid)))
    qtbot.mouseClick(page.view.generate_button, Qt.MouseButton.LeftButton)
    shown = page.follower.run(page._shown)
    assert wanted == [(["generate"], "generate", shown.uuid)], "the page is there, and is told of which run"


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


def test_lines_are_as_wide_on_a_screen_with_twice_as_many_dots(qtbot, open_page, project, monkeypatch):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(run.id)
    card = page.view.curves.cards["loss"]
    usual = [item.opts["pen"].widthF() for item in card._lines.values()]
    monkeypatch.setattr(type(card), "devicePixelRatioF", lambda self: 2.0)
    QApplication.sendEvent(card, QEvent(QEvent.Type.DevicePixelRatioChange))
    assert [item.opts["pen"].widthF() for item in card._lines.values()] == [2 * width for width in usual]


def test_an_empty_plot_has_no_numbers_at_its_side(qtbot, open_page, project, live):
    run = stories.new_run(project)
    folder = stories.write(project, run, [stories.started()])
    live(folder)
    page = open_page(project)
    qtbot.waitUntil(lambda: page.badge() == "● 0/32")

    def has_numbers(key: str) -> bool:
        page.view.curves._repaint()
        return page.view.curves.cards[key].widget.getAxis("left").style["showValues"]

    assert not has_numbers("loss") and not has_numbers("kl") and has_numbers("accuracy")
    stories.write(project, run, [stories.step_done(1)])
    qtbot.waitUntil(lambda: page.badge() == "● 1/32")
    assert has_numbers("loss") and not has_numbers("kl")

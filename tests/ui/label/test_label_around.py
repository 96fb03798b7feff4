"""What the real page shows and keeps around the keys: badge, links, flags, differences, times, a failed label."""

import pytest
from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QPushButton

from dpo_studio.core.errors import UserError
from dpo_studio.store import rankings
from dpo_studio.ui.label.head import ACTIONS
from dpo_studio.ui.label.viewing import VIEW_ACTIONS
from tests.groups import add_group
from tests.ui.label.by_keys import press, stored

KEY = Qt.Key


@pytest.fixture
def context(context):
    context.project.set_fact("guideline", "Shorter is **better**.")
    return context


def test_a_label_that_cannot_be_saved_stays_on_screen(open_page, context, monkeypatch, qtbot):
    page = open_page(2, 2)
    item = page.item

    def full(*_args, **_kwargs):
        raise UserError("The disk is full.", "Free some space.")

    monkeypatch.setattr(rankings, "add", full)
    with qtbot.waitSignal(context.message) as said:
        press(page, KEY.Key_1)
    assert said.args == ["The disk is full. Free some space.", "error"]
    assert page.item is item and stored(context) == []
    assert "Enter tries again" in page.bench.order_bar.notice
    monkeypatch.undo()
    press(page, KEY.Key_Return)
    assert len(stored(context)) == 1
    monkeypatch.setattr(rankings, "add", full)
    press(page, KEY.Key_X)
    assert page.bench.order_bar.notice == "Not saved. Press the key again."
    monkeypatch.undo()
    press(page, KEY.Key_X)
    assert len(stored(context)) == 2


def test_empty_page_says_what_to_do(open_page, context, qtbot):
    page = open_page()
    assert "Nothing to label yet" in page.bench.stack.empty.sentence.text()
    with qtbot.waitSignal(context.page_wanted) as wanted:
        page.bench.stack.empty.buttons[0].click()
    assert wanted.args == ["prompts"]
    assert page.badge() == ""
    press(page, KEY.Key_1, KEY.Key_Space, KEY.Key_Z)
    assert stored(context) == []
    add_group(context.project, "late", 3)
    context.groups_changed.emit()
    assert page.item is not None and page.badge() == "1 left"


def test_badge_and_numbers_come_from_the_store(open_page, context, qtbot):
    page = open_page(2, 2, 2)
    assert page.badge() == "3 left"
    with qtbot.waitSignals([page.badge_changed, context.rankings_changed]):
        press(page, KEY.Key_Equal)
    assert page.badge() == "2 left"
    assert "2 left" in page.bench.head.numbers.text() and "100% with ties" in page.bench.head.numbers.text()


def test_links_are_asked_about(open_page, monkeypatch):
    page = open_page(2)
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    reader = page.bench.stack.view.grid.shown_cards[0].reader
    reader.anchorClicked.emit(QUrl("https://example.com/a"))
    assert page.bench.link.isVisible() and opened == []
    page.bench.link.open_button.click()
    assert opened == [QUrl("https://example.com/a")]
    reader.anchorClicked.emit(QUrl("file:///etc/passwd"))
    assert not page.bench.link.open_button.isVisible()
    press(page, KEY.Key_Escape)
    assert not page.bench.link.isVisible()


def test_flags_are_saved(open_page, context):
    page = open_page(2)
    press(page, KEY.Key_F)
    page.bench.flags.actions()[1].trigger()
    page.bench.flags.close()
    page.setFocus()
    press(page, KEY.Key_1)
    assert rankings.recent(context.project)[0].flags == ("factually wrong",)


def test_flags_of_an_import_stay_when_another_is_set(open_page, context):
    page = open_page(2)
    page.item.flags = ("made elsewhere", "unsafe")
    press(page, KEY.Key_F)
    assert page.bench.flags.actions()[0].isChecked()
    page.bench.flags.actions()[1].trigger()
    page.bench.flags.close()
    page.setFocus()
    press(page, KEY.Key_1)
    assert rankings.recent(context.project)[0].flags == ("unsafe", "factually wrong", "made elsewhere")


def test_differences_and_lengths(open_page):
    page = open_page(2)
    view = page.bench.stack.view
    press(page, KEY.Key_D)
    assert view.compares
    press(page, KEY.Key_D)
    assert not view.compares
    press(page, KEY.Key_T)
    assert page.bench.head.buttons["lengths"].isChecked()


def test_every_control_has_a_name_and_a_key_is_told(open_page):
    page = open_page(4)
    controls = [w for w in page.findChildren(QPushButton) if w.isVisible()]
    assert controls and all(w.accessibleName() for w in controls)
    in_palette = {action.shortcut().toString() for action in page.actions_for_palette()}
    assert in_palette >= {key for *_, key in (*ACTIONS, *VIEW_ACTIONS)}
    told = " ".join(line.keys for line in page.key_help())
    assert all(key in told for key in ("X", "Space", "Z", "E", "D", "T", "N", "F", "G", "Enter", "="))


def test_time_away_does_not_count(open_page, context, monkeypatch):
    page = open_page(2)
    now = [100.0]

    def be_active(active):
        monkeypatch.setattr(page, "isActiveWindow", lambda: active)
        QApplication.sendEvent(page, QEvent(QEvent.Type.ActivationChange))

    page.stopwatch._clock = lambda: now[0]
    page.stopwatch.restart()
    now[0] += 3
    page.hide()
    now[0] += 1000
    page.show()
    now[0] += 2
    be_active(False)
    now[0] += 1000
    be_active(True)
    now[0] += 0.5
    page.setFocus()
    press(page, KEY.Key_1)
    assert rankings.recent(context.project)[0].seconds == pytest.approx(5.5)

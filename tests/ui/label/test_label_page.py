"""The real page, driven by keys; what was saved is read through a second connection."""

import sqlite3

import pytest
from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, completions, rankings
from dpo_studio.ui.label.head import ACTIONS
from dpo_studio.ui.label.viewing import VIEW_ACTIONS
from tests.groups import add_group
from tests.ui.label.by_keys import press

KEY = Qt.Key


@pytest.fixture
def context(context):
    context.project.set_fact("guideline", "Shorter is **better**.")
    return context


def stored(context):
    """All rows of rankings, as another program sees them: kind, ranks by answer's number, strength, note."""
    conn = sqlite3.connect(context.project.folder / "project.db")
    rows = []
    for row_id, kind, strength, note in conn.execute("SELECT id, kind, strength, note FROM rankings ORDER BY id"):
        ranks = conn.execute(
            "SELECT c.text, i.rank FROM ranking_items i JOIN completions c ON c.id = i.completion_id"
            " WHERE i.ranking_id = ?",
            [row_id],
        )
        rows.append((kind, {text.rsplit(" ", 1)[-1]: rank for text, rank in ranks}, strength, note))
    conn.close()
    return rows


def numbers_on_screen(page):
    """The answers' own numbers, in the order in which they are shown."""
    return [card.reader.toPlainText().rsplit(" ", 1)[-1] for card in page.bench.stack.view.grid.shown_cards]


def test_a_pair_takes_one_key_and_is_durable_before_the_next_shows(open_page, context, monkeypatch):
    page = open_page(2, 2)
    shown = numbers_on_screen(page)
    first = page.item
    at_swap = []
    show_item = page.bench.show_item
    monkeypatch.setattr(page.bench, "show_item", lambda *shown: (at_swap.append(stored(context)), show_item(*shown)))
    press(page, KEY.Key_2)
    better, worse = shown[1], shown[0]
    assert at_swap == [[("ranking", {better: 1, worse: 2}, 1, "")]]
    assert page.item is not first
    assert page.bench.stack.view.item is page.item


@pytest.mark.parametrize(
    ("key", "modifiers", "expected"),
    [
        (KEY.Key_Left, Qt.KeyboardModifier.NoModifier, (1, 2, 1)),
        (KEY.Key_Right, Qt.KeyboardModifier.NoModifier, (2, 1, 1)),
        (KEY.Key_Equal, Qt.KeyboardModifier.NoModifier, (1, 1, 1)),
        (KEY.Key_Exclam, Qt.KeyboardModifier.ShiftModifier, (1, 2, 2)),
        (KEY.Key_Right, Qt.KeyboardModifier.ShiftModifier, (2, 1, 2)),
    ],
)
def test_the_keys_of_pairs(open_page, context, key, modifiers, expected):
    page = open_page(2)
    shown = numbers_on_screen(page)
    press(page, key, modifiers=modifiers)
    ((kind, ranks, strength, _),) = stored(context)
    assert (kind, ranks[shown[0]], ranks[shown[1]], strength) == ("ranking", *expected)


def test_four_answers_take_three_keys_in_shown_numbers(open_page, context):
    page = open_page(4, 4)
    shown = numbers_on_screen(page)
    press(page, KEY.Key_3, KEY.Key_1)
    assert stored(context) == []
    assert page.bench.order_bar.order == "3 ≻ 1 ≻ …"
    press(page, KEY.Key_4)
    ((_, ranks, _, _),) = stored(context)
    assert ranks == {shown[2]: 1, shown[0]: 2, shown[3]: 3, shown[1]: 4}


def test_ties_and_partial_orders(open_page, context):
    page = open_page(4, 4)
    shown = numbers_on_screen(page)
    press(page, KEY.Key_1, KEY.Key_Equal, KEY.Key_2, KEY.Key_3)
    assert stored(context) == [], "after a tie nothing is implied"
    press(page, KEY.Key_Return)
    second = numbers_on_screen(page)
    press(page, KEY.Key_4, KEY.Key_Backspace, KEY.Key_2, KEY.Key_Return)
    first_row, second_row = stored(context)
    assert first_row[1] == {shown[0]: 1, shown[1]: 1, shown[2]: 2, shown[3]: None}
    assert second_row[1] == {second[1]: 1, second[0]: None, second[2]: None, second[3]: None}


def test_all_bad_and_skip(open_page, context):
    page = open_page(3, 2, 2)
    press(page, KEY.Key_X, KEY.Key_Space, KEY.Key_X)
    assert [row[0] for row in stored(context)] == ["all_bad", "skip", "all_bad"]
    assert page.item is None
    assert "All 3 are labelled (1 skipped)" in page.bench.stack.empty.sentence.text()


def test_undo_shows_the_item_again_in_place(open_page, context, qtbot):
    page = open_page(4, 4)
    before = numbers_on_screen(page)
    press(page, KEY.Key_2, KEY.Key_1, KEY.Key_3)
    press(page, KEY.Key_Z)
    assert numbers_on_screen(page) == before
    assert page.bench.order_bar.notice.startswith("Undid: 2 ≻ 1 ≻ 3 ≻ 4")
    assert [row[0] for row in stored(context)] == ["ranking", "retraction"]
    press(page, KEY.Key_4, KEY.Key_1, KEY.Key_3)
    press(page, KEY.Key_Z, modifiers=Qt.KeyboardModifier.ControlModifier)
    assert rankings.counts(context.project).left == 2


def test_undo_after_opening_again(open_page, context, tmp_path):
    page = open_page(4)
    before = numbers_on_screen(page)
    press(page, KEY.Key_1, KEY.Key_2, KEY.Key_3)
    assert page.item is None
    context.open(None)
    context.open(Project.open(tmp_path / "p"))
    assert page.item is None
    press(page, KEY.Key_Z)
    assert numbers_on_screen(page) == before


def test_correcting_from_the_strip(open_page, context, qtbot):
    page = open_page(4, 4)
    shown = numbers_on_screen(page)
    press(page, KEY.Key_1, KEY.Key_2, KEY.Key_3)
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    waiting = page.item
    button = page.bench.history.buttons[0]
    assert button.isVisible() and button.text().startswith("1 ≻ 2 ≻ 3 ≻ 4")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert numbers_on_screen(page) == shown
    assert page.bench.order_bar.order == "1 ≻ 2 ≻ 3 ≻ 4"
    press(page, KEY.Key_Escape)
    assert page.item is waiting and len(stored(context)) == 1
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    press(page, KEY.Key_4, KEY.Key_3, KEY.Key_2)
    old, new = stored(context)
    assert old[1] == {shown[0]: 1, shown[1]: 2, shown[2]: 3, shown[3]: 4}
    assert new[1] == {shown[0]: 4, shown[1]: 3, shown[2]: 2, shown[3]: 1}
    assert page.item is waiting
    assert rankings.counts(context.project).done == 1


def test_an_older_skip_can_be_given_a_note(open_page, context, qtbot):
    page = open_page(3)
    press(page, KEY.Key_Space)
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    page.bench.history.buttons[0].click()
    press(page, KEY.Key_N)
    QTest.keyClicks(page.bench.note.field, "too hard")
    press(page, KEY.Key_Return, KEY.Key_Return)
    assert stored(context)[-1] == ("skip", {}, 1, "too hard")


def test_digits_and_letters_in_the_note_are_text(open_page, context):
    page = open_page(4)
    press(page, KEY.Key_N)
    assert page.bench.note.field.hasFocus()
    QTest.keyClicks(page.bench.note.field, "12 x=z 3")
    assert stored(context) == [] and page.item.entry.buckets == ()
    press(page, KEY.Key_Return)
    assert page.hasFocus() and stored(context) == []
    press(page, KEY.Key_1, KEY.Key_2, KEY.Key_3)
    assert stored(context)[0][3] == "12 x=z 3"


def test_own_answer_is_ranked_first(open_page, context):
    page = open_page(2, 2)
    shown = numbers_on_screen(page)
    press(page, KEY.Key_E)
    assert page.bench.writing.editor.hasFocus()
    QTest.keyClicks(page.bench.writing.editor, "what it should say 9")
    press(page, KEY.Key_Return, modifiers=Qt.KeyboardModifier.ControlModifier)
    assert page.hasFocus() and stored(context) == []
    assert page.bench.order_bar.order == "✎ ≻ …"
    press(page, KEY.Key_2)
    ((_, ranks, _, _),) = stored(context)
    assert ranks == {"9": 1, shown[1]: 2, shown[0]: 3}


def test_space_and_enter_belong_to_a_focused_button(open_page, context):
    page = open_page(4)
    button = page.bench.head.buttons["lengths"]
    button.setFocus()
    press(page, KEY.Key_Space)
    assert button.isChecked() and stored(context) == []
    press(page, KEY.Key_Return)
    assert not button.isChecked() and stored(context) == []


def test_a_click_is_the_same_as_the_number(open_page, context):
    page = open_page(2)
    shown = numbers_on_screen(page)
    card = page.bench.stack.view.grid.shown_cards[1]
    QTest.mouseClick(card.reader.viewport(), Qt.MouseButton.LeftButton)
    assert stored(context)[0][1] == {shown[1]: 1, shown[0]: 2}


def test_keys_work_while_an_answer_has_the_focus(open_page, context):
    page = open_page(2)
    page.bench.stack.view.grid.shown_cards[0].reader.setFocus()
    press(page, KEY.Key_Right)
    assert len(stored(context)) == 1


def test_a_held_key_labels_once(open_page, context):
    page = open_page(2, 2, 2)
    for repeat in (False, True, True):
        event = QKeyEvent(QEvent.Type.KeyPress, KEY.Key_1, Qt.KeyboardModifier.NoModifier, "1", repeat)
        QApplication.sendEvent(page, event)
    assert len(stored(context)) == 1


def test_the_next_item_is_laid_out_before_it_is_asked_for(open_page, qtbot):
    page = open_page(4, 4)
    qtbot.waitUntil(lambda: page.bench.stack.prepared is not None)
    waiting = page.bench.stack.prepared
    spare = next(view for view in page.bench.stack.views if view.item is waiting)
    heights = [card.height() for card in spare.grid.shown_cards]
    assert all(height > 50 for height in heights)
    press(page, KEY.Key_1, KEY.Key_2, KEY.Key_3)
    assert page.bench.stack.view is spare
    assert [card.height() for card in spare.grid.shown_cards] == heights


def test_nothing_tells_who_wrote_what_before_the_label(open_page, context, qtbot):
    page = open_page()
    project = context.project
    group = add_group(project, "q", (), size=2)
    for text in ("a", "b"):
        completions.add(project, group.id, text, sampling={"temperature": 0.77}, seed=4242)
    context.groups_changed.emit()
    assert page.item is not None
    told = [w.toolTip() + w.accessibleName() for w in page.findChildren(QWidget)]
    told += [label.text() for label in page.findChildren(type(page.bench.head.numbers))]
    assert not any("0.77" in text or "4242" in text for text in told)
    press(page, KEY.Key_1)
    qtbot.waitUntil(lambda: "temperature 0.77" in page.bench.history.buttons[0].toolTip())


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


def test_c_says_how_sure_one_is_before_the_label(open_page, context):
    page = open_page(2, 2)
    button = page.bench.head.buttons["sure"]
    assert button.text() == "How sure"
    press(page, Qt.Key.Key_C)
    assert (button.text(), button.accessibleDescription()) == ("Fairly sure", "Fairly sure")
    press(page, Qt.Key.Key_1)
    assert rankings.recent(context.project)[0].confidence == 0.8
    assert button.text() == "How sure"  # the next item begins afresh
    press(page, Qt.Key.Key_1)
    assert rankings.recent(context.project)[0].confidence is None


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


def test_x_beside_an_answer_of_ones_own_and_a_text_that_stays_are_told(open_page, context):
    page = open_page(2, 2)
    for number in range(2):
        press(page, KEY.Key_E)
        QTest.keyClicks(page.bench.writing.editor, f"better own{number}")
        press(page, KEY.Key_Return, modifiers=Qt.KeyboardModifier.ControlModifier)
        press(page, KEY.Key_Space if number else KEY.Key_X)
    assert [row[0] for row in stored(context)] == ["ranking", "skip"]
    assert [rank for text, rank in stored(context)[0][1].items() if text != "own0"] == [None, None]
    assert stored(context)[0][1]["own0"] == 1
    press(page, KEY.Key_Z)
    assert page.item.written == "better own1" and page.bench.order_bar.order == "✎ ≻ …"


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


def test_backspace_after_a_label_goes_on_from_its_order(open_page, context):
    page = open_page(4, 4)
    shown = numbers_on_screen(page)
    press(page, KEY.Key_3, KEY.Key_1, KEY.Key_4, KEY.Key_Backspace)
    assert numbers_on_screen(page) == shown and page.bench.order_bar.order == "3 ≻ 1 ≻ …"
    assert page.bench.order_bar.notice.startswith("Took back 3 ≻ 1 ≻ 4 ≻ 2")
    press(page, KEY.Key_2)
    ranks = stored(context)[-1][1]
    assert ranks == {shown[2]: 1, shown[0]: 2, shown[1]: 3, shown[3]: 4}
    press(page, KEY.Key_1, KEY.Key_Backspace, KEY.Key_Backspace)
    assert len(stored(context)) == 3, "after a number it stays with this one"

"""The real page, driven by keys; what was saved is read through a second connection."""

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from dpo_studio.store import Project, completions, rankings
from tests.groups import add_group
from tests.ui.label.by_keys import numbers_on_screen, press, stored

KEY = Qt.Key


@pytest.fixture
def context(context):
    context.project.set_fact("guideline", "Shorter is **better**.")
    return context


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

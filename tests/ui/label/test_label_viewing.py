"""How answers are shown: together or apart, in columns or rows, with thinking; remembered, and by keys."""

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from dpo_studio.ui import theme
from dpo_studio.ui.label.card_grid import columns_for
from tests.groups import add_group
from tests.ui.label.by_keys import press

KEY = Qt.Key
LONG = "\n\n".join(f"line {number}" for number in range(120))
SHORT = "\n\n".join(f"line {number}" for number in range(40))


@pytest.fixture
def open_page(context, show_page, light):
    def show(size=(1100, 700)):
        page = show_page(size=size)
        page.bench.stack.view.grid.slices.finish()
        QApplication.processEvents()
        return page

    def open_page(*answers, size=(1100, 700)):
        add_group(context.project, "How long?", answers)
        return show(size)

    open_page.again = show
    return open_page


def cards(page):
    return page.bench.stack.view.grid.shown_cards


def offsets(page):
    return {card.completion.text: card.reader.verticalScrollBar().value() for card in cards(page)}


def turn_wheel(card, steps):
    at = QPointF(card.reader.viewport().rect().center())
    event = QWheelEvent(
        at,
        card.reader.viewport().mapToGlobal(at),
        QPoint(),
        QPoint(0, -120 * steps),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(card.reader.viewport(), event)


def test_the_wheel_scrolls_one_answer_until_they_scroll_together(open_page):
    page = open_page(LONG, SHORT)
    long = next(card for card in cards(page) if card.completion.text == LONG)
    turn_wheel(long, 2)
    first = offsets(page)
    assert first[LONG] > 0 and first[SHORT] == 0
    press(page, KEY.Key_S)
    assert page.bench.order_bar.notice == "The answers scroll together."
    turn_wheel(long, 1)
    after = offsets(page)
    assert after[LONG] > first[LONG] and after[SHORT] == after[LONG], "they stand at the same height"
    for _ in range(40):
        turn_wheel(long, 9)
    short = next(card for card in cards(page) if card.completion.text == SHORT)
    assert offsets(page)[SHORT] == short.reader.verticalScrollBar().maximum() < offsets(page)[LONG]
    for _ in range(40):
        turn_wheel(long, -9)
    assert offsets(page) == {LONG: 0, SHORT: 0}


def test_keys_scroll_all_or_the_one_with_the_focus(open_page):
    page = open_page(LONG, SHORT)
    press(page, KEY.Key_PageDown)
    assert all(offset > 0 for offset in offsets(page).values())
    page.bench.stack.view.grid.scroll(-9)
    long = next(card for card in cards(page) if card.completion.text == LONG)
    long.reader.setFocus()
    press(page, KEY.Key_Down)
    assert offsets(page)[LONG] > 0 and offsets(page)[SHORT] == 0
    press(page, KEY.Key_S)
    press(page, KEY.Key_Down)
    assert offsets(page)[SHORT] == offsets(page)[LONG] > 0


def test_columns_follow_the_width_or_the_choice(open_page):
    page = open_page(*["short"] * 4)

    def places():
        return len({card.x() for card in cards(page)}), len({card.y() for card in cards(page)})

    assert places() == (2, 2)
    press(page, KEY.Key_L)
    assert places() == (4, 1)
    assert page.bench.order_bar.notice == "As many answers side by side as fit."
    press(page, KEY.Key_L)
    assert places() == (1, 4)
    press(page, KEY.Key_L)
    assert places() == (2, 2)


@pytest.mark.parametrize(
    ("count", "width", "arrangement", "columns"),
    [
        (9, 1052, "auto", 3),
        (9, 1052, "columns", 4),
        (9, 1052, "rows", 1),
        (2, 300, "columns", 1),
        (2, 1052, "auto", 2),
        (4, 1352, "auto", 4),
        (9, 3000, "auto", 5),
        (9, 3000, "columns", 9),
    ],
)
def test_numbers_of_columns(count, width, arrangement, columns):
    assert columns_for(count, width, arrangement=arrangement) == columns


@pytest.mark.parametrize("size", [(1100, 700), (1400, 900)])
@pytest.mark.parametrize("count", range(2, 10))
def test_every_number_of_answers_can_be_read(open_page, count, size):
    """Nothing outside the page, nothing over anything else, four lines of each in sight."""
    page = open_page(*[LONG] * count, size=size)
    grid = page.bench.stack.view.grid
    line = grid.fontMetrics().lineSpacing()
    assert grid.verticalScrollBar().maximum() == 0 and grid.horizontalScrollBar().maximum() == 0
    rects = [card.geometry() for card in cards(page)]
    for number, rect in enumerate(rects):
        assert grid.widget().rect().contains(rect)
        assert not any(rect.intersects(other) for other in rects[number + 1 :])
    assert all(card.reader.viewport().height() >= 4 * line and card.width() >= 230 for card in cards(page))


def test_larger_text_gets_wider_columns(open_page, qapp):
    page = open_page(*["short"] * 9)
    theme.apply(qapp, "light", scale=2.0)
    QApplication.processEvents()
    page.bench.stack.view.grid.arrange()
    assert len({card.x() for card in cards(page)}) == 2


def test_thinking_is_opened_in_all_by_a_key_and_stays_so(open_page):
    page = open_page("<think>\nhm\n</think>\nfour", "<think>\nwell\n</think>\nfive", "six")
    assert not any("hm" in card.reader.toPlainText() for card in cards(page))
    press(page, KEY.Key_H)
    shown = {card.completion.text: card.reader.toPlainText() for card in cards(page)}
    assert sorted(shown.values()) == ["hm\nfour", "six", "well\nfive"]
    again = open_page.again()
    assert sorted(card.reader.toPlainText() for card in cards(again)) == ["hm\nfour", "six", "well\nfive"]
    assert all(card.fold.isChecked() for card in cards(again) if card.fold.has_thinking)
    press(again, KEY.Key_H)
    assert sorted(card.reader.toPlainText() for card in cards(again)) == ["five", "four", "six"]


def test_the_choices_are_remembered(open_page):
    page = open_page("a", "b")
    for key in (KEY.Key_S, KEY.Key_L):
        press(page, key)
    viewing = open_page.again().bench.viewing
    assert viewing.together.isChecked() and viewing.arrangement == "columns" and not viewing.thinking.isChecked()


def test_the_menu_has_what_the_keys_do(open_page, qtbot):
    page = open_page("a", "b", "c")
    page.bench.head.buttons["view"].click()
    menu = page.bench.viewing.menu
    assert menu.isVisible()
    menu.close()
    page.bench.viewing.arrangements["rows"].trigger()
    assert len({card.y() for card in cards(page)}) == 3
    told = {line.keys for line in page.key_help()}
    assert {"V", "H", "S", "L"} <= told
    assert {"V", "H", "S", "L"} <= {action.shortcut().toString() for action in page.actions_for_palette()}


def test_wide_tables_scroll_sideways_by_keys(context, show_page, light):
    head = "|" + "".join(f" column number {number} |" for number in range(12))
    add_group(context.project, "compare", [f"{head}\n{'|---' * 12}|\n{head}", "short", "short too", "shorter"])
    page = show_page(size=(1400, 900))
    readers = [card.reader for card in page.bench.stack.view.grid.shown_cards]
    (reader,) = [one for one in readers if one.horizontalScrollBar().maximum() > 0]
    bar = reader.horizontalScrollBar()
    press(page, Qt.Key.Key_Right)
    there = bar.value()
    assert there > 0 and page.item.entry.buckets == ()
    press(page, Qt.Key.Key_Left)
    assert bar.value() < there

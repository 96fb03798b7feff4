"""Answers dragged with a real mouse: from cards and chips, onto the order and onto other cards."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from dpo_studio.store import rankings
from dpo_studio.ui.label.drops import Beside, Insert, Out
from dpo_studio.ui.label.order_entry import OrderEntry

KEY, LEFT, NONE = Qt.Key, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def tray_of(page):
    return page.bench.order_bar.tray


def chip(page, number):
    return tray_of(page), tray_of(page).center_of(number - 1)


def card(page, number, *, across=None):
    """A card's head, or a point this share of its width across it."""
    one = page.bench.stack.view.grid.shown_cards[number - 1]
    return one, QPoint(16, 16) if across is None else QPoint(round(one.width() * across), one.height() // 2)


def slot(page):
    """The empty place after the chips that are placed."""
    spot = next(spot for spot in tray_of(page)._spots if spot.what == "slot")
    return tray_of(page), spot.rect.center().toPoint()


def between(page, one, other):
    first, second = chip(page, one)[1], chip(page, other)[1]
    return tray_of(page), (first + second) / 2


def lift(start, end, modifiers=NONE):
    """Press on the one, and move to the other without letting go."""
    widget, at = start
    QTest.mousePress(widget, LEFT, modifiers, at)
    QTest.mouseMove(widget, at + QPoint(12, 3))
    QTest.mouseMove(widget, widget.mapFromGlobal(end[0].mapToGlobal(end[1])))


def drag(start, end, modifiers=NONE):
    lift(start, end, modifiers)
    QTest.mouseRelease(start[0], LEFT, modifiers, start[0].mapFromGlobal(end[0].mapToGlobal(end[1])))


def order(page):
    return page.bench.order_bar.order


def saved_places(context, item):
    """The saved rank of each answer, in the order shown."""
    saved = rankings.recent(context.project)[0]
    return [saved.ranks[completion.id] for completion in item.shown]


def test_chips_dragged_into_an_order_save_what_the_keys_would(open_page, context):
    page = open_page(4, 4)
    first = page.item
    drag(chip(page, 3), slot(page))
    assert order(page) == "3 ≻ …"
    drag(chip(page, 1), slot(page))
    drag(chip(page, 4), between(page, 3, 1))
    assert order(page) == "3 ≻ 4 ≻ 1 ≻ 2", "the last is implied"
    assert page.item is first, "nothing is saved by a drop"
    assert rankings.recent(context.project) == []
    QTest.keyClick(page, KEY.Key_Return)
    assert saved_places(context, first) == [3, 4, 1, 2]
    second = page.item
    assert second is not first
    for key in (KEY.Key_3, KEY.Key_4, KEY.Key_1):
        QTest.keyClick(page, key)
    assert saved_places(context, second) == [3, 4, 1, 2]


def test_a_chip_dropped_on_a_chip_ties(open_page, context):
    page = open_page(4)
    item = page.item
    drag(chip(page, 2), slot(page))
    drag(chip(page, 4), chip(page, 2))
    assert order(page) == "2 = 4 ≻ …"
    drag(chip(page, 1), slot(page))
    assert order(page) == "2 = 4 ≻ 1 ≻ …", "after a tie nothing is implied"
    page.bench.order_bar.save.click()
    assert saved_places(context, item) == [2, 1, None, 1]


def test_cards_dragged_onto_the_order(open_page, context):
    page = open_page(3)
    drag(card(page, 2), slot(page))
    assert order(page) == "2 ≻ …"
    drag(card(page, 3), between(page, 2, 2))
    assert order(page) == "2 = 3 ≻ …"


@pytest.mark.parametrize(("across", "expected"), [(0.08, "4 ≻ 1 ≻ …"), (0.5, "1 = 4 ≻ …"), (0.92, "1 ≻ 4 ≻ …")])
def test_a_card_dragged_onto_a_card(open_page, across, expected):
    page = open_page(4)
    drag(card(page, 4), card(page, 1, across=across))
    assert order(page) == expected


def test_placed_chips_move_and_come_out_again(open_page):
    page = open_page(5)
    for number in (1, 2, 3):
        drag(chip(page, number), slot(page))
    drag(chip(page, 3), (tray_of(page), chip(page, 1)[1] - QPoint(30, 0)))
    assert order(page) == "3 ≻ 1 ≻ 2 ≻ …"
    drag(chip(page, 1), chip(page, 5))
    assert order(page) == "3 ≻ 2 ≻ …"


def test_backspace_takes_each_drop_back(open_page):
    page = open_page(4)
    seen = [order(page)]
    moves = [(2, slot), (4, slot), (1, lambda p: chip(p, 2)), (4, lambda p: chip(p, 3))]
    for number, where in moves:
        drag(chip(page, number), where(page))
        seen.append(order(page))
    assert seen == ["No order yet", "2 ≻ …", "2 ≻ 4 ≻ …", "2 = 1 ≻ 4 ≻ …", "2 = 1 ≻ …"]
    for before in reversed(seen[:-1]):
        QTest.keyClick(page, KEY.Key_Backspace)
        assert order(page) == before


def test_keys_and_drops_mix(open_page, context):
    page = open_page(5)
    item = page.item
    QTest.keyClick(page, KEY.Key_5)
    drag(chip(page, 1), (tray_of(page), chip(page, 5)[1] - QPoint(30, 0)))
    QTest.keyClick(page, KEY.Key_3)
    assert order(page) == "1 ≻ 5 ≻ 3 ≻ …"
    QTest.keyClick(page, KEY.Key_Backspace)
    QTest.keyClick(page, KEY.Key_Backspace)
    assert order(page) == "5 ≻ …"
    for key in (KEY.Key_4, KEY.Key_2, KEY.Key_1):
        QTest.keyClick(page, key)
    assert saved_places(context, item) == [4, 3, 5, 2, 1]


def test_shift_while_dropping_means_much_better(open_page, context):
    page = open_page(3)
    drag(chip(page, 2), slot(page), Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(page, KEY.Key_Return)
    assert rankings.recent(context.project)[0].strength == 2


def test_what_a_drop_would_do_is_told_and_escape_puts_it_back(open_page):
    page = open_page(4)
    dragging = page.bench.dragging
    lift(card(page, 3), card(page, 2, across=0.5))
    assert dragging.active and dragging.ghost.isVisible() and dragging.mark.isVisible()
    assert dragging.ghost.text() == "3   ties with 2"
    QTest.keyClick(page, KEY.Key_Escape)
    assert not dragging.active and not dragging.ghost.isVisible() and not dragging.mark.isVisible()
    QTest.mouseRelease(card(page, 3)[0], LEFT, NONE, QPoint(20, 20))
    assert order(page) == "No order yet"


def test_the_place_in_the_order_is_told(open_page):
    page = open_page(5)
    told = page.bench.dragging.ghost
    drag(chip(page, 2), slot(page))
    drag(chip(page, 4), slot(page))
    for end, words in ((between(page, 2, 4), "1   between 2 and 4"), (slot(page), "1   after 4")):
        lift(chip(page, 1), end)
        assert told.text() == words
        QTest.keyClick(page, KEY.Key_Escape)
    lift(chip(page, 4), chip(page, 5))
    assert told.text() == "4   not placed"
    QTest.keyClick(page, KEY.Key_Escape)
    assert order(page) == "2 ≻ 4 ≻ …"


def test_a_drop_on_nothing_changes_nothing(open_page):
    page = open_page(4)
    drag(card(page, 1), (page.bench.head, QPoint(10, 10)))
    drag(chip(page, 2), (page.bench.stack.view.prompt, QPoint(10, 10)))
    drag(chip(page, 2), (tray_of(page), chip(page, 2)[1] + QPoint(3, 0)))
    assert order(page) == "No order yet"
    assert not page.bench.dragging.active


def test_a_click_on_a_chip_is_the_number(open_page):
    page = open_page(4)
    QTest.mouseClick(tray_of(page), LEFT, NONE, chip(page, 3)[1])
    assert order(page) == "3 ≻ …"


def test_a_key_that_saves_ends_a_drag(open_page, context):
    page = open_page(3, 3)
    start = chip(page, 1)
    lift(start, slot(page))
    QTest.keyClick(page, KEY.Key_Space)
    assert not page.bench.dragging.active
    QTest.mouseRelease(start[0], LEFT, NONE, start[1] + QPoint(40, 0))
    assert order(page) == "No order yet", "the next item is untouched"


def test_an_older_label_is_changed_from_where_it_was(open_page, context, qtbot):
    page = open_page(4)
    item = page.item
    for key in (KEY.Key_1, KEY.Key_2, KEY.Key_3):
        QTest.keyClick(page, key)
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    page.bench.history.buttons[0].click()
    assert not page.bench.order_bar.save.isVisible()
    drag(chip(page, 4), (tray_of(page), chip(page, 1)[1] - QPoint(30, 0)))
    assert order(page) == "4 ≻ 1 ≻ 2 ≻ 3"
    QTest.keyClick(page, KEY.Key_Backspace)
    assert not page.item.changed, "taken back, it is the earlier label again"
    drag(chip(page, 4), chip(page, 1))
    page.bench.order_bar.save.click()
    assert saved_places(context, item) == [1, 2, 3, 1]
    assert rankings.counts(context.project).done == 1


def test_a_pair_has_no_chips_and_cards_that_stay(open_page, context):
    page = open_page(2)
    assert not tray_of(page).isVisible() and not page.bench.order_bar.save.isVisible()
    drag(card(page, 1), card(page, 2, across=0.5))
    assert rankings.recent(context.project) == []


def test_the_order_fits_a_narrow_window(open_page, qtbot):
    page = open_page(9)
    page.resize(640, 700)
    qtbot.wait(20)
    spots = tray_of(page)._spots
    assert spots[-1].rect.right() <= tray_of(page).width() + 1
    assert tray_of(page).mapTo(page, QPoint(tray_of(page).width(), 0)).x() <= page.width()


def test_drops_by_hand():
    entry = OrderEntry(5)
    entry.drop(0, Insert(0))
    entry.drop(1, Insert(1))
    entry.drop(2, Beside(0, 1))
    assert entry.buckets == ((0,), (2,), (1,))
    entry.drop(0, Insert(3))
    assert entry.buckets == ((2,), (1,), (0,))
    entry.drop(0, Beside(2, -1))
    assert entry.buckets == ((0,), (2,), (1,))
    entry.drop(1, Beside(0))
    assert entry.buckets == ((0, 1), (2,))
    entry.drop(0, Insert(1))
    assert entry.buckets == ((1,), (0,), (2,))
    entry.drop(4, Beside(3, -1))
    assert entry.buckets == ((1,), (0,), (2,), (4,), (3,)), "the other is placed too, last"
    entry.drop(0, Out())
    assert entry.buckets == ((1,), (2,), (4,), (3,))


def test_full_by_drops_waits_for_enter():
    entry = OrderEntry(3)
    assert not entry.drop(1, Insert(0)).done
    assert not entry.drop(2, Insert(1)).done
    assert entry.buckets == ((1,), (2,), (0,))
    assert entry.press(0).hint and entry.tie().hint
    entry.drop(0, Out())
    assert entry.buckets == ((1,), (2,)), "what was taken out is not implied at once"
    assert entry.finish().done

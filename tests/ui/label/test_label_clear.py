"""What a person sees of the state of things: who wrote what and when that is told, where the keys go, what moves."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from tests.ui.label.by_keys import press

KEY = Qt.Key


def test_who_wrote_what_shows_on_a_label_that_was_given(open_page, context, qtbot):
    page = open_page(2, 2)
    cards = page.bench.stack.view.grid.shown_cards
    assert [card._writer.text() for card in cards] == ["", ""]
    press(page, KEY.Key_1)
    assert [card._writer.text() for card in page.bench.stack.view.grid.shown_cards] == ["", ""]
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    page.bench.history.buttons[0].click()
    assert [card._writer.text() for card in page.bench.stack.view.grid.shown_cards] == ["imported", "imported"]
    press(page, KEY.Key_Z)
    assert page.item.earlier is None, "to be labelled again, so blind again"
    assert [card._writer.text() for card in page.bench.stack.view.grid.shown_cards] == ["", ""]


def test_escape_gives_the_keys_back_to_the_page(open_page):
    page = open_page(3)
    page.bench.head.buttons["note"].setFocus()
    press(page, KEY.Key_Escape)
    assert page.hasFocus()


def test_nothing_moves_while_an_item_is_read(open_page, context, qtbot):
    """What changes around the answers changes with them, not a moment after they are on screen."""
    context.project.set_fact("guideline", "Short.")
    page = open_page(*[3] * 13)

    def places():
        return [page.bench.stack.geometry(), *(card.geometry() for card in page.bench.stack.view.grid.shown_cards)]

    qtbot.wait(30)
    assert page.bench.guideline.isVisible()
    for number in range(12):
        for position in sorted(range(3), key=lambda one: page.item.shown[one].text)[:2]:
            press(page, KEY.Key_1 + position)
        QApplication.sendPostedEvents()
        before = places()
        qtbot.wait(30)  # numbers, warnings and the next item are read now
        assert places() == before, number
    assert not page.bench.guideline.isVisible()

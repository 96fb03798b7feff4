"""What a person sees of the state of things: who wrote what and when that is told, where the keys go, what moves."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from tests.groups import add_group
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


def test_equal_before_any_number_says_what_it_did(open_page):
    page = open_page(3)
    press(page, KEY.Key_Equal)
    assert page.bench.order_bar.notice.startswith("Every answer has to be placed now")
    press(page, KEY.Key_Backspace)
    assert page.bench.order_bar.notice.startswith("Nothing is placed yet")


def test_much_better_is_told_when_it_is_saved(open_page):
    page = open_page(2, 2)
    press(page, KEY.Key_1, modifiers=Qt.KeyboardModifier.ShiftModifier)
    assert page.bench.order_bar.notice.startswith("Saved 1 ≻ 2, much better (Z takes it back)")


def test_links_are_reached_by_tab_and_asked_about_by_enter(context, show_page):
    add_group(context.project, "Where?", ["see [one](https://one.example) and [two](https://two.example)", "nowhere"])
    page = show_page()
    reader = next(card.reader for card in page.bench.stack.view.grid.shown_cards if "one" in card.reader.toPlainText())
    reader.setFocus(Qt.FocusReason.TabFocusReason)
    asked = []
    reader.anchorClicked.connect(lambda url: asked.append(url.toString()))
    seen = set()
    for _ in range(4):
        press(page, KEY.Key_Tab)
        if not reader.hasFocus():
            break
        seen.add(reader.textCursor().selectedText())
        press(page, KEY.Key_Return)
    assert asked == ["https://one.example", "https://two.example"] and not reader.hasFocus(), (seen, asked)
    assert page.bench.link.isVisible() and page.item.entry.buckets == ()

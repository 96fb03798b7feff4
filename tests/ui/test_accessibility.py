"""For whoever hears the window, or has no mouse: every control has a name, a ring and its turn at Tab."""

import re
import shutil
from collections import Counter

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAccessible, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QRadioButton, QWidget

from dpo_studio.store.sample import copy_sample
from dpo_studio.ui.main_window import MainWindow
from dpo_studio.ui.page_registry import PAGES
from dpo_studio.ui.settings_store import SettingsStore

NAMES = [source.module.rsplit(".", 2)[-2] for source in PAGES]
_WORD = re.compile(r"[^\W\d_]{2,}")
_RING_PIXELS = 30


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "sample"
    copy_sample(folder).close()
    return folder


@pytest.fixture
def window(qtbot, tmp_path, light, sample):
    shutil.copytree(sample, tmp_path / "sample")
    made = MainWindow(SettingsStore(), documents=tmp_path)
    made.resize(1240, 820)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    assert made.open_project(tmp_path / "sample")
    yield made
    for page in made.pages:
        if page.built:
            page.leave()
        shut_down = getattr(page, "shut_down", None)
        if callable(shut_down):
            shut_down()
    made.context.open(None)
    made.hide()
    made.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # or each look that is applied dresses it again


def show(window, number):
    page = window.pages[number]
    window.show_page(page.name)
    QApplication.processEvents()
    return page


def tree(interface):
    """An interface of the accessibility tree and all below it that are widgets' own or their parts."""
    yield interface
    for number in range(interface.childCount()):
        child = interface.child(number)
        if child is not None and child.isValid():
            yield from tree(child)


def nameless(root):
    """What can get the focus and has no name of words: told by class and by what it does show."""
    found = []
    for interface in tree(QAccessible.queryAccessibleInterface(root)):
        widget = interface.object()
        if not interface.state().focusable or not isinstance(widget, QWidget):
            continue  # cells and items have their own text as their name
        if any(isinstance(above, QComboBox) for above in _above(widget)):
            continue  # the list that drops down is its box
        if isinstance(widget, (QAbstractButton, QLabel)) and not widget.isVisible() and not widget.text():
            continue  # it gets its words when it is shown
        name = interface.text(QAccessible.Text.Name)
        if not _WORD.search(name):
            found.append(f"{name!r} is the name of {_told(widget)}")
    return found


def _above(widget):
    while (widget := widget.parentWidget()) is not None:
        yield widget


def _told(widget):
    names = [type(one).__name__ for one in (widget, *_above(widget))]
    return f"{names[0]} {widget.accessibleName()!r} in {' in '.join(names[1:5])}"


def reachable(root):
    """The widgets in sight that Tab should come to."""
    return [
        widget
        for widget in root.findChildren(QWidget)
        if widget.isVisible()
        and widget.isEnabled()
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.focusProxy() is None
        and not (isinstance(widget, QRadioButton) and not widget.isChecked())  # arrows go from the chosen one to it
        and not widget.visibleRegion().isEmpty()
    ]


def tab_round(window, start):
    """The widgets that Tab leads through, from one until it comes back to it."""
    start.setFocus(Qt.FocusReason.TabFocusReason)
    first = QApplication.focusWidget()
    seen = [first]
    for _ in range(400):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        widget = QApplication.focusWidget()
        assert widget is not seen[-1], f"Tab does not leave {_told(widget)}"
        if widget is first:
            return seen
        seen.append(widget)
    raise AssertionError("Tab does not come back to where it began")


def has_ring(page, widget):
    """Whether a control looks different with the focus than without, by more than a blinking cursor."""
    page.setFocus()
    without = _picture(widget)
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    with_focus = _picture(widget)
    return without.size() != with_focus.size() or _different_pixels(without, with_focus) >= _RING_PIXELS


def _picture(widget):
    return widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def _different_pixels(one, other):
    first, second = bytes(one.constBits()), bytes(other.constBits())
    if first == second:
        return 0
    return sum(first[at : at + 4] != second[at : at + 4] for at in range(0, len(first), 4))


@pytest.mark.parametrize("number", range(len(PAGES)), ids=NAMES)
def test_a_page(window, number):
    page = show(window, number)
    wanted = reachable(page)
    seen = tab_round(window, wanted[0])
    twice = [widget for widget, times in Counter(map(id, seen)).items() if times > 1]
    missed = [_told(widget) for widget in wanted if widget not in seen]
    seen[1].setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    back = QApplication.focusWidget()
    assert {
        "without a name": nameless(page),
        "Tab comes twice to": twice,
        "Tab does not come to": missed,
        "looks the same with the focus": [_told(widget) for widget in wanted if not has_ring(page, widget)],
    } == {
        "without a name": [],
        "Tab comes twice to": [],
        "Tab does not come to": [],
        "looks the same with the focus": [],
    }
    assert back is seen[0], "Shift+Tab goes back"


def test_the_window_around_the_pages_has_names_too(window):
    show(window, 0)
    assert nameless(window) == []
    window.show_palette()
    assert nameless(window.palette_overlay) == []
    window.palette_overlay.close_overlay()
    window.close_project()
    assert nameless(window.welcome) == []


def test_label_is_gone_through_in_the_order_of_reading(window):
    page = window.pages[NAMES.index("label")]
    window.show_page(page.name)
    view = page.bench.stack.view
    readers = [view.prompt, *(card.reader for card in view.grid.shown_cards)]
    seen = tab_round(window, view.prompt)
    places = [seen.index(reader) for reader in readers]
    assert places == sorted(places), "the prompt, then its answers by their numbers"
    buttons = [seen.index(button) for button in page.bench.head.buttons.values() if button in seen]
    assert buttons == sorted(buttons) or len(buttons) < 2
    assert [reader.accessibleName() for reader in readers] == [
        "Prompt",
        *(f"Answer {n}" for n in range(1, len(readers))),
    ]

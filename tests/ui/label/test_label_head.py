"""Label where there is little room."""

import pytest
from PySide6.QtCore import QPoint, QRect, Qt

from tests.ui.label.by_keys import press


@pytest.mark.parametrize(("width", "scale"), [(526, 1.0), (990, 1.7), (1046, 1.0)])
def test_every_action_can_be_read_in_a_narrow_page_and_with_large_text(open_page, light, qapp, qtbot, width, scale):
    light.apply(qapp, "light", scale=scale)
    page = open_page()
    page.resize(width, 800)
    head = page.bench.head
    qtbot.waitUntil(lambda: head.width() < width)
    shown = [one for one in head.buttons.values() if one.isVisible()]
    places = [QRect(one.mapTo(head, QPoint(0, 0)), one.size()) for one in shown]
    for one, place in zip(shown, places, strict=True):
        assert place.width() >= one.sizeHint().width() and head.rect().contains(place), one.text()
    heading = QRect(head._heading.mapTo(head, QPoint(0, 0)), head._heading.size())
    for number, place in enumerate([heading, *places]):
        assert not any(place.intersects(other) for other in places[number:] if other != place)


def test_large_text_in_the_smallest_window_leaves_room_for_the_answers_first(open_page, light, qapp, qtbot):
    light.apply(qapp, "light", scale=1.7)
    page = open_page(4, 4)
    page.bench.head.show_warnings(["The longer answer won 37 of 37 times."])
    page.resize(660, 390)
    bench = page.bench
    qtbot.waitUntil(lambda: bench.history.isHidden() and bench.head.height() >= bench.head.minimumSizeHint().height())
    shown = [one for one in (bench.head, bench.stack, bench.order_bar) if one.isVisible()]
    for upper, lower in zip(shown, shown[1:], strict=False):
        assert upper.geometry().bottom() < lower.geometry().top()
    assert len(shown) == 3
    page.resize(1200, 800)
    assert bench.history.isVisible() and bench.head._heading.isVisible() and bench.head.warning.isVisible()


def test_in_the_smallest_window_answers_can_be_read_and_nothing_lies_over_anything(open_page, context, light, qtbot):
    """720 by 480 with its menu, rail and status bar leaves the page this much."""
    context.project.set_fact("guideline", "Short.")
    page = open_page(4, 4)
    page.resize(660, 411)
    press(page, Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3)
    bench = page.bench
    qtbot.waitUntil(lambda: len(bench.history.rankings) == 1)
    assert not bench.guideline.isVisible(), "it would leave the answers half of this width; G shows it"
    shown = [one for one in (bench.head, bench.stack, bench.order_bar, bench.history) if one.isVisible()]
    assert len(shown) == 4
    for upper, lower in zip(shown, shown[1:], strict=False):
        assert upper.geometry().bottom() < lower.geometry().top()
    assert bench.head.height() >= bench.head.minimumSizeHint().height()
    assert bench.stack.view.grid.height() >= 90
    button = bench.history.buttons[0]
    assert "\n" not in button.text() and "prompt 0" in button.accessibleName()
    page.resize(1200, 800)
    assert bench.guideline.isVisible()
    assert button.text().endswith("\nprompt 0"), "with room again, which prompt it is of is told again"

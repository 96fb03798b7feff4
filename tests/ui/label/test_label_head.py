"""The head of Label where there is little room."""

import pytest
from PySide6.QtCore import QPoint, QRect


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

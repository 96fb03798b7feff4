"""Widgets that go on in a next row: worked out by hand for a few widths."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QWidget

from dpo_studio.ui.widgets.flow import FlowLayout


class Box(QWidget):
    """A widget of a least width and height."""

    def __init__(self, width: int, height: int = 20) -> None:
        super().__init__()
        self.setMinimumSize(width, height)


def places(widget: QWidget, boxes: list[Box]) -> list[tuple[int, int, int]]:
    return [(box.x(), box.y(), box.width()) for box in boxes]


@pytest.mark.parametrize(
    ("width", "expected", "height"),
    [
        # 100 + 10 + 50 + 10 + 60 = 230; the 90 to spare go 2 : 1 to the first and the last.
        (320, [(0, 0, 160), (170, 0, 50), (230, 0, 90)], 30),
        # The last does not fit beside the others (230 > 229), and has a row of its own.
        (229, [(0, 0, 169), (179, 0, 50), (0, 35, 229)], 65),
        # One a row, none wider than it has to be but those with a stretch.
        (100, [(0, 0, 100), (0, 25, 50), (0, 60, 100)], 90),
    ],
)
def test_rows_are_broken_where_the_next_does_not_fit(qtbot, width, expected, height) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    flow = FlowLayout(host, spacing=10, row_spacing=5)
    boxes = [Box(100, 20), Box(50, 30), Box(60, 30)]
    for box, stretch in zip(boxes, (2, 0, 1), strict=True):
        flow.add(box, stretch=stretch)
    host.resize(width, height)
    host.show()
    assert flow.heightForWidth(width) == height
    flow.setGeometry(QRect(0, 0, width, height))
    assert places(host, boxes) == expected


def test_even_rows_hold_as_equal_a_number_as_can_be(qtbot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    flow = FlowLayout(host, spacing=10, row_spacing=5, even=True)
    boxes = [Box(50) for _ in range(8)]
    for box in boxes:
        flow.add(box)
    host.resize(400, 200)  # six would fit, but then two rows are better filled with four: (400 - 30) / 4 = 92
    host.show()
    flow.setGeometry(QRect(0, 0, 400, 200))
    assert places(host, boxes) == [(column * 102, row * 25, 92) for row in (0, 1) for column in range(4)]
    boxes[0].hide()
    assert flow.heightForWidth(110) == 4 * 20 + 3 * 5  # seven of them, two a row


def test_a_host_is_no_narrower_than_its_widest(qtbot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    flow = FlowLayout(host, spacing=10, row_spacing=5)
    for box in (Box(100, 20), Box(50, 30)):
        flow.add(box)
    host.show()
    assert (flow.minimumSize().width(), flow.minimumSize().height()) == (100, 30)


def test_reading_from_the_right_begins_at_the_right_and_what_is_inserted_has_its_place(qtbot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    flow = FlowLayout(host, spacing=10, row_spacing=5)
    boxes = [Box(100), Box(50)]
    flow.add(boxes[1])
    flow.insert(0, boxes[0])
    host.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    host.resize(200, 20)
    host.show()
    flow.setGeometry(QRect(0, 0, 200, 20))
    assert places(host, boxes) == [(100, 0, 100), (40, 0, 50)]


def test_rows_can_end_where_reading_ends(qtbot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    flow = FlowLayout(host, spacing=10, row_spacing=5, trailing=True)
    boxes = [Box(100), Box(50), Box(60)]
    for box in boxes:
        flow.add(box)
    flow.setGeometry(QRect(0, 0, 200, 100))
    assert places(host, boxes) == [(40, 0, 100), (150, 0, 50), (140, 25, 60)]

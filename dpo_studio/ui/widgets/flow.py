"""Widgets side by side that go on in a next row where the width is not enough, and a control under its name."""

from __future__ import annotations

import math

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLayout, QLayoutItem, QVBoxLayout, QWidget

from dpo_studio.ui.widgets.elided_label import ElidedLabel


class FlowLayout(QLayout):
    """Rows of widgets from the side where reading begins, each as high as its highest; stretches fill its whole width.

    Args:
        even: all widgets are of one width and rows hold as equal a number as can be, so that columns line up;
            otherwise what a row has to spare goes to those that were added with a stretch.
        trailing: rows without a stretch end where reading ends, instead of beginning where it begins.
    """

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        spacing: int,
        row_spacing: int,
        even: bool = False,
        trailing: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, 0, 0, 0)
        self._across_px, self._down_px, self._even, self._trailing = spacing, row_spacing, even, trailing
        self._items: list[QLayoutItem] = []
        self._stretches: dict[QWidget, int] = {}

    def insert(self, place: int, widget: QWidget) -> None:
        """Put a widget before the one that is at this place."""
        self.addWidget(widget)
        self._items.insert(place, self._items.pop())
        self.invalidate()

    def add(self, widget: QWidget, *, stretch: int = 0) -> None:
        """Add a widget at the end."""
        self._stretches[widget] = stretch
        self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, move=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._shown():
            size = size.expandedTo(item.minimumSize())
        return size

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _place(self, rect: QRect, *, move: bool) -> int:
        """Put the widgets into their places, or only find out how high that is."""
        y, host = rect.y(), self.parentWidget()
        from_right = host is not None and host.layoutDirection() == Qt.LayoutDirection.RightToLeft
        rows = self._even_rows(rect.width()) if self._even else self._rows(rect.width())
        for number, row in enumerate(rows):
            widths = self._widths(row, rect.width(), across=max(map(len, rows)))
            height = max(_height(item, width) for item, width in zip(row, widths, strict=True))
            x = rect.x()
            if self._trailing:
                x += max(0, rect.width() - sum(widths) - (len(widths) - 1) * self._across_px)
            for item, width in zip(row, widths, strict=True):
                if move:
                    left = rect.x() + rect.right() - (x + width - 1) if from_right else x
                    item.setGeometry(QRect(QPoint(left, y), QSize(width, height)))
                x += width + self._across_px
            y += height + (self._down_px if number < len(rows) - 1 else 0)
        return y - rect.y()

    def _rows(self, width: int) -> list[list[QLayoutItem]]:
        rows: list[list[QLayoutItem]] = []
        left = -1
        for item in self._shown():
            needs = item.minimumSize().width()
            if not rows or left < needs + self._across_px:
                rows.append([])
                left = width + self._across_px
            rows[-1].append(item)
            left -= needs + self._across_px
        return rows

    def _even_rows(self, width: int) -> list[list[QLayoutItem]]:
        items = self._shown()
        if not items:
            return []
        needs = max(item.minimumSize().width() for item in items) + self._across_px
        fitting = min(max(1, (width + self._across_px) // needs), len(items))
        across = math.ceil(len(items) / math.ceil(len(items) / fitting))
        return [items[begin : begin + across] for begin in range(0, len(items), across)]

    def _widths(self, row: list[QLayoutItem], width: int, *, across: int) -> list[int]:
        if self._even:
            return [(width - (across - 1) * self._across_px) // across] * len(row)
        needs = [item.minimumSize().width() for item in row]
        stretches = [self._stretches.get(item.widget(), 0) for item in row]
        spare = max(0, width - sum(needs) - (len(row) - 1) * self._across_px)
        total = max(1, sum(stretches))
        return [need + spare * stretch // total for need, stretch in zip(needs, stretches, strict=True)]


class Cell(QWidget):
    """A control under its name, with room for a few muted words beside the name.

    Attributes:
        about: the words beside the name; empty ones take no room.
    """

    def __init__(self, words: str, control: QWidget, *, characters: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        name = QLabel(words)
        name.setBuddy(control)
        self.about = ElidedLabel()
        self.about.setProperty("role", "muted")
        self.about.hide()
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(name)
        head.addWidget(self.about, 1)
        head.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(control)
        column.addStretch()
        self._column, self._characters = column, characters

    def say(self, words: str) -> None:
        """Put words beside the name."""
        self.about.setText(words)
        self.about.setToolTip(words)
        self.about.setVisible(bool(words))

    def add_below(self, widget: QWidget) -> None:
        """Put something beneath the control, such as what is wrong with it."""
        self._column.insertWidget(self._column.count() - 1, widget)

    def minimumSizeHint(self) -> QSize:
        least = super().minimumSizeHint()
        return least.expandedTo(QSize(self.fontMetrics().averageCharWidth() * self._characters, 0))


def _height(item: QLayoutItem, width: int) -> int:
    return item.heightForWidth(width) if item.hasHeightForWidth() else item.sizeHint().height()

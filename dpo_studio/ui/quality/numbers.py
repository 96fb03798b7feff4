"""Every number of the report in a quiet table, each with what it means and a way to what is behind it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QWidget

from dpo_studio.core.report_words import Row
from dpo_studio.ui import theme

from .evidence import Evidence

#: Least widths of a number's name and of the number itself.
_NAME_CHARACTERS, _VALUE_CHARACTERS = 20, 16


class Numbers(QFrame):
    """Rows of numbers under a title.

    Signals:
        wanted: (Evidence) what is behind a number was asked for.
    """

    wanted = Signal(object)

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._title = title
        self.buttons: list[QPushButton] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
        self._grid.setHorizontalSpacing(theme.SPACE_L)
        self._grid.setVerticalSpacing(theme.SPACE_S)
        for column, stretch in enumerate((2, 2, 3)):
            self._grid.setColumnStretch(column, stretch)
        theme.notifier().changed.connect(self._fit)
        self._fit()

    def _fit(self) -> None:
        for column, characters in enumerate((_NAME_CHARACTERS, _VALUE_CHARACTERS)):
            self._grid.setColumnMinimumWidth(column, self.fontMetrics().averageCharWidth() * characters)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these in place of the ones before."""
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.buttons = []
        heading = QLabel(self._title)
        heading.setProperty("role", "subheading")
        self._grid.addWidget(heading, 0, 0, 1, 4)
        for number, row in enumerate(rows, 1):
            for column, (text, role) in enumerate(((row.name, ""), (row.value, ""), (row.why, "muted"))):
                label = QLabel(text)
                label.setTextFormat(Qt.TextFormat.PlainText)
                label.setWordWrap(True)
                label.setProperty("role", role)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                self._grid.addWidget(label, number, column, Qt.AlignmentFlag.AlignTop)
            if row.groups:
                button = QPushButton("Show")
                button.setProperty("role", "link")
                button.setAccessibleName(f"Show the labels: {row.name}")
                behind = Evidence(row.name, row.groups, row.rankings, reading=row.reading)
                button.clicked.connect(lambda _=False, behind=behind: self.wanted.emit(behind))
                self._grid.addWidget(button, number, 3, Qt.AlignmentFlag.AlignTop)
                self.buttons.append(button)

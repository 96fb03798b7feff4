"""F1 or ?: the keys of this page and those of the window."""

from __future__ import annotations

import re
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from . import theme
from .overlay import Overlay
from .page import KeyHelp

WINDOW_KEYS = (
    KeyHelp("Ctrl+K", "Find any action"),
    KeyHelp("Ctrl+1, Ctrl+2, …", "Go to a page of the rail, from the top"),
    KeyHelp("Ctrl+Z", "Undo the last label or edit"),
    KeyHelp("Ctrl+= or Ctrl+-", "Larger or smaller text"),
    KeyHelp("F1 or ?", "These keys"),
    KeyHelp("Esc", "Close this, or dismiss a message"),
)
_BETWEEN_KEYS = re.compile(r"( or | and | then | … |, )")


class KeyOverview(Overlay):
    """Keycaps and what they do."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._heading = QLabel()
        self._heading.setProperty("role", "subheading")
        self.close_button = QPushButton("Close")
        self.close_button.clicked.connect(self.close_overlay)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setAccessibleName("Keys")
        top = QHBoxLayout()
        top.addWidget(self._heading, 1)
        top.addWidget(self.close_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_XL, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        column.setSpacing(theme.SPACE_M)
        column.addLayout(top)
        column.addWidget(self._scroll, 1)

    def open_with(self, title: str, keys: Sequence[KeyHelp]) -> None:
        """Show a page's keys, then the window's."""
        self._heading.setText(f"Keys: {title}" if title else "Keys")
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, theme.SPACE_S, 0)
        grid.setHorizontalSpacing(theme.SPACE_XL)
        grid.setVerticalSpacing(theme.SPACE_S)
        grid.setColumnStretch(1, 1)
        for line in keys:
            self._add_line(grid, line)
        everywhere = QLabel("Everywhere")
        everywhere.setProperty("role", "muted")
        everywhere.setContentsMargins(0, theme.SPACE_M, 0, 0)
        grid.addWidget(everywhere, grid.rowCount(), 0, 1, 2)
        for line in WINDOW_KEYS:
            self._add_line(grid, line)
        grid.setRowStretch(grid.rowCount(), 1)
        self._scroll.setWidget(content)
        around = self.close_button.sizeHint().height() + 2 * theme.SPACE_L + theme.SPACE_M
        self.wanted_height = content.sizeHint().height() + around + theme.SPACE_S
        self.open(self.close_button)

    def _add_line(self, grid: QGridLayout, line: KeyHelp) -> None:
        row = grid.rowCount()
        caps = QHBoxLayout()
        caps.setSpacing(4)
        for part in _BETWEEN_KEYS.split(line.keys):
            label = QLabel(part.strip())
            label.setProperty("role", "muted" if _BETWEEN_KEYS.fullmatch(part) else "key")
            caps.addWidget(label, 0, Qt.AlignmentFlag.AlignVCenter)
        caps.addStretch(1)
        grid.addLayout(caps, row, 0, Qt.AlignmentFlag.AlignTop)
        does = QLabel(line.does)
        does.setWordWrap(True)
        does.setContentsMargins(0, 2, 0, 0)
        grid.addWidget(does, row, 1, Qt.AlignmentFlag.AlignTop)

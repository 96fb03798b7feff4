"""What the labels lean towards, beside what will be trained, with a way to all that is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from dpo_studio.ui import theme

from .label_warnings import label_warnings

if TYPE_CHECKING:
    from dpo_studio.store.runs import TrainingData


class WarningsRow(QWidget):
    """Warnings about the labels; hidden where there are none.

    Signals:
        quality_wanted: the person wants to see what is behind them.
    """

    quality_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel()
        self.label.setProperty("role", "warning")
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.button = QPushButton("See Quality")
        self.button.setProperty("role", "ghost")
        self.button.setAccessibleName("See what the labels are worth, on Quality")
        self.button.clicked.connect(self.quality_wanted)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_data(self, data: TrainingData) -> None:
        """Look at the labels that would train."""
        found = label_warnings(data)
        self.label.setText("\n".join(found))
        self.setVisible(bool(found))

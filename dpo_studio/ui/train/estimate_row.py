"""The sentence beside the Train button, and the small button that has a step measured."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from dpo_studio.ui import theme

WHAT_IT_DOES = (
    "Loads the model and takes two steps on a few of your rankings, the longest among them, in the background."
    " Nothing is kept but how long they took and how much memory they held."
)
NOT_NOW = "Another job is at work; a step measured now would say too much."


class EstimateRow(QWidget):
    """How many steps, how long, how much memory.

    Signals:
        asked: the button was pressed: to measure, or to end measuring.
    """

    asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setProperty("role", "muted")
        self.button = QPushButton("Measure")
        self.button.setProperty("role", "ghost")
        self.button.clicked.connect(self.asked)
        self.button.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignVCenter)

    def offer(self, *, measuring: bool, can_measure: bool, busy: bool) -> None:
        """What the button is for now.

        Args:
            can_measure: there is something that was not measured yet.
            busy: another job has the machine.
        """
        self.button.setVisible(measuring or can_measure)
        self.button.setText("Cancel" if measuring else "Measure")
        self.button.setAccessibleName("Cancel measuring" if measuring else "Measure time and memory")
        self.button.setEnabled(measuring or not busy)
        self.button.setToolTip("" if measuring else NOT_NOW if busy else WHAT_IT_DOES)

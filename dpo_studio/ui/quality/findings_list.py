"""What stands out, as cards on top of the page, each with a button that leads to what is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dpo_studio.core import report_words
from dpo_studio.ui import theme

from .evidence import Evidence


class FindingsList(QWidget):
    """A card for each finding.

    Signals:
        wanted: (Evidence) what is behind a finding was asked for.
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: list[QPushButton] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.SPACE_S)
        self._cards: list[QWidget] = []

    def show_findings(self, findings: Sequence[Mapping[str, Any]], nothing: str) -> None:
        """Show these, or a sentence where there are none."""
        for card in self._cards:
            self._layout.removeWidget(card)
            card.deleteLater()
        self._cards, self.buttons = [], []
        for finding in findings:
            self._add(self._card(finding))
        if not findings:
            self._add(_wrapped(nothing, "good" if nothing else ""))
        self._add(_wrapped(report_words.CAUTION, "muted"))

    def _card(self, finding: Mapping[str, Any]) -> QFrame:
        card = QFrame()
        card.setProperty("role", "card")
        row = QHBoxLayout(card)
        row.setContentsMargins(theme.SPACE_L, theme.SPACE_S, theme.SPACE_S, theme.SPACE_S)
        row.setSpacing(theme.SPACE_L)
        row.addWidget(_wrapped(finding["sentence"], "warning"), 1)
        behind = Evidence.of(finding)
        if behind.button:
            button = QPushButton(behind.button)
            button.setAccessibleName(f"{behind.button}: {behind.sentence}")
            button.clicked.connect(lambda: self.wanted.emit(behind))
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
            self.buttons.append(button)
        return card

    def _add(self, widget: QWidget) -> None:
        self._cards.append(widget)
        self._layout.addWidget(widget)


def _wrapped(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setWordWrap(True)
    label.setProperty("role", role)
    return label

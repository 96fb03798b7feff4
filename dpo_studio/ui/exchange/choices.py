"""The cards one chooses from: a title, a sentence, and the whole card is the button."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QLabel, QLayout, QRadioButton, QVBoxLayout, QWidget

from dpo_studio.ui import theme

#: Where a radio button's words begin: its frame, its circle and the gap after it.
_BESIDE_BUTTON = 31
_LEAST_CHARACTERS = 26


class ChoiceCard(QFrame):
    """One choice. `radio` is its button: put those of all cards in one QButtonGroup."""

    def __init__(self, value: str, title: str, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.value = value
        self.radio = QRadioButton(title)
        self.radio.setAccessibleName(title)
        self.radio.toggled.connect(self._on_toggled)
        self._sentence = QLabel()
        self._sentence.setProperty("role", "muted")
        self._sentence.setWordWrap(True)
        self._sentence.setContentsMargins(_BESIDE_BUTTON, 0, 0, 0)
        self.setProperty("role", "card")
        layout = QVBoxLayout(self)
        _set_margins(layout, selected=False)
        layout.setSpacing(theme.SPACE_S // 2)
        layout.addWidget(self.radio)
        layout.addWidget(self._sentence)
        layout.addStretch(1)
        self.describe(sentence)

    def minimumSizeHint(self) -> QSize:
        """Wide enough to be read: where there is less room, cards stand below one another."""
        least = self.fontMetrics().averageCharWidth() * _LEAST_CHARACTERS
        return super().minimumSizeHint().expandedTo(QSize(least, 0))

    def describe(self, sentence: str) -> None:
        self._sentence.setText(sentence)
        self.radio.setAccessibleDescription(sentence)

    def set_available(self, available: bool) -> None:
        self.setEnabled(available)
        self.setCursor(Qt.CursorShape.PointingHandCursor if available else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.radio.setChecked(True)
            self.radio.setFocus()
        super().mouseReleaseEvent(event)

    def _on_toggled(self, checked: bool) -> None:
        theme.set_role(self, "card-selected" if checked else "card")
        _set_margins(self.layout(), selected=checked)


def _set_margins(layout: QLayout | None, *, selected: bool) -> None:
    """The selected card's border is a pixel wider; its text stays where it is."""
    assert layout is not None
    margin = theme.SPACE_M - selected
    layout.setContentsMargins(margin, margin, margin, margin)

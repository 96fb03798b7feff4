"""What a run trains: an adapter or the whole model, each with a sentence."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QLabel, QRadioButton, QVBoxLayout, QWidget

from dpo_studio.core.settings import TRAINS
from dpo_studio.ui import theme

NAMES = {"lora": "An adapter", "full": "The whole model"}


class TrainsChoice(QFrame):
    """The choice as a card.

    Signals:
        chosen: (key of TRAINS) the person chose it.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        title = QLabel("What is trained")
        title.setProperty("role", "subheading")
        layout.addWidget(title)
        self.buttons: dict[str, QRadioButton] = {}
        group = QButtonGroup(self)
        for key, sentence in TRAINS.items():
            button = QRadioButton(NAMES[key])
            button.setAccessibleDescription(sentence)
            button.clicked.connect(lambda _=False, key=key: self.chosen.emit(key))
            group.addButton(button)
            self.buttons[key] = button
            note = QLabel(sentence)
            note.setProperty("role", "muted")
            note.setWordWrap(True)
            note.setContentsMargins(31, 0, 0, 0)
            box = QVBoxLayout()
            box.setSpacing(0)
            box.addWidget(button)
            box.addWidget(note)
            layout.addLayout(box)
        self.buttons["lora"].setChecked(True)

    @property
    def value(self) -> str:
        """The key of TRAINS that is chosen."""
        return next(key for key, button in self.buttons.items() if button.isChecked())

    def choose(self, key: str) -> None:
        """Set it without a signal."""
        self.buttons[key].setChecked(True)

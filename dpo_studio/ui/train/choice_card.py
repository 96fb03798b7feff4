"""A card that offers choices: a title, and radio buttons with a sentence under each."""

from __future__ import annotations

from PySide6.QtWidgets import QButtonGroup, QFrame, QLabel, QRadioButton, QVBoxLayout, QWidget

from dpo_studio.ui import theme

#: Where a radio button's text begins.
_INDENT = 31


class ChoiceCard(QFrame):
    """The frame of such a card; its choices are added by who makes it.

    Attributes:
        column: the card's layout, below the title.
        buttons: the radio buttons by name.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        self.column.setSpacing(theme.SPACE_M)
        heading = QLabel(title)
        heading.setProperty("role", "subheading")
        self.column.addWidget(heading)
        self.buttons: dict[str, QRadioButton] = {}
        self._group = QButtonGroup(self)

    def add_button(self, name: str, title: str, sentence: str) -> QRadioButton:
        """A radio button of this card, for whoever places it."""
        button = QRadioButton(title)
        button.setAccessibleDescription(sentence)
        self._group.addButton(button)
        self.buttons[name] = button
        return button

    def add_choice(self, name: str, title: str, sentence: str) -> QRadioButton:
        """A radio button with its sentence under it, at the end of the card."""
        button = self.add_button(name, title, sentence)
        box = QVBoxLayout()
        box.setSpacing(0)
        box.addWidget(button)
        box.addWidget(note(sentence))
        self.column.addLayout(box)
        return button

    def checked(self) -> str:
        """The name of the button that is checked."""
        return next(name for name, button in self.buttons.items() if button.isChecked())


def note(text: str, role: str = "muted") -> QLabel:
    """A sentence that stands under a radio button's text."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setProperty("role", role)
    label.setContentsMargins(_INDENT, 0, 0, 0)
    return label

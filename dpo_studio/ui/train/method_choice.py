"""Which method trains: two in plain sight, all others behind one more button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QRadioButton, QVBoxLayout, QWidget

from dpo_studio.core.methods import MAIN_METHODS, METHODS
from dpo_studio.ui import theme

from .advanced_form import Choice

OTHER = "other"
OTHERS = tuple(name for name in METHODS if name not in MAIN_METHODS)
CHOICE_WIDTH = 260


class MethodChoice(QFrame):
    """A card with the methods, a sentence each saying when one would want it.

    Signals:
        chosen: the person chose a method (`method`).
    """

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        title = QLabel("Method")
        title.setProperty("role", "subheading")
        layout.addWidget(title)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QRadioButton] = {}
        for name in MAIN_METHODS:
            method = METHODS[name]
            layout.addLayout(_stacked(self._button(name, method.title, method.sentence), _note(method.sentence)))
        layout.addLayout(self._build_others())
        self.problem = _note("", "error")
        self.problem.hide()
        layout.addWidget(self.problem)
        self.set_method(MAIN_METHODS[0])

    @property
    def method(self) -> str:
        """The name of the method that is chosen."""
        name = next(name for name, button in self.buttons.items() if button.isChecked())
        return str(self.others.currentData()) if name == OTHER else name

    def set_method(self, method: str) -> None:
        """Choose a method for the person; says nothing."""
        self.buttons[method if method in MAIN_METHODS else OTHER].setChecked(True)
        if method in OTHERS:
            self.others.blockSignals(True)
            self.others.setCurrentIndex(self.others.findData(method))
            self.others.blockSignals(False)
        self._show_others()

    def show_problem(self, sentence: str) -> None:
        """Say why the method cannot use the rankings; nothing where it can."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    def _build_others(self) -> QVBoxLayout:
        button = self._button(OTHER, "Another method", "For special cases")
        self.others = Choice()
        self.others.setMinimumWidth(CHOICE_WIDTH)
        self.others.setMaxVisibleItems(len(OTHERS))
        self.others.setAccessibleName("Other methods")
        for name in OTHERS:
            self.others.addItem(METHODS[name].title, name)
            self.others.setItemData(self.others.count() - 1, METHODS[name].sentence, Qt.ItemDataRole.ToolTipRole)
        self.others.activated.connect(self._on_other_chosen)
        self.others_note = _note("")
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_M)
        row.addWidget(button)
        row.addWidget(self.others)
        row.addStretch(1)
        box = QVBoxLayout()
        box.setSpacing(theme.SPACE_S)
        box.addLayout(row)
        box.addWidget(self.others_note)
        return box

    def _button(self, name: str, title: str, sentence: str) -> QRadioButton:
        button = QRadioButton(title)
        button.setAccessibleDescription(sentence)
        button.clicked.connect(self._on_chosen)
        self._group.addButton(button)
        self.buttons[name] = button
        return button

    def _on_other_chosen(self) -> None:
        self.buttons[OTHER].setChecked(True)
        self._on_chosen()

    def _on_chosen(self) -> None:
        self._show_others()
        self.chosen.emit()

    def _show_others(self) -> None:
        method = METHODS[str(self.others.currentData())]
        is_other = self.buttons[OTHER].isChecked()
        self.others_note.setText(f"{method.sentence} ({_unbroken(method.paper)})" if is_other else "")
        self.others_note.setVisible(is_other)
        self.others.setAccessibleDescription(method.sentence)


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _note(text: str, role: str = "muted") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setProperty("role", role)
    label.setContentsMargins(31, 0, 0, 0)
    return label


def _stacked(*widgets: QWidget) -> QVBoxLayout:
    box = QVBoxLayout()
    box.setSpacing(0)
    for widget in widgets:
        box.addWidget(widget)
    return box

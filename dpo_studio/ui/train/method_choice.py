"""Which method trains: two in plain sight, all others behind one more button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dpo_studio.core.methods import MAIN_METHODS, METHODS
from dpo_studio.ui import theme

from .advanced_form import Choice
from .choice_card import ChoiceCard, note

OTHER = "other"
OTHERS = tuple(name for name in METHODS if name not in MAIN_METHODS)
CHOICE_WIDTH = 260


class MethodChoice(ChoiceCard):
    """A card with the methods, a sentence each saying when one would want it.

    Signals:
        chosen: the person chose a method (`method`).
    """

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Method", parent)
        for name in MAIN_METHODS:
            method = METHODS[name]
            self.add_choice(name, method.title, method.sentence).clicked.connect(self._on_chosen)
        self.column.addLayout(self._build_others())
        self.problem = note("", "error")
        self.problem.hide()
        self.column.addWidget(self.problem)
        self.set_method(MAIN_METHODS[0])

    @property
    def method(self) -> str:
        """The name of the method that is chosen."""
        name = self.checked()
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
        button = self.add_button(OTHER, "Another method", "For special cases")
        button.clicked.connect(self._on_chosen)
        self.others = Choice()
        self.others.setMinimumWidth(CHOICE_WIDTH)
        self.others.setMaxVisibleItems(len(OTHERS))
        self.others.setAccessibleName("Other methods")
        for name in OTHERS:
            self.others.addItem(METHODS[name].title, name)
            self.others.setItemData(self.others.count() - 1, METHODS[name].sentence, Qt.ItemDataRole.ToolTipRole)
        self.others.activated.connect(self._on_other_chosen)
        self.others_note = note("")
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

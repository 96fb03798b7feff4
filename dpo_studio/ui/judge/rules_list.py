"""The rules a judge can go by, each with a box to tick and a field for what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from dpo_studio.core.judge_rules import FORMATS, RULES
from dpo_studio.ui import theme

_FIELD_WIDTH = 22
_EXAMPLES = {"shorter": "20", "longer": "20", "max-words": "80", "matches": "^Yes", "avoids": "(?i)as an AI"}


class RulesList(QWidget):
    """Ticked rules, in the order in which they were ticked: the first that tells two answers apart decides.

    Signals:
        changed: other rules are chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes: dict[str, QCheckBox] = {}
        self.fields: dict[str, QLineEdit | QComboBox] = {}
        self._order: list[str] = []
        self._told = QLabel()
        self._told.setProperty("role", "muted")
        self._told.setWordWrap(True)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(theme.SPACE_S)
        grid.setColumnStretch(1, 1)
        for row, (name, kind) in enumerate(RULES.items()):
            box = QCheckBox(name)
            box.setAccessibleName(f"Rule {name}: {kind.says}")
            box.setToolTip(kind.says)
            box.toggled.connect(lambda on, name=name: self._on_toggled(name, on))
            self.boxes[name] = box
            says = QLabel(kind.says)
            says.setProperty("role", "muted")
            says.setWordWrap(True)
            grid.addWidget(box, row, 0)
            grid.addWidget(says, row, 1)
            if kind.argument:
                self.fields[name] = self._field(name, kind.argument.strip("[]"))
                grid.addWidget(self.fields[name], row, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(grid)
        column.addWidget(self._told)
        self._tell()

    def chosen(self) -> tuple[str, ...]:
        """The rules as they are written, such as "shorter" or "max-words:80"; they may lack what they need."""
        return tuple(self._written(name) for name in self._order)

    def choose(self, rules: Sequence[str]) -> None:
        """Tick these and no others."""
        for box in self.boxes.values():
            box.setChecked(False)
        for text in rules:
            name, _, argument = text.partition(":")
            field = self.fields.get(name)
            if isinstance(field, QLineEdit):
                field.setText(argument)
            elif field is not None and argument in FORMATS:
                field.setCurrentText(argument)
            if name in self.boxes:
                self.boxes[name].setChecked(True)

    def _field(self, name: str, argument: str) -> QLineEdit | QComboBox:
        if name == "format":
            combo = QComboBox()
            combo.addItems(list(FORMATS))
            combo.setAccessibleName("Format")
            combo.currentTextChanged.connect(self._on_argument)
            return combo
        field = QLineEdit()
        field.setPlaceholderText(f"{argument}, such as {_EXAMPLES[name]}")
        field.setAccessibleName(f"What {name} needs: {argument}")
        field.setFixedWidth(_FIELD_WIDTH * self.fontMetrics().averageCharWidth())
        field.textChanged.connect(self._on_argument)
        return field

    def _written(self, name: str) -> str:
        field = self.fields.get(name)
        if field is None:
            return name
        argument = field.text().strip() if isinstance(field, QLineEdit) else field.currentText()
        return f"{name}:{argument}" if argument else name

    def _on_toggled(self, name: str, on: bool) -> None:
        self._order = [other for other in self._order if other != name] + ([name] if on else [])
        self._on_argument()

    def _on_argument(self) -> None:
        self._tell()
        self.changed.emit()

    def _tell(self) -> None:
        if len(self._order) > 1:
            self._told.setText(f"The first that tells two answers apart decides: {', then '.join(self.chosen())}.")
        else:
            self._told.setText(
                "Tick several, and the first that tells two answers apart decides; the next breaks ties."
            )

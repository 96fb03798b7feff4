"""Asking a judge: by rules or by a model, with the project's principles written where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.ui import theme
from dpo_studio.ui.generate.model_choice import ModelChoice
from dpo_studio.ui.overlay import Overlay

from .rules_list import RulesList

KINDS = (("rules", "By rules"), ("model", "By a model and written principles"))
_WHAT = (
    "A judge ranks what you have not ranked yet, or what you have, to compare. Its rankings are kept apart from yours:"
    " you see them after your own label, and training and exports leave them out unless you ask for them."
)
_PRINCIPLES = (
    "The model is shown two answers at a time and decides by this text alone. It is kept in the project; another text"
    " makes another judge, which starts afresh."
)
_ROWS = 7


class JudgeForm(Overlay):
    """The form over the page. It stays when the focus leaves it; Esc closes it, Ctrl+Enter starts.

    Signals:
        start_asked: a judge is to start; `choice` and `principles` say which.
        changed: something else is chosen.
        left: it was closed; what is written in it is to be kept.
    """

    start_asked = Signal()
    changed = Signal()
    left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Ask a judge")
        self.kinds = QButtonGroup(self)
        self.rules = RulesList()
        self.model = ModelChoice()
        self.model.setAccessibleName("Model that judges")
        self.principles = QPlainTextEdit()
        self.principles.setAccessibleName("Principles")
        self.principles.setPlaceholderText("What makes an answer better, one principle a line.")
        self.principles.setTabChangesFocus(True)
        self.limit = QSpinBox()
        self.limit.setRange(0, 10_000_000)
        self.limit.setSpecialValueText("all")
        self.limit.setAccessibleName("How many comparisons at most; 0 is all")
        self.waiting = _label("muted")
        self.waiting.setAccessibleName("How many wait for this judge")
        self.problem = _label("error")
        self.problem.setAccessibleName("What is wrong")
        self.problem.hide()
        self.start_button = QPushButton("Start judging")
        self.start_button.setProperty("role", "primary")
        self.start_button.setToolTip("Ctrl+Enter")
        self.close_button = QPushButton("Close")
        self.close_button.setToolTip("Esc")
        self._by_model = self._model_part()
        self._lay_out()
        self.kinds.idToggled.connect(lambda _number, on: self._on_kind() if on else None)
        self.rules.changed.connect(self._on_changed)
        self.model.changed.connect(self._on_changed)
        self.principles.textChanged.connect(self._on_changed)
        self.start_button.clicked.connect(self.start_asked)
        self.close_button.clicked.connect(self.close_overlay)
        self.kinds.button(0).setChecked(True)

    @property
    def kind(self) -> str:
        """One of the names in KINDS."""
        return KINDS[max(self.kinds.checkedId(), 0)][0]

    def choice(self) -> dict[str, Any]:
        """What is chosen, as it is remembered from one time to the next."""
        return {"kind": self.kind, "rules": list(self.rules.chosen()), "limit": self.limit.value()}

    def show_choice(self, choice: Mapping[str, Any]) -> None:
        """Show what was chosen before; what cannot be read of it stays as it is."""
        names = [name for name, _ in KINDS]
        if choice.get("kind") in names:
            self.kinds.button(names.index(choice["kind"])).setChecked(True)
        if isinstance(choice.get("rules"), list):
            self.rules.choose([str(rule) for rule in choice["rules"]])
        if isinstance(choice.get("limit"), int):
            self.limit.setValue(choice["limit"])

    def show_problem(self, sentence: str) -> None:
        """Say in place what is wrong; an empty sentence takes it away."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    def close_overlay(self) -> None:
        if not self.isHidden():
            self.left.emit()
        super().close_overlay()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.start_asked.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.close_overlay()
        # Nothing else goes on to the page under it: its keys label.

    def _on_focus_changed(self, _before: QWidget | None, _after: QWidget | None) -> None:
        """Stay: what is being written must not vanish at a click beside it."""

    def _on_kind(self) -> None:
        self.rules.setVisible(self.kind == "rules")
        self._by_model.setVisible(self.kind == "model")
        self._on_changed()

    def _on_changed(self) -> None:
        self.show_problem("")
        if self.isVisible():
            self._place()
        self.changed.emit()

    def _lay_out(self) -> None:
        heading = _label("heading", "Ask a judge")
        kinds = QHBoxLayout()
        kinds.setSpacing(theme.SPACE_XL)
        for number, (_, words) in enumerate(KINDS):
            button = QRadioButton(words)
            self.kinds.addButton(button, number)
            kinds.addWidget(button)
        kinds.addStretch(1)
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(0, 0, theme.SPACE_M, 0)
        inner.setSpacing(theme.SPACE_M)
        inner.addWidget(heading)
        inner.addWidget(_label("muted", _WHAT))
        inner.addLayout(kinds)
        inner.addWidget(self.rules)
        inner.addWidget(self._by_model)
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_M)
        at_most = QLabel("At most")
        at_most.setBuddy(self.limit)
        for widget in (at_most, self.limit):
            row.addWidget(widget)
        row.addWidget(self.waiting, 1)
        row.addWidget(self.close_button)
        row.addWidget(self.start_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        column.setSpacing(theme.SPACE_M)
        column.addWidget(scroll, 1)
        column.addWidget(self.problem)
        column.addLayout(row)
        self._scroll = scroll

    def _model_part(self) -> QWidget:
        page = QWidget()
        model = QLabel("Model")
        model.setBuddy(self.model)
        principles = QLabel("Principles")
        principles.setBuddy(self.principles)
        self.principles.setFixedHeight(_ROWS * self.fontMetrics().lineSpacing() + theme.SPACE_L)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        for widget in (model, self.model, self.model.other_row, self.model.server_row, principles):
            column.addWidget(widget)
        column.addWidget(_label("muted", _PRINCIPLES))
        column.addWidget(self.principles)
        return page

    def _place(self) -> None:
        inside = self._scroll.widget()
        inside.layout().activate()
        width = min(self.fontMetrics().averageCharWidth() * 100, self.parentWidget().width() - 2 * theme.SPACE_XL)
        height = inside.layout().heightForWidth(width - 3 * theme.SPACE_L)
        below = self.start_button.sizeHint().height() + self.problem.sizeHint().height()
        self.wanted_height = height + below + 4 * theme.SPACE_L
        super()._place()


def _label(role: str, text: str = "") -> QLabel:
    made = QLabel(text)
    made.setProperty("role", role)
    made.setWordWrap(role != "heading")
    return made

"""The numbers behind a preset, and the texts that end an answer: one field each, its problem beneath it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QWidget

from dpo_studio.core.settings import Problem, SamplingSettings, SettingsError
from dpo_studio.core.stop_texts import from_lines, to_lines
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import Cell, FlowLayout

_STOP_LINES, _AROUND_LINES_PX = 2, 22
#: What each is called and what it does, in their order.
_FIELDS: dict[str, tuple[str, str]] = {
    "temperature": ("Temperature", "0 always takes the likeliest word; higher is more adventurous."),
    "top_p": ("Top-p", "Draw among the likeliest words that together have this probability."),
    "top_k": ("Top-k", "Draw among this many likeliest words; 0 is all."),
    "min_p": ("Min-p", "Leave out words less likely than this share of the likeliest."),
    "repetition_penalty": ("Repetition penalty", "Above 1, words that were said become less likely."),
    "max_new_tokens": ("Longest answer (tokens)", "An answer is cut here."),
    "seed": ("Seed", "The same seed and settings give the same answers again."),
    "stop": (
        "Stop texts (one a line)",
        "An answer ends before the first of these texts, once something was said. \\n is a line break.",
    ),
}


class StopField(QPlainTextEdit):
    """Texts that end an answer, one a line. Tab leaves it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setPlaceholderText("none")
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._fit()
        theme.notifier().changed.connect(self._fit)

    def text(self) -> tuple[str, ...]:
        """The texts that were meant."""
        return from_lines(self.toPlainText())

    def setText(self, texts: tuple[str, ...]) -> None:
        self.setPlainText(to_lines(texts))

    def _fit(self) -> None:
        self.setFixedHeight(self.fontMetrics().lineSpacing() * _STOP_LINES + _AROUND_LINES_PX)


class NumberFields(QWidget):
    """Every sampling setting but the number of answers.

    Signals:
        edited: a person changed one of them.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fields: dict[str, QLineEdit | StopField] = {}
        self.problems: dict[str, QLabel] = {}
        flow = FlowLayout(self, spacing=theme.SPACE_L, row_spacing=theme.SPACE_S, even=True)
        for name, (words, meaning) in _FIELDS.items():
            field = StopField() if name == "stop" else QLineEdit()
            field.setAccessibleName(words)
            field.setAccessibleDescription(meaning)
            field.setToolTip(meaning)
            field.textChanged.connect(self.edited)
            problem = QLabel()
            problem.setProperty("role", "error")
            problem.setWordWrap(True)
            problem.hide()
            cell = Cell(words, field)
            cell.setToolTip(meaning)
            cell.add_below(problem)
            flow.add(cell)
            self.fields[name], self.problems[name] = field, problem

    def values(self) -> tuple[dict[str, Any], list[Problem]]:
        """The settings by name, and what is wrong with those that cannot be read."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, field in self.fields.items():
            text = field.text()
            try:
                given = {name: text.strip() if isinstance(text, str) else text}
                values[name] = getattr(SamplingSettings.from_json(given), name)
            except SettingsError as error:
                problems.extend(error.problems)
        return values, problems

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show these settings; `edited` is not emitted."""
        before = self.blockSignals(True)
        for name, value in values.items():
            field = self.fields[name]
            if isinstance(field, StopField):
                field.setText(tuple(value))
            else:
                field.setText(str(value) if isinstance(value, int) else f"{value:g}")
        self.blockSignals(before)

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Say what is wrong beneath its field, and nothing beneath the others."""
        for name, label in self.problems.items():
            label.setText(problems.get(name, ""))
            label.setVisible(name in problems)
            set_invalid(self.fields[name], name in problems)

    def go_to(self, name: str) -> None:
        """Focus a field, with what it holds selected."""
        field = self.fields.get(name)
        if field is not None:
            field.setFocus()
            field.selectAll()


def set_invalid(field: QWidget, invalid: bool) -> None:
    """Mark a field whose content cannot be used."""
    if field.property("invalid") != invalid:
        field.setProperty("invalid", invalid)
        field.style().unpolish(field)
        field.style().polish(field)

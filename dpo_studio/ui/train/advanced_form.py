"""Every training setting as a field, with what it does and, where it cannot be used, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from dpo_studio.core.settings import Problem, SettingsError, TrainingSettings
from dpo_studio.ui import theme

from .fields import METHOD_FIELDS, Field

CHOICE_WIDTH, NUMBER_WIDTH = 200, 120
ROW_SPACING = 6


SECTIONS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    (
        "What is learnt",
        (
            *METHOD_FIELDS,
            Field("max_length", "Longest text", "tokens of prompt and answer; 0 is the model's own limit"),
            Field(
                "too_long",
                "Longer texts",
                "what is done with a prompt that is longer with its answers",
                (("shorten", "drop the oldest turns"), ("leave_out", "leave out")),
            ),
        ),
    ),
    (
        "How fast",
        (
            Field("learning_rate", "Learning rate", "how far a step goes; too low teaches nothing"),
            Field("epochs", "Passes", "how often each ranking is seen"),
            Field("batch_groups", "Rankings a step", "how many are looked at before the model changes"),
            Field("max_steps", "Most steps", "stop after this many; 0 for all passes"),
            Field("warmup_ratio", "Warm-up", "the share of the steps with a rising learning rate"),
            Field("weight_decay", "Weight decay", "draws what is trained towards zero; 0 is usual here"),
            Field("max_grad_norm", "Gradient limit", "longer gradients are scaled down to this length"),
            Field("seed", "Seed", "of the rankings' order and the adapter's beginning"),
        ),
    ),
    (
        "The adapter",
        (
            Field("lora_rank", "Rank", "how much the adapter can hold, and its size on disk"),
            Field("lora_alpha", "Alpha", "the adapter counts alpha/rank times"),
            Field("lora_dropout", "Dropout", "the share of the adapter that a step leaves out at random"),
            Field("lora_targets", "Layers", "all-linear, attention, mlp, or names such as q_proj, v_proj", words=True),
        ),
    ),
    (
        "Measuring and the machine",
        (
            Field("evaluate_every", "Measure every", "steps between measurements; 0: start and end only"),
            Field("fresh_samples", "Fresh answers", "drawn at each measurement to see drift; 0: none"),
            Field("fresh_tokens", "Tokens of each", "a fresh answer is cut there"),
            Field("max_kl", "Drift limit", "nats of KL at which training ends; 0: none"),
            Field("checkpoint_every", "Checkpoint every", "steps between the points a run can resume from"),
            Field(
                "keep",
                "Keep",
                "the best step has the lowest held-out loss",
                (("last", "the last step"), ("best", "the best step")),
            ),
            Field(
                "device",
                "Device",
                "where it trains; the best is a GPU where PyTorch finds one",
                (("auto", "the best there is"), ("cpu", "processor"), ("cuda", "NVIDIA GPU"), ("mps", "Apple GPU")),
            ),
            Field(
                "dtype",
                "Number format",
                "of the model's weights; bfloat16 is half the memory",
                (("auto", "the faster, measured"), ("float32", "float32"), ("bfloat16", "bfloat16")),
            ),
        ),
    ),
)
_OF_ADAPTERS = frozenset({"lora_rank", "lora_alpha", "lora_dropout", "lora_targets"})
FIELDS: tuple[Field, ...] = tuple(field for _, fields in SECTIONS for field in fields)


class Choice(QComboBox):
    """A choice that the wheel changes only where the person is: a form is scrolled past."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class AdvancedForm(QWidget):
    """The settings but the method. What the person typed is kept when the recommendation changes.

    Signals:
        edited: a field holds something else.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recommended = TrainingSettings()
        self._method, self._trains = self._recommended.method, self._recommended.trains
        self._filling = False
        self.fields: dict[str, QLineEdit | QComboBox] = {}
        self._rows: dict[str, list[QWidget]] = {}
        self.problems: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_L)
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.SPACE_L)
        grid.setVerticalSpacing(ROW_SPACING)
        grid.setColumnMinimumWidth(1, CHOICE_WIDTH)
        grid.setColumnStretch(2, 1)
        layout.addLayout(grid)
        for title, fields in SECTIONS:
            self._add_section(grid, title, fields)
        self.fill(self._recommended)

    def fill(self, recommended: TrainingSettings, *, keep_edits: bool = False) -> None:
        """Show these settings; with `keep_edits`, fields that were changed by hand stay as they are."""
        kept = {name: self._text(name) for name in self.changed()} if keep_edits else {}
        self._recommended = recommended
        self._filling = True
        for field in FIELDS:
            self._set_text(field.name, kept.get(field.name, _as_text(getattr(recommended, field.name))))
        self._filling = False
        self.show_problems(())
        self.edited.emit()

    def take(self, settings: TrainingSettings) -> None:
        """Show these settings; `changed` goes on comparing with what is recommended."""
        self._filling = True
        for field in FIELDS:
            self._set_text(field.name, _as_text(getattr(settings, field.name)))
        self._filling = False
        self._on_edited()

    def changed(self) -> list[str]:
        """Names of the fields that say something else than what was recommended."""
        return [f.name for f in FIELDS if self._matters(f, self._method) and not self._same(f.name)]

    def set_method(self, method: str, *, trains: str = "lora") -> None:
        """Show the fields that matter for this method and for what is trained, with the choices that it admits."""
        self._method, self._trains = method, trains
        self._adapter_heading.setVisible(trains != "full")
        for field in FIELDS:
            widget = self.fields[field.name]
            choices = field.choices_for(method)
            if isinstance(widget, QComboBox) and widget.count() != len(choices):
                chosen = widget.currentData()
                widget.blockSignals(True)
                widget.clear()
                for value, words in choices:
                    widget.addItem(words, value)
                widget.setCurrentIndex(max(0, widget.findData(chosen)))
                widget.blockSignals(False)
        self._show_rows()
        self.show_problems(())

    def settings(self, method: str) -> TrainingSettings:
        """What the fields say. Raises SettingsError with a problem for each field that cannot be used."""
        values: dict[str, object] = {"method": method}
        problems: list[Problem] = []
        for field in FIELDS:
            if not self._matters(field, method):
                values[field.name] = getattr(self._recommended, field.name)
                continue
            try:
                parsed = TrainingSettings.from_json({field.name: self._text(field.name)})
            except SettingsError as error:
                problems.extend(error.problems)
                continue
            values[field.name] = getattr(parsed, field.name)
        settings = TrainingSettings.from_json(values)
        bad = {problem.field for problem in problems}
        problems.extend(problem for problem in settings.problems() if problem.field not in bad)
        if problems:
            raise SettingsError(problems)
        return settings

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Put each problem under its field; fields without one are well."""
        by_name: Mapping[str, str] = {problem.field: _with_label(problem) for problem in problems}
        for name, label in self.problems.items():
            message = by_name.get(name, "")
            label.setText(message)
            label.setVisible(bool(message))
            widget = self.fields[name]
            if bool(widget.property("invalid")) != bool(message):
                widget.setProperty("invalid", bool(message))
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    # -- inside ----------------------------------------------------------------------------------

    def _matters(self, field: Field, method: str) -> bool:
        other, value = field.only_with
        return field.matters_for(method) and (not other or self._text(other) == value)

    def _show_rows(self) -> None:
        for field in FIELDS:
            for widget in self._rows[field.name]:
                hidden = self._trains == "full" and field.name in _OF_ADAPTERS
                widget.setVisible(self._matters(field, self._method) and not hidden)

    def _add_section(self, grid: QGridLayout, title: str, fields: Sequence[Field]) -> None:
        """A heading and its fields below what is in the grid: one grid for all, so that their columns are one."""
        head = QLabel(title)
        head.setProperty("role", "subheading")
        head.setContentsMargins(0, theme.SPACE_L if grid.count() else 0, 0, 0)
        if fields[0].name in _OF_ADAPTERS:
            self._adapter_heading = head
        grid.addWidget(head, grid.rowCount(), 0, 1, 3)
        for field in fields:
            widget = self._field(field)
            label = QLabel(field.label)
            label.setBuddy(widget)
            help_label = QLabel(field.help)
            help_label.setProperty("role", "muted")
            help_label.setWordWrap(True)
            problem = QLabel()
            problem.setProperty("role", "error")
            problem.setWordWrap(True)
            problem.hide()
            row = grid.rowCount()
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(help_label, row, 2)
            grid.addWidget(problem, row + 1, 1, 1, 2)
            self.fields[field.name] = widget
            self.problems[field.name] = problem
            self._rows[field.name] = [label, widget, help_label]

    def _field(self, field: Field) -> QLineEdit | QComboBox:
        widget: QLineEdit | QComboBox
        if field.choices:
            widget = Choice()
            for value, words in field.choices:
                widget.addItem(words, value)
            widget.currentIndexChanged.connect(self._on_edited)
        else:
            widget = QLineEdit()
            if not field.words:
                widget.setAlignment(Qt.AlignmentFlag.AlignRight)
            widget.textChanged.connect(self._on_edited)
        widget.setFixedWidth(CHOICE_WIDTH if field.choices or field.words else NUMBER_WIDTH)
        widget.setAccessibleName(field.label)
        widget.setAccessibleDescription(field.help)
        widget.setObjectName(f"train-{field.name}")
        return widget

    def _text(self, name: str) -> str:
        widget = self.fields[name]
        return widget.currentData() if isinstance(widget, QComboBox) else widget.text().strip()

    def _set_text(self, name: str, text: str) -> None:
        widget = self.fields[name]
        if isinstance(widget, QComboBox):
            widget.setCurrentIndex(max(0, widget.findData(text)))
        else:
            widget.setText(text)

    def _same(self, name: str) -> bool:
        expected, text = getattr(self._recommended, name), self._text(name)
        if isinstance(expected, str):
            return text == expected
        try:
            return float(text) == float(expected)
        except ValueError:
            return False

    def _on_edited(self) -> None:
        if not self._filling:
            self._show_rows()
            self.edited.emit()


def _with_label(problem: Problem) -> str:
    """The problem's sentence with the name that the form gives its field."""
    name = problem.field.replace("_", " ").capitalize()
    label = next((field.label for field in FIELDS if field.name == problem.field), name)
    return label + problem.message.removeprefix(name) if problem.message.startswith(name) else problem.message


def _as_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

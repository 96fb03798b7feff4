"""How answers are drawn: model, how many, preset, and the numbers behind it, with problems at their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import (
    MAX_CANDIDATES,
    MIN_CANDIDATES,
    SAMPLING_PRESETS,
    Problem,
    SamplingSettings,
    SettingsError,
)
from dpo_studio.ui import theme

CUSTOM = "custom"
OTHER = "other"
#: The fields of "Numbers…": what each is called and what it does.
_NUMBERS: dict[str, tuple[str, str]] = {
    "temperature": ("Temperature", "0 always takes the likeliest word; higher is more adventurous."),
    "top_p": ("Top-p", "Draw among the likeliest words that together have this probability."),
    "top_k": ("Top-k", "Draw among this many likeliest words; 0 is all."),
    "min_p": ("Min-p", "Leave out words less likely than this share of the likeliest."),
    "repetition_penalty": ("Repetition penalty", "Above 1, words that were said become less likely."),
    "max_new_tokens": ("Longest answer (tokens)", "An answer is cut here."),
    "seed": ("Seed", "The same seed and settings give the same answers again."),
}


class SettingsForm(QWidget):
    """The settings of a generation.

    Signals:
        changed: some setting is another one now, or has become right or wrong.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filling = False
        self.model = QComboBox()
        self.model.setAccessibleName("Model that answers")
        self.model.setMinimumContentsLength(7)
        self.model.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.k = QSpinBox()
        self.k.setAccessibleName("Answers for each prompt")
        self.k.setRange(MIN_CANDIDATES, MAX_CANDIDATES)
        self.preset = QComboBox()
        self.preset.setAccessibleName("Preset: how varied the answers are")
        for name in SAMPLING_PRESETS:
            self.preset.addItem(name.capitalize(), name)
        self.preset.addItem("Own numbers", CUSTOM)
        self._meaning = QLabel()
        self._meaning.setProperty("role", "muted")
        self.numbers_button = QPushButton("Numbers…")
        self.numbers_button.setProperty("role", "ghost")
        self.numbers_button.setCheckable(True)
        self.numbers_button.setAccessibleName("Show every sampling setting")

        labels = [QLabel(words) for words in ("Model", "Answers", "Preset")]
        row = QGridLayout()
        row.setHorizontalSpacing(theme.SPACE_M)
        row.setVerticalSpacing(4)
        for column, (label, widget) in enumerate(zip(labels, (self.model, self.k, self.preset), strict=True)):
            label.setBuddy(widget)
            row.addWidget(widget, 1, column)
        preset = QHBoxLayout()
        preset.setSpacing(theme.SPACE_S)
        preset.addWidget(labels[2])
        preset.addWidget(self._meaning, 1)
        row.addWidget(labels[0], 0, 0)
        row.addWidget(labels[1], 0, 1)
        row.addLayout(preset, 0, 2, 1, 2)
        row.addWidget(self.numbers_button, 1, 3)
        row.setColumnStretch(0, 1)

        self._fields: dict[str, QLineEdit] = {}
        self._errors: dict[str, QLabel] = {}
        self._other = self._build_other()
        self._numbers = self._build_numbers()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(row)
        layout.addWidget(self._other)
        layout.addWidget(self._numbers)

        self.show_policies([("", None)])
        self.set_settings(SamplingSettings())
        self.model.currentIndexChanged.connect(self._on_model_changed)
        self.k.valueChanged.connect(self._on_edited)
        self.preset.activated.connect(self._on_preset)
        self.numbers_button.toggled.connect(self._numbers.setVisible)

    def show_policies(self, policies: Sequence[tuple[str, int | None]]) -> None:
        """Offer these (name, policy id); the choice stays where it is still there."""
        before = self.model.currentData()
        self.model.blockSignals(True)
        self.model.clear()
        for name, policy_id in policies:
            self.model.addItem(name, policy_id)
        self.model.addItem("Other model…", OTHER)
        found = self.model.findData(before) if before is not None else 0
        # The starter has no id until it is used: then it is the first one still.
        self.model.setCurrentIndex(max(found, 0))
        self.model.blockSignals(False)
        self._on_model_changed()

    def select_policy(self, policy_id: int) -> None:
        """Choose a policy that is offered."""
        index = self.model.findData(policy_id)
        if index >= 0:
            self.model.setCurrentIndex(index)

    @property
    def policy_id(self) -> int | None:
        """The chosen policy; None for the starter that was not used yet, and for another model."""
        data = self.model.currentData()
        return data if isinstance(data, int) else None

    @property
    def other_model(self) -> str | None:
        """What was typed as another model, or None when one of the list is chosen."""
        return self.other_edit.text() if self.model.currentData() == OTHER else None

    def settings(self) -> SamplingSettings:
        """The settings as they stand.

        Raises:
            SettingsError: a field cannot be used; `problems` names each.
        """
        values: dict[str, Any] = {"k": self.k.value()}
        problems: list[Problem] = []
        for name, field in self._fields.items():
            try:
                values[name] = getattr(SamplingSettings.from_json({name: field.text().strip()}), name)
            except SettingsError as error:
                problems.extend(error.problems)
        problems.extend(SamplingSettings(**values).problems())
        if problems:
            raise SettingsError(problems)
        return SamplingSettings(**values)

    def set_settings(self, settings: SamplingSettings) -> None:
        self._filling = True
        self.k.setValue(settings.k)
        for name, field in self._fields.items():
            field.setText(f"{getattr(settings, name):g}" if name != "seed" else str(settings.seed))
        self._filling = False
        self._on_edited()

    def restore(self, values: Mapping[str, Any]) -> None:
        """Show settings that were kept; what no longer fits is left at its default."""
        try:
            self.set_settings(SamplingSettings.from_json(values).validate())
        except (UserError, TypeError):
            self.set_settings(SamplingSettings())

    def show_problems(self) -> bool:
        """Open the numbers where one of them is wrong and go there; whether there was one."""
        try:
            self.settings()
        except SettingsError as error:
            self.numbers_button.setChecked(True)
            field = self._fields.get(error.problems[0].field)
            if field is not None:
                field.setFocus()
                field.selectAll()
            return True
        return False

    def _build_other(self) -> QWidget:
        box = QWidget()
        self.other_edit = QLineEdit()
        self.other_edit.setAccessibleName("Hub id, model folder or .gguf file")
        self.other_edit.setPlaceholderText("Hub id (owner/name), a model's folder, or a .gguf file")
        self.other_edit.textChanged.connect(lambda _text: self.changed.emit())
        folder, file = QPushButton("Folder…"), QPushButton("File…")
        folder.clicked.connect(self._on_folder)
        file.clicked.connect(self._on_file)
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self.other_edit, 1)
        row.addWidget(folder)
        row.addWidget(file)
        box.hide()
        return box

    def number_field(self, name: str) -> QLineEdit:
        """The field of one of the numbers, by its name in SamplingSettings."""
        return self._fields[name]

    def _build_numbers(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACE_L)
        grid.setVerticalSpacing(4)
        for number, (name, (words, meaning)) in enumerate(_NUMBERS.items()):
            row, column = number // 4 * 3, number % 4
            label, field, error = QLabel(words), QLineEdit(), QLabel()
            label.setBuddy(field)
            field.setAccessibleName(words)
            field.setAccessibleDescription(meaning)
            for widget in (label, field):
                widget.setToolTip(meaning)
            field.textChanged.connect(self._on_edited)
            error.setProperty("role", "error")
            error.setWordWrap(True)
            error.hide()
            for offset, widget in enumerate((label, field, error)):
                grid.addWidget(widget, row + offset, column)
            grid.setColumnStretch(column, 1)
            self._fields[name], self._errors[name] = field, error
        box.hide()
        return box

    def _on_preset(self) -> None:
        name = self.preset.currentData()
        if name != CUSTOM:
            self._filling = True
            for field, value in SAMPLING_PRESETS[name][1].items():
                self._fields[field].setText(f"{value:g}")
            self._filling = False
        else:
            self.numbers_button.setChecked(True)
            self._fields["temperature"].setFocus()
        self._on_edited()

    def _on_edited(self) -> None:
        if self._filling:
            return
        problems: dict[str, str] = {}
        preset = CUSTOM
        try:
            settings = self.settings()
            same = (
                name
                for name, (_, sets) in SAMPLING_PRESETS.items()
                if all(getattr(settings, field) == value for field, value in sets.items())
            )
            preset = next(same, CUSTOM)
        except SettingsError as error:
            problems = {problem.field: problem.message for problem in error.problems}
        for name, label in self._errors.items():
            label.setText(problems.get(name, ""))
            label.setVisible(name in problems)
            _set_invalid(self._fields[name], name in problems)
        self.preset.setCurrentIndex(self.preset.findData(preset))
        self._meaning.setText("·  " + (SAMPLING_PRESETS[preset][0] if preset != CUSTOM else "as the numbers say"))
        self.changed.emit()

    def _on_model_changed(self) -> None:
        other = self.model.currentData() == OTHER
        self._other.setVisible(other)
        if other and self.isVisible():
            self.other_edit.setFocus()
        self.changed.emit()

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A model's folder")
        if path:
            self.other_edit.setText(path)

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "A GGUF file", "", "GGUF models (*.gguf)")
        if path:
            self.other_edit.setText(path)


def _set_invalid(field: QLineEdit, invalid: bool) -> None:
    if field.property("invalid") != invalid:
        field.setProperty("invalid", invalid)
        field.style().unpolish(field)
        field.style().polish(field)

"""How answers are drawn: model, how many, preset, and the numbers behind it, with problems at their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import (
    MAX_CANDIDATES,
    MIN_CANDIDATES,
    SAMPLING_PRESETS,
    SamplingSettings,
    SettingsError,
)
from dpo_studio.ui import theme

from .model_choice import ModelChoice
from .number_fields import NumberFields

CUSTOM = "custom"


class SettingsForm(QWidget):
    """The settings of a generation.

    Signals:
        changed: some setting is another one now, or has become right or wrong.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelChoice()
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
        self.numbers = NumberFields()
        self.numbers.hide()

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(self._first_row())
        layout.addWidget(self.model.other_row)
        layout.addWidget(self.model.server_row)
        layout.addWidget(self.numbers)

        self.set_settings(SamplingSettings())
        self.model.changed.connect(self.changed)
        self.k.valueChanged.connect(self._on_edited)
        self.numbers.edited.connect(self._on_edited)
        self.preset.activated.connect(self._on_preset)
        self.numbers_button.toggled.connect(self.numbers.setVisible)

    def settings(self) -> SamplingSettings:
        """The settings as they stand.

        Raises:
            SettingsError: a field cannot be used; `problems` names each.
        """
        values, problems = self.numbers.values()
        settings = SamplingSettings(k=self.k.value(), **values)
        problems.extend(settings.problems())
        if problems:
            raise SettingsError(problems)
        return settings

    def set_settings(self, settings: SamplingSettings) -> None:
        self.k.setValue(settings.k)
        self.numbers.set_values({name: getattr(settings, name) for name in self.numbers.fields})
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
            self.numbers.go_to(error.problems[0].field)
            return True
        return False

    def _first_row(self) -> QGridLayout:
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
        return row

    def _on_preset(self) -> None:
        name = self.preset.currentData()
        if name != CUSTOM:
            self.numbers.set_values(SAMPLING_PRESETS[name][1])
        else:
            self.numbers_button.setChecked(True)
            self.numbers.go_to("temperature")
        self._on_edited()

    def _on_edited(self) -> None:
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
        self.numbers.show_problems(problems)
        self.preset.setCurrentIndex(self.preset.findData(preset))
        self._meaning.setText("·  " + (SAMPLING_PRESETS[preset][0] if preset != CUSTOM else "as the numbers say"))
        self.changed.emit()

"""How answers are drawn: model, how many, preset, and the numbers behind it, with problems at their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QSpinBox, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import (
    MAX_CANDIDATES,
    MIN_CANDIDATES,
    SAMPLING_PRESETS,
    SamplingSettings,
    SettingsError,
)
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.elided_combo import ElidedComboBox
from dpo_studio.ui.widgets.flow import Cell, FlowLayout

from .mix import Mix
from .model_choice import ModelChoice
from .number_fields import NumberFields
from .other_models import STARTER

CUSTOM = "custom"


class SettingsForm(QWidget):
    """The settings of a generation.

    Signals:
        changed: some setting is another one now, or has become right or wrong.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._policies: Sequence[tuple[str, int | None]] = ()
        self.model = ModelChoice()
        self.k = QSpinBox()
        self.k.setAccessibleName("Answers for each prompt")
        self.k.setRange(MIN_CANDIDATES, MAX_CANDIDATES)
        self.preset = ElidedComboBox()
        self.preset.setAccessibleName("Preset: how varied the answers are")
        for name in SAMPLING_PRESETS:
            self.preset.addItem(name.capitalize(), name)
        self.preset.addItem("Own numbers", CUSTOM)
        self._preset_cell = Cell("Preset", self.preset, characters=25)
        self.numbers_button = QPushButton("Numbers…")
        self.numbers_button.setProperty("role", "ghost")
        self.numbers_button.setCheckable(True)
        self.numbers_button.setAccessibleName("Show every sampling setting")
        self.mix = Mix(self)
        self.numbers = NumberFields()
        self.numbers.hide()

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        row = FlowLayout(spacing=theme.SPACE_M, row_spacing=theme.SPACE_S)
        row.add(Cell("Model", self.model, characters=31), stretch=3)
        row.add(self.mix.others_cell, stretch=1)
        row.add(Cell("Answers", self.k))
        row.add(self._preset_cell, stretch=1)
        row.add(self.mix.spread_cell, stretch=1)
        row.add(Cell("", self.numbers_button))
        layout.addLayout(row)
        layout.addWidget(self.model.other_row)
        layout.addWidget(self.model.server_row)
        layout.addWidget(self.numbers)

        self.set_settings(SamplingSettings())
        self.model.changed.connect(self._on_model_changed)
        self.mix.changed.connect(self._on_mixed)
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
        self.mix.check(settings)
        return settings

    def show_policies(self, policies: Sequence[tuple[str, int | None]]) -> None:
        """Offer these (name, policy id) as models; what is chosen stays where it is still there."""
        self._policies = policies
        self.model.show_policies(policies)

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

    def _on_model_changed(self) -> None:
        chosen = STARTER if self.model.named is None and self.model.policy_id is None else self.model.policy_id
        self.mix.others.offer(self._policies, without=chosen)
        self.mix.others_cell.setVisible(bool(self.mix.others.offered))
        self._on_mixed()

    def _on_mixed(self) -> None:
        """Every model gives one answer at least."""
        self.k.setMinimum(max(MIN_CANDIDATES, self.mix.models))
        self._on_edited()

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
        preset, settings = CUSTOM, None
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
        self.mix.explain(settings)
        self.preset.setCurrentIndex(self.preset.findData(preset))
        self._preset_cell.say("·  " + (SAMPLING_PRESETS[preset][0] if preset != CUSTOM else "as the numbers say"))
        self.changed.emit()

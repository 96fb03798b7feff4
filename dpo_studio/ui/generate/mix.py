"""What differs among the answers to one prompt: a second model that takes turns, and how far settings are spread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QComboBox

from dpo_studio.core import recipes
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import PolicyId
from dpo_studio.ui.widgets.flow import Cell

#: The starter as the second model while it has no id: it gets one when it is used.
STARTER = "starter"
_NO_OTHER = "None"
_FIRST, _SECOND = PolicyId(-1), PolicyId(-2)


class Mix(QObject):
    """Two choices by which answers are made to differ, each in a cell of its own.

    Signals:
        changed: another spread or second model is chosen.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.other = QComboBox()
        self.other.setAccessibleName("Second model, which takes turns with the first")
        self.other.setToolTip(
            "Both models answer each prompt, in turn. Which answer is whose stays covered until the prompt is labelled."
        )
        self.other.setMinimumContentsLength(4)
        self.other.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.spread = QComboBox()
        self.spread.setAccessibleName("Spread of settings over a prompt's answers")
        self.spread.setToolTip("How far the answers' temperatures lie apart, from calmer to bolder than the preset.")
        for name, spread in recipes.SPREADS.items():
            self.spread.addItem(name.capitalize(), name)
            tip = f"{spread.says[:1].upper()}{spread.says[1:]}."
            self.spread.setItemData(self.spread.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.other_cell = Cell("Second model", self.other, characters=18)
        self.spread_cell = Cell("Spread", self.spread, characters=33)
        self.show_policies([], without=None)
        self.spread.currentIndexChanged.connect(self.changed)
        self.other.currentIndexChanged.connect(self.changed)

    def show_policies(self, policies: Sequence[tuple[str, int | None]], *, without: object) -> None:
        """Offer these (name, policy id) but one as the second model; the choice stays where it is still there.

        Args:
            without: an id, STARTER for the one without an id, or anything else for none.
        """
        before = self.other.currentData()
        self.other.blockSignals(True)
        self.other.clear()
        self.other.addItem(_NO_OTHER, None)
        for name, policy_id in policies:
            data = STARTER if policy_id is None else policy_id
            if data != without:
                self.other.addItem(name, data)
        self.other.setCurrentIndex(max(self.other.findData(before), 0) if before is not None else 0)
        self.other.setEnabled(self.other.count() > 1)
        self.other.blockSignals(False)

    @property
    def other_id(self) -> int | str | None:
        """The second model: its policy's id, STARTER, or None for no second model."""
        data: int | str | None = self.other.currentData()
        return data

    @property
    def spread_name(self) -> str:
        """A key of core.recipes.SPREADS."""
        return str(self.spread.currentData())

    def choose_spread(self, name: str) -> None:
        """Choose a spread; one that is not known is none."""
        self.spread.setCurrentIndex(max(self.spread.findData(name), 0))

    def check(self, sampling: SamplingSettings) -> None:
        """Raises SettingsError where these settings leave nothing to spread."""
        recipes.check(sampling, 1 if self.other_id is None else 2, self.spread_name)

    def explain(self, sampling: SamplingSettings | None) -> None:
        """Say what the spread makes of these settings; of None, nothing."""
        self.spread_cell.say("" if sampling is None else self._meaning(sampling))

    def _meaning(self, sampling: SamplingSettings) -> str:
        if self.spread_name == "none":
            return "·  the same settings"
        models = [_FIRST] if self.other_id is None else [_FIRST, _SECOND]
        try:
            recipe = recipes.plan(sampling, models, spread=self.spread_name)
        except UserError:
            return ""  # said at its field
        heats = [each.sampling.temperature for each in recipe if each.policy_id == _FIRST]
        if len(heats) < 2:
            return "·  none: one answer a model"
        return f"·  temperature {heats[0]:.2f} to {heats[-1]:.2f}"

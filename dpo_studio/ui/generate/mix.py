"""What differs among the answers to one prompt: other models that take turns, and how far settings are spread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal

from dpo_studio.core import recipes
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import PolicyId
from dpo_studio.ui.widgets.elided_combo import ElidedComboBox
from dpo_studio.ui.widgets.flow import Cell

from .other_models import OtherModels

_FIRST = PolicyId(-1)


class Mix(QObject):
    """Two choices by which answers are made to differ, each in a cell of its own.

    Signals:
        changed: another spread or other models are chosen.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.others = OtherModels()
        self.spread = ElidedComboBox()
        self.spread.setAccessibleName("Spread of settings over a prompt's answers")
        self.spread.setToolTip("How far the answers' temperatures lie apart, from calmer to bolder than the preset.")
        for name, spread in recipes.SPREADS.items():
            self.spread.addItem(name.capitalize(), name)
            tip = f"{spread.says[:1].upper()}{spread.says[1:]}."
            self.spread.setItemData(self.spread.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.others_cell = Cell("Other models", self.others, characters=13)
        self.spread_cell = Cell("Spread", self.spread, characters=23)
        self.spread.currentIndexChanged.connect(self.changed)
        self.others.changed.connect(self.changed)

    @property
    def models(self) -> int:
        """How many models answer each prompt, the first one too."""
        return 1 + len(self.others.ids)

    @property
    def spread_name(self) -> str:
        """A key of core.recipes.SPREADS."""
        return str(self.spread.currentData())

    def choose_spread(self, name: str) -> None:
        """Choose a spread; one that is not known is none."""
        self.spread.setCurrentIndex(max(self.spread.findData(name), 0))

    def check(self, sampling: SamplingSettings) -> None:
        """Raises SettingsError where these settings leave nothing to spread."""
        recipes.check(sampling, self.models, self.spread_name)

    def explain(self, sampling: SamplingSettings | None) -> None:
        """Say what the spread makes of these settings; of None, nothing."""
        self.spread_cell.say("" if sampling is None else self._meaning(sampling))

    def _meaning(self, sampling: SamplingSettings) -> str:
        if self.spread_name == "none":
            return "·  all the same"
        models = [PolicyId(-1 - place) for place in range(self.models)]
        try:
            recipe = recipes.plan(sampling, models, spread=self.spread_name)
        except UserError:
            return ""  # said at its field
        heats = [each.sampling.temperature for each in recipe if each.policy_id == _FIRST]
        if len(heats) < 2:
            return "·  none: one answer a model"
        return f"·  T {heats[0]:.2f} to {heats[-1]:.2f}"

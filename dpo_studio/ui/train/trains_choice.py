"""What a run trains: an adapter or the whole model, each with a sentence."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from dpo_studio.core.settings import TRAINS
from dpo_studio.ui import machine

from .choice_card import ChoiceCard, note
from .memory_need import whole_model_warning

NAMES = {"lora": "An adapter", "full": "The whole model"}


class TrainsChoice(ChoiceCard):
    """The choice as a card.

    Signals:
        chosen: (key of TRAINS) the person chose it.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What is trained", parent)
        for key, sentence in TRAINS.items():
            button = self.add_choice(key, NAMES[key], sentence)
            button.clicked.connect(lambda _=False, key=key: self.chosen.emit(key))
        self.buttons["lora"].setChecked(True)
        self.warning = note("", "warning")
        self.warning.hide()
        self.column.addWidget(self.warning)

    def show_size(self, parameters: int) -> None:
        """Warn where the whole of a model of this size does not fit in memory."""
        on_cpu = machine.device_guess().startswith("CPU")  # of a GPU's memory the window knows nothing
        sentence = whole_model_warning(parameters) if on_cpu and self.value == "full" else ""
        self.warning.setText(sentence)
        self.warning.setVisible(bool(sentence))

    @property
    def value(self) -> str:
        """The key of TRAINS that is chosen."""
        return self.checked()

    def choose(self, key: str) -> None:
        """Set it without a signal."""
        self.buttons[key].setChecked(True)

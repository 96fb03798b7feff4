"""The flags an item can carry, and the menu that sets them."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QWidget

from .numbered_menu import NumberedMenu

FLAGS = ("unsafe", "factually wrong", "off-topic", "broken text", "the prompt is bad")


class FlagMenu(NumberedMenu):
    """One entry a flag, each with a number to press.

    Signals:
        changed: (flags) the flags that are set now.
    """

    changed = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Flags")
        self._others: tuple[str, ...] = ()  # an import's own, which stay
        for number, flag in enumerate(FLAGS, 1):
            action = self.add_numbered(number, flag.capitalize())
            action.setCheckable(True)
            action.triggered.connect(self._on_triggered)

    def ask(self, flags: tuple[str, ...], below: QWidget) -> None:
        """Open under a widget with these flags set."""
        self._others = tuple(flag for flag in flags if flag not in FLAGS)
        for action, flag in zip(self.actions(), FLAGS, strict=True):
            action.setChecked(flag in flags)
        self.popup(below.mapToGlobal(QPoint(0, below.height())))

    def _on_triggered(self) -> None:
        chosen = (flag for action, flag in zip(self.actions(), FLAGS, strict=True) if action.isChecked())
        self.changed.emit((*chosen, *self._others))

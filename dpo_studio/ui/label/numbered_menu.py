"""A menu whose entries are chosen by the number keys, by their place on the keyboard as on the rest of the page."""

from __future__ import annotations

from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QMenu

from . import keys


class NumberedMenu(QMenu):
    """Entries that were added with `add_numbered` have a number; on a French keyboard it needs no Shift."""

    def add_numbered(self, number: int, words: str) -> QAction:
        """Add an entry with a number from 1 to 9."""
        action = self.addAction(f"&{number}  {words}")
        action.setProperty("number", number)
        return action

    def keyPressEvent(self, event: QKeyEvent) -> None:
        pressed = keys.read(event)
        if pressed is not None and pressed.name == "number":
            for action in self.actions():
                if action.property("number") == pressed.number:
                    self.close()
                    action.trigger()
                    return
        super().keyPressEvent(event)

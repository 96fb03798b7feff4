"""How the person wants answers shown: thinking open, scrolled together, in columns or rows. It is remembered."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from dpo_studio.ui.page import KeyHelp
from dpo_studio.ui.settings_store import SettingsStore

from .card_grid import ARRANGEMENTS
from .item_stack import ItemStack

#: Name, words on the button ("" for none), words in the palette, key; as in `head.ACTIONS`.
VIEW_ACTIONS = (
    ("view", "View", "Choose how answers are shown", "V"),
    ("thinking", "", "Show or hide what the models thought", "H"),
    ("together", "", "Scroll the answers together, or each by itself", "S"),
    ("arrangement", "", "Show the answers by width, side by side, or one below another", "L"),
)
VIEWS = frozenset(action[0] for action in VIEW_ACTIONS)
VIEW_HELP = (
    KeyHelp("H", "Show or hide what the models thought before they answered"),
    KeyHelp("S", "Scroll the answers together, or each by itself"),
    KeyHelp("L", "Answers by width, side by side, or one below another"),
    KeyHelp("V", "A menu of these"),
)
_WORDS = {"auto": "As the width allows", "columns": "Side by side", "rows": "One below another"}
_SAID = {
    "auto": "Columns and rows follow the width.",
    "columns": "As many answers side by side as fit.",
    "rows": "One answer below another.",
}


class Viewing(QObject):
    """Carries these choices from the settings to the views, and from keys and the menu back.

    Attributes:
        menu: all of them, each with a key to press.
    """

    def __init__(self, stack: ItemStack, parent: QWidget) -> None:
        super().__init__(parent)
        self._stack = stack
        self._settings = SettingsStore()
        self.menu = QMenu(parent)
        self.menu.setAccessibleName("How answers are shown")
        self.thinking = self._add("&1  Show thinking", "H")
        self.together = self._add("&2  Scroll together", "S")
        self.menu.addSeparator()
        group = QActionGroup(self)
        self.arrangements = {
            name: self._add(f"&{number}  {_WORDS[name]}", "") for number, name in enumerate(ARRANGEMENTS, 3)
        }
        for action in self.arrangements.values():
            group.addAction(action)
        self.thinking.setChecked(self._settings.label_thinking)
        self.together.setChecked(self._settings.label_together)
        chosen = self._settings.label_arrangement
        self.arrangements[chosen if chosen in ARRANGEMENTS else "auto"].setChecked(True)
        self._apply()
        self.menu.triggered.connect(self._on_chosen)

    @property
    def arrangement(self) -> str:
        """One of `ARRANGEMENTS`."""
        return next(name for name, action in self.arrangements.items() if action.isChecked())

    def run(self, action: str, below: QWidget) -> str:
        """Do one of `VIEW_ACTIONS`; returns a sentence about what is so now, or "".

        Args:
            below: the widget that the menu opens under.
        """
        if action == "view":
            self.menu.popup(below.mapToGlobal(QPoint(0, below.height())))
            return ""
        if action == "thinking":
            self.thinking.toggle()
            said = "Thinking shows." if self.thinking.isChecked() else "Thinking is folded away."
        elif action == "together":
            self.together.toggle()
            said = "The answers scroll together." if self.together.isChecked() else "Each answer scrolls by itself."
        else:
            following = ARRANGEMENTS[(ARRANGEMENTS.index(self.arrangement) + 1) % len(ARRANGEMENTS)]
            self.arrangements[following].setChecked(True)
            said = _SAID[following]
        self._on_chosen()
        return said

    def _add(self, words: str, key: str) -> QAction:
        action = self.menu.addAction(f"{words}\t{key}" if key else words)
        action.setCheckable(True)
        return action

    def _on_chosen(self) -> None:
        self._settings.label_thinking = self.thinking.isChecked()
        self._settings.label_together = self.together.isChecked()
        self._settings.label_arrangement = self.arrangement
        self._apply()

    def _apply(self) -> None:
        for view in self._stack.views:
            view.grid.show_as(
                arrangement=self.arrangement, together=self.together.isChecked(), thinking=self.thinking.isChecked()
            )

"""The menus of the Label page about what comes next (with repeats), and about who labels."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QWidget

from .numbered_menu import NumberedMenu
from .upcoming import ORDERS, SHARES, Choice

_SHARE_WORDS = {0: "No repeats", 5: "Ask 1 in 20 again later", 10: "Ask 1 in 10 again later"}


class OrderMenu(NumberedMenu):
    """The orders of the queue and the shares of repeats, each with a key to press.

    Signals:
        order_chosen: (name) one of `upcoming.ORDERS`.
        share_chosen: (percent) one of `upcoming.SHARES`.
    """

    order_chosen = Signal(str)
    share_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("What comes next")
        self.setToolTipsVisible(True)
        self._orders, self._shares = QActionGroup(self), QActionGroup(self)
        self.orders = {name: self._add(self._orders, n, words) for n, (name, words) in enumerate(ORDERS, 1)}
        self.orders["informative"].setToolTip("Where the trained model is least sure which answer is better")
        self.orders["disputed"].setToolTip("Where others who ranked the same answers differ most")
        self.addSeparator()
        self.shares = {share: self._add(self._shares, 5 + n, _SHARE_WORDS[share]) for n, share in enumerate(SHARES)}
        for share, action in self.shares.items():
            action.setToolTip(
                "Comes back unmarked and shuffled; shows how often you agree with yourself" if share else ""
            )
        self.triggered.connect(self._on_triggered)

    def ask(self, choice: Choice, below: QWidget) -> None:
        """Open under a widget with this choice marked."""
        self.orders[choice.order].setChecked(True)
        self.shares[choice.repeats].setChecked(True)
        self.popup(below.mapToGlobal(QPoint(0, below.height())))

    def _add(self, group: QActionGroup, number: int, words: str) -> QAction:
        action = self.add_numbered(number, words)
        action.setCheckable(True)
        group.addAction(action)
        return action

    def _on_triggered(self, action: QAction) -> None:
        for name, one in self.orders.items():
            if one is action:
                self.order_chosen.emit(name)
        for share, one in self.shares.items():
            if one is action:
                self.share_chosen.emit(share)


class PeopleMenu(NumberedMenu):
    """Who labels: the people of the project, and another one.

    Signals:
        chosen: (name) this person labels from now on.
        other_wanted: a name is to be typed.
    """

    chosen = Signal(str)
    other_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Who labels")
        self.triggered.connect(self._on_triggered)

    def ask(self, people: Sequence[str], now: str, below: QWidget) -> None:
        """Open under a widget with the person marked who labels now."""
        self.clear()
        for number, name in enumerate(people, 1):
            words = name.replace("&", "&&")
            action = self.add_numbered(number, words) if number < 10 else self.addAction(words)
            action.setCheckable(True)
            action.setChecked(name == now)
            action.setData(name)
        self.addSeparator()
        self.addAction("&Another person…").setData("")
        self.popup(below.mapToGlobal(QPoint(0, below.height())))

    def _on_triggered(self, action: QAction) -> None:
        name = action.data()
        if name:
            self.chosen.emit(name)
        else:
            self.other_wanted.emit()

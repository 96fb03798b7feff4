"""The bar above the answers while a list of labels is looked at again, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from dpo_studio.core.types import GroupId

from .panels import button


class ReviewBar(QFrame):
    """Says why these labels are looked at and how far one is; hidden while there is no list.

    Signals:
        wanted: (id) this group is to be shown.
        ended: the list is at its end, or was left; True where every one of it was seen.
        report_wanted: the person wants to go back to where the list came from.
    """

    wanted = Signal(object)
    ended = Signal(bool)
    report_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "banner")
        self._ids: list[GroupId] = []
        self._place = 0
        self._why = ""
        self.sentence = QLabel()
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.before = button("Previous", tip="The one before")
        self.after = button("Next", tip="The next one, this one as it is (Enter)")
        self.report = button("Back to the report", role="ghost")
        self.leave = button("Leave the list", role="ghost", tip="Go on with the queue (Esc)")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.addWidget(self.sentence, 1)
        for one, does in (
            (self.before, self.go_back),
            (self.after, self.go_on),
            (self.report, self.report_wanted.emit),
            (self.leave, self.end),
        ):
            one.clicked.connect(lambda _=False, does=does: does())
            layout.addWidget(one)
        self._actions = [self._action("Next of the list", self.go_on), self._action("Leave the list", self.end)]
        self.hide()

    @property
    def current(self) -> GroupId | None:
        """The group of the list that is shown; None without a list."""
        return self._ids[self._place] if self._ids else None

    def actions_now(self) -> list[QAction]:
        """What can be done with the list, for the palette; nothing without one."""
        return [action for action in self._actions if action.isEnabled()]

    def start(self, group_ids: Sequence[int], sentence: str) -> None:
        """Go through these groups, for the reason that the sentence gives."""
        self._ids, self._place = [GroupId(one) for one in group_ids], 0
        self._why = sentence
        if self._ids:
            self._show_current()

    def go_on(self) -> bool:
        """Show the next one; False where there is no list. After the last one the list ends."""
        if not self._ids:
            return False
        if self._place + 1 < len(self._ids):
            self._place += 1
            self._show_current()
        else:
            self._end(seen=True)
        return True

    def go_back(self) -> None:
        """Show the one before."""
        if self._place:
            self._place -= 1
            self._show_current()

    def note_saved(self, group_id: GroupId) -> None:
        """A label was given; that of the one shown leads to the next."""
        if group_id == self.current:
            self.go_on()

    def end(self) -> None:
        """Leave the list."""
        if self._ids:
            self._end(seen=False)

    def forget(self) -> None:
        """Let go of the list, for another project."""
        self._ids, self._place = [], 0
        self._set_there(False)

    def _show_current(self) -> None:
        self.sentence.setText(f"{self._place + 1:,} of {len(self._ids):,}  ·  {self._why}")
        self.before.setEnabled(self._place > 0)
        self._set_there(True)
        self.wanted.emit(self._ids[self._place])

    def _end(self, *, seen: bool) -> None:
        self.forget()
        self.ended.emit(seen)

    def _set_there(self, there: bool) -> None:
        self.setVisible(there)
        for action in self._actions:
            action.setEnabled(there)

    def _action(self, text: str, does: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.setEnabled(False)
        action.triggered.connect(lambda _=False: does())
        return action

"""The models that take turns with the first one: none, or several, ticked in a menu."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QPaintEvent, QPalette
from PySide6.QtWidgets import QMenu, QPushButton, QStyle, QStyleOptionButton, QStylePainter, QWidget

from dpo_studio.core.settings import MAX_CANDIDATES

#: The starter while it has no id: it gets one when it is used.
STARTER = "starter"


class OtherModels(QPushButton):
    """A button that says which models are ticked and opens the menu in which they are.

    Signals:
        changed: others are ticked.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._menu = QMenu(self)
        self._menu.setAccessibleName("Other models")
        self.setMenu(self._menu)
        self._say()

    @property
    def ids(self) -> list[int | str]:
        """The ticked models in the menu's order: ids of policies, or STARTER."""
        return [action.data() for action in self._menu.actions() if action.isChecked()]

    def offer(self, policies: Sequence[tuple[str, int | None]], *, without: object) -> None:
        """Offer these (name, policy id) but one; those that were ticked and are still there stay so.

        Args:
            without: an id, STARTER for the one without an id, or anything else for none.
        """
        before = self.ids
        self._menu.clear()
        for name, policy_id in policies:
            data = STARTER if policy_id is None else policy_id
            if data == without:
                continue
            action = QAction(name.replace("&", "&&"), self._menu)
            action.setCheckable(True)
            action.setData(data)
            action.setChecked(data in before)
            action.toggled.connect(self._on_toggled)
            self._menu.addAction(action)
        self.setEnabled(not self._menu.isEmpty())
        self._say()

    def choose(self, *ids: int | str) -> None:
        """Tick these and no others."""
        for action in self._menu.actions():
            action.setChecked(action.data() in ids)

    @property
    def offered(self) -> list[str]:
        """The names in the menu."""
        return [action.text().replace("&&", "&") for action in self._menu.actions()]

    def paintEvent(self, event: QPaintEvent) -> None:
        """As the choices beside it: the words begin at the left."""
        painter, option = QStylePainter(self), QStyleOptionButton()
        self.initStyleOption(option)
        words, option.text = option.text, ""  # type: ignore[assignment]
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)
        room, placed = self.rect().adjusted(9, 0, -26, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        flags = QStyle.visualAlignment(self.layoutDirection(), placed) | Qt.TextFlag.TextHideMnemonic
        painter.drawItemText(room, flags, self.palette(), self.isEnabled(), str(words), QPalette.ColorRole.ButtonText)

    def _on_toggled(self) -> None:
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        ticked = [action for action in self._menu.actions() if action.isChecked()]
        names = [action.text().replace("&&", "&") for action in ticked]
        short = "None" if not names else names[0] if len(names) == 1 else f"{len(names)} models"
        room = self.fontMetrics().averageCharWidth() * 12
        self.setText(self.fontMetrics().elidedText(short, Qt.TextElideMode.ElideRight, room).replace("&", "&&"))
        self.setAccessibleName("Other models, which take turns with the first: " + (", ".join(names) or "none"))
        told = (
            "All of them answer each prompt, in turn. Which answer is whose stays covered until the prompt is labelled."
        )
        self.setToolTip("\n".join([*names, told]))
        for action in self._menu.actions():
            action.setEnabled(action.isChecked() or len(names) < MAX_CANDIDATES - 1)

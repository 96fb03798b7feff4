"""Ctrl+K: every action by name, with its key."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QHeaderView, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from . import theme
from .overlay import Overlay

_LINES_SHOWN = 24
_LIST_KEYS = (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp)


class Palette(Overlay):
    """A field to filter with and the actions that match, best first. Enter runs the one that is marked."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions: list[QAction] = []
        self.field = QLineEdit()
        self.field.setPlaceholderText("Type what you want to do")
        self.field.setAccessibleName("Find an action")
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.list = QTreeWidget()
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setAllColumnsShowFocus(True)
        self.list.setUniformRowHeights(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Actions")
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.itemClicked.connect(lambda _item: self.run())
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self.field)
        column.addWidget(self.list, 1)

    def open_with(self, actions: Sequence[QAction]) -> None:
        """Show these actions; those that cannot be used now are left out."""
        self._actions = [a for a in actions if a.isEnabled() and not a.isSeparator() and _name(a)]
        self.field.clear()
        self._fill("")
        self.wanted_height = _LINES_SHOWN * self.fontMetrics().lineSpacing()
        self.open(self.field)

    def run(self) -> None:
        """Do what is marked."""
        item = self.list.currentItem()
        if item is None:
            return
        action = item.data(0, Qt.ItemDataRole.UserRole)
        self.close_overlay()
        QTimer.singleShot(0, self, lambda: action.trigger() if action.isEnabled() else None)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.run()
                return True
            if event.key() in _LIST_KEYS:
                self.list.keyPressEvent(event)
                return True
        return super().eventFilter(watched, event)

    def _fill(self, text: str) -> None:
        self.list.clear()
        for action in matching(self._actions, text):
            item = QTreeWidgetItem([_name(action), _keys(action)])
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setData(0, Qt.ItemDataRole.UserRole, action)
            item.setSizeHint(0, self.fontMetrics().boundingRect("X").size() * 2.2)
            self.list.addTopLevelItem(item)
        if self.list.topLevelItemCount():
            self.list.setCurrentItem(self.list.topLevelItem(0))


def matching(actions: Sequence[QAction], text: str) -> list[QAction]:
    """Actions whose names hold every word of the text; those that begin with it come first."""
    words = text.casefold().split()
    found = [action for action in actions if all(word in _name(action).casefold() for word in words)]
    if not words:
        return found

    def distance(action: QAction) -> tuple[bool, bool]:
        name = _name(action).casefold()
        return (not name.startswith(words[0]), not any(part.startswith(words[0]) for part in name.split()))

    return sorted(found, key=distance)


def _name(action: QAction) -> str:
    """The action's name without the mark of its mnemonic, its place in the menus before it when it has one."""
    text = action.text().replace("&&", "\0").replace("&", "").replace("\0", "&").rstrip("…").strip()
    place = action.property("place")
    return f"{place}: {text}" if place else text


def _keys(action: QAction) -> str:
    shortcuts = [keys.toString(QKeySequence.SequenceFormat.NativeText) for keys in action.shortcuts()]
    return " or ".join(shortcuts[:2])

"""The keys of Generate, and its actions for the palette."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from dpo_studio.ui.page import KeyHelp

KEY_HELP = (
    KeyHelp("Ctrl+Enter", "Generate answers"),
    KeyHelp("Ctrl+T", "Write a prompt"),
    KeyHelp("Ctrl+V", "In the list: paste prompts"),
    KeyHelp("Ctrl+I", "Import a file, a folder or a data set; a file can be dropped here, too"),
    KeyHelp("Ctrl+Shift+P", "Pause, or go on"),
    KeyHelp("Ctrl+.", "Cancel, keeping what is finished"),
    KeyHelp("Ctrl+A", "In the list: select all prompts"),
    KeyHelp("Esc", "Clear the selection, follow what is being written"),
)


def add_actions(widget: QWidget, actions: Iterable[tuple[str, str, Callable[[], object]]]) -> None:
    """Give a widget actions of (words, keys or "", what they do); the keys work within it."""
    for words, keys, does in actions:
        action = QAction(words, widget)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda _checked=False, does=does: does())
        widget.addAction(action)

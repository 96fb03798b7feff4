"""The keys of Prompts, its actions for the palette, and the menus that hold the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from dpo_studio.ui.page import KeyHelp

if TYPE_CHECKING:
    from .page import PromptsPage

KEY_HELP = (
    KeyHelp("Ctrl+F", "Search; Down goes on to the list"),
    KeyHelp("Ctrl+T", "Write a prompt"),
    KeyHelp("Ctrl+M", "While writing: an answer of the model and the next question"),
    KeyHelp("Ctrl+V", "In the list: paste prompts"),
    KeyHelp("Ctrl+I", "Import a file, a folder or a data set; a file can be dropped here, too"),
    KeyHelp("Ctrl+E or Enter", "Edit the prompt that is read"),
    KeyHelp("Ctrl+L", "Tags of the selected prompts"),
    KeyHelp("Del", "Archive the selected prompts, or bring them back"),
    KeyHelp("Ctrl+A", "In the list: select all that are found"),
    KeyHelp("Ctrl+C", "In the list: copy the prompt that is read"),
    KeyHelp("Ctrl+Enter", "Generate answers for the selected prompts; in a panel: add or save"),
    KeyHelp("Ctrl+Z", "Undo the last change of prompts, also an earlier day's"),
    KeyHelp("Esc", "Close the panel, or clear the search and the filters"),
)


class Actions(QObject):
    """Makes the page's actions once; buttons with a menu show the same ones."""

    def __init__(self, page: PromptsPage) -> None:
        super().__init__(page)
        self._page = page
        adding = page.adding
        self.write = self._add("Write a prompt…", "Ctrl+T", adding.write)
        self.paste = self._add("Paste prompts…", "Ctrl+V", adding.paste)
        self.starters = self._add("Starter prompts…", "", adding.starters)
        self.bring_in = self._add("Import…", "Ctrl+I", adding.import_from)
        self.ways = (self.write, self.paste, self.starters, self.bring_in)
        self._others = [
            self._add("Search the prompts", "Ctrl+F", page.search),
            self._add("Edit the prompt…", "Ctrl+E", page.edit),
            self._add("Tags of the selected prompts…", "Ctrl+L", page.edit_tags),
            self._add("Archive the selected prompts, or bring them back", "Del", page.archive),
            self._add("Show the archived prompts, or the others", "", page.show_archived),
            self._add("Generate answers for the selected prompts", "Ctrl+Return", page.accept_or_generate),
            self._add("Copy the prompt", "Ctrl+C", page.copy),
            self._add("Clear the search and the filters", "Esc", page.step_back),
        ]
        for button in (page.work.add_button, page.empty.add_button):
            menu = QMenu(button)
            menu.addActions(self.ways)
            button.setMenu(menu)

    def all(self) -> list[QAction]:
        return [*self.ways, *self._others]

    def _add(self, words: str, keys: str, does: object) -> QAction:
        action = QAction(words, self._page)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda _checked=False: does())  # type: ignore[operator]
        self._page.addAction(action)
        return action

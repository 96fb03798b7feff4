"""The menu bar, kept small, and the actions in it. What they do is wired up by the main window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

from . import theme
from .page import Page


class Menus(QObject):
    """File, Edit, View, Help.

    Attributes:
        new, open, open_sample, merge, close_project, quit, undo, larger, smaller, usual_size, keys, actions,
            about: the actions.
        themes: by name of mode.
        pages: the actions that go to a page.
    """

    def __init__(self, bar: QMenuBar, parent: QObject) -> None:
        super().__init__(parent)
        self._bar = bar
        self.pages: list[QAction] = []
        self.file, self.edit = bar.addMenu("&File"), bar.addMenu("&Edit")
        self.view, self.help = bar.addMenu("&View"), bar.addMenu("&Help")

        self.new = self._add(self.file, "New project…", "Ctrl+N")
        self.open = self._add(self.file, "Open project…", "Ctrl+O")
        self.open_sample = self._add(self.file, "Open sample")
        self.recent = self.file.addMenu("Open recent")
        self.merge = self._add(self.file, "Merge another copy of this project…")
        self.close_project = self._add(self.file, "Close project", "Ctrl+W")
        self.file.addSeparator()
        self.quit = self._add(self.file, "Quit", "Ctrl+Q")
        self.quit.setMenuRole(QAction.MenuRole.QuitRole)

        self.undo = self._add(self.edit, "Undo", "Ctrl+Z")

        self._page_separator = self.view.addSeparator()
        self.theme_menu = self.view.addMenu("Theme")
        self.themes: dict[str, QAction] = {}
        group = QActionGroup(self)
        for mode, title in zip(theme.MODES, ("As the system", "Light", "Dark"), strict=True):
            action = self._add(self.theme_menu, title)
            action.setCheckable(True)
            action.setProperty("place", "Theme")
            group.addAction(action)
            self.themes[mode] = action
        self.larger = self._add(self.view, "Larger text", "Ctrl+=", "Ctrl++")
        self.smaller = self._add(self.view, "Smaller text", "Ctrl+-")
        self.usual_size = self._add(self.view, "Usual text size", "Ctrl+0")

        self.keys = self._add(self.help, "Keys of this page", "F1", "?")
        self.actions = self._add(self.help, "Find an action…", "Ctrl+K")
        self.about = self._add(self.help, "About DPO Studio")
        self.about.setMenuRole(QAction.MenuRole.AboutRole)

    def set_pages(self, pages: Sequence[Page], go: Callable[[str], None]) -> None:
        """An action for each page, Ctrl+1 for the first."""
        for action in self.pages:
            self.view.removeAction(action)
            action.deleteLater()
        self.pages = []
        for number, page in enumerate(pages, 1):
            action = QAction(page.title, self)
            action.setShortcut(QKeySequence(f"Ctrl+{number}"))
            action.setProperty("place", "Go to")
            action.triggered.connect(lambda _checked=False, name=page.name: go(name))
            self.view.insertAction(self._page_separator, action)
            self.pages.append(action)

    def set_recent(self, folders: Sequence[Path], open_folder: Callable[[Path], None]) -> None:
        """The recent projects that are still there."""
        self.recent.clear()
        for folder in folders:
            action = self.recent.addAction(str(folder).replace("&", "&&"))
            action.setProperty("place", "Open")
            action.triggered.connect(lambda _checked=False, folder=folder: open_folder(folder))
        self.recent.setEnabled(bool(folders))

    def set_project_open(self, is_open: bool) -> None:
        for action in (self.merge, self.close_project, self.undo, *self.pages):
            action.setEnabled(is_open)

    def all_actions(self) -> list[QAction]:
        """Every action of the menu bar, submenus included."""
        return list(self.pages) + [action for action in _leaves(self._bar.actions()) if action not in self.pages]

    def _add(self, menu: QMenu, text: str, *keys: str) -> QAction:
        action = menu.addAction(text)
        action.setShortcuts([QKeySequence(key) for key in keys])
        return action


def _leaves(actions: Sequence[QAction]) -> Iterator[QAction]:
    for action in actions:
        menu = action.menu()
        if isinstance(menu, QMenu):
            yield from _leaves(menu.actions())
        elif not action.isSeparator():
            yield action

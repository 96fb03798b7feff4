"""The search field and the filters above the list. Each filter is a button that says what it is set to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QMenu, QPushButton, QVBoxLayout, QWidget

from dpo_studio.core.types import PromptId
from dpo_studio.store.prompt_search import PromptFilter
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import FlowLayout

#: So long after the last key a search begins.
PAUSE_MS = 120
_SHOWN_NAME = 24
_PROGRESS = (
    ("Any", ""),
    ("Without answers", "unanswered"),
    ("With answers", "answered"),
    ("To be labelled", "unlabelled"),
    ("Labelled", "labelled"),
)
_HELD_OUT = (("Any", None), ("Held out", True), ("For training", False))
_ORDER = (("Oldest first", False), ("Newest first", True))


class FilterBar(QWidget):
    """What is wanted of the prompts.

    Signals:
        changed: `wanted()` or `newest_first` is otherwise; while someone types, once they pause.
        names_wanted: a menu opens that lists tags and sources; `show_names` fills it.
        down_wanted: Down was pressed in the field: on to the list.
    """

    changed = Signal()
    names_wanted = Signal()
    down_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = PromptFilter()
        self.newest_first = False
        self._names: tuple[Sequence[str], Sequence[str]] = ((), ())
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._on_typed)
        self.field = QLineEdit()
        self.field.setPlaceholderText("Search in every turn; “several words” in quotes")
        self.field.setToolTip("Prompts that hold every word, whatever their case (Ctrl+F)")
        self.field.setAccessibleName("Search the prompts")
        self.field.setClearButtonEnabled(True)
        self.field.textChanged.connect(lambda _text: self._pause.start())
        self.field.returnPressed.connect(self._on_typed)
        self.field.installEventFilter(self)
        self.tags = self._menu_button("Tags", self._fill_tags)
        self.source = self._menu_button("Source", self._fill_sources)
        self.progress = self._menu_button("Answers", lambda menu: self._choices(menu, _PROGRESS, "progress"))
        self.held_out = self._menu_button("Held out", lambda menu: self._choices(menu, _HELD_OUT, "held_out"))
        self.held_out.setToolTip("A held-out prompt is never trained on: it shows whether training helped.")
        self.order = self._menu_button("Order", self._fill_order)
        self.archived = QPushButton("Archived")
        self.archived.setCheckable(True)
        self.archived.setToolTip("Show the prompts that were put away instead of the others")
        self.archived.toggled.connect(lambda on: self._set(archived=on))
        self.clear_button = QPushButton("Clear")
        self.clear_button.setProperty("role", "ghost")
        self.clear_button.setAccessibleName("Clear the search and the filters")
        self.clear_button.clicked.connect(self.clear)
        row = FlowLayout(spacing=theme.SPACE_S, row_spacing=theme.SPACE_S)
        for button in (self.tags, self.source, self.progress, self.held_out, self.archived, self.order):
            row.addWidget(button)
        row.addWidget(self.clear_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(self.field)
        layout.addLayout(row)
        layout.addWidget(self._only_these())
        self._show()

    def wanted(self) -> PromptFilter:
        """What is asked for now."""
        return dataclasses.replace(self._wanted, text=self.field.text().strip())

    def show_names(self, tags: Sequence[str], sources: Sequence[str]) -> None:
        """The tags and sources there are, for the menus."""
        self._names = (list(tags), list(sources))
        for button, fill in ((self.tags, self._fill_tags), (self.source, self._fill_sources)):
            if button.menu().isVisible():
                fill(button.menu())

    def clear(self) -> None:
        """Ask for every prompt that is not archived."""
        self._forget_all()
        self._show()
        self.changed.emit()

    def _forget_all(self) -> None:
        self.field.blockSignals(True)
        self.field.clear()
        self.field.blockSignals(False)
        self.archived.blockSignals(True)
        self.archived.setChecked(False)
        self.archived.blockSignals(False)
        self._wanted = PromptFilter()
        self._pause.stop()

    def show_only(self, prompt_ids: Sequence[int], why: str) -> None:
        """Ask for these prompts and no others, whatever was asked for before.

        Args:
            why: a sentence on what they have in common.
        """
        self._forget_all()
        self.why.setText(why)
        self._wanted = PromptFilter(ids=tuple(sorted({PromptId(one) for one in prompt_ids})))
        self._show()
        self.changed.emit()

    def focus_field(self) -> None:
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def show_archived(self, on: bool) -> None:
        self.archived.setChecked(on)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Down:
                self.down_wanted.emit()
                return True
            if event.key() == Qt.Key.Key_Escape and self.field.text():
                self.field.clear()
                self._on_typed()
                return True
        return super().eventFilter(watched, event)

    # Inside

    def _on_typed(self) -> None:
        self._pause.stop()
        self._set(text=self.field.text().strip())

    def _set(self, **parts: Any) -> None:
        wanted = dataclasses.replace(self._wanted, **parts)
        if wanted != self._wanted:
            self._wanted = wanted
            self._show()
            self.changed.emit()

    def _set_order(self, newest_first: bool) -> None:
        if newest_first != self.newest_first:
            self.newest_first = newest_first
            self._show()
            self.changed.emit()

    def _show(self) -> None:
        wanted = self._wanted
        progress = next(words for words, value in _PROGRESS if value == wanted.progress)
        side = next(words for words, value in _HELD_OUT if value is wanted.held_out)
        for button, name, value in (
            (self.tags, "Tags", ", ".join(wanted.tags)),
            (self.source, "Source", "" if wanted.source is None else source_name(wanted.source)),
            (self.progress, "Answers", progress if wanted.progress else ""),
            (self.held_out, "Held out", side if wanted.held_out is not None else ""),
        ):
            said = value if len(value) <= _SHOWN_NAME else value[: _SHOWN_NAME - 1] + "…"
            button.setText(f"{name}: {said}".replace("&", "&&") if value else name)
            button.setAccessibleName(f"{name}: {value}" if value else f"{name}: any")
            button.setProperty("chosen", bool(value))
            button.style().unpolish(button)
            button.style().polish(button)
        self.order.setText(next(words for words, value in _ORDER if value is self.newest_first))
        self.order.setAccessibleName(f"Order: {self.order.text()}")
        self.clear_button.setVisible(self.wanted() != PromptFilter(ids=wanted.ids))
        self.only.setVisible(wanted.ids is not None)

    def _only_these(self) -> QWidget:
        """Says that only certain prompts are listed, and lists the others again."""
        self.only, self.why = QFrame(), QLabel()
        self.only.setProperty("role", "banner")
        self.why.setTextFormat(Qt.TextFormat.PlainText)
        self.why.setWordWrap(True)
        self.all_button = QPushButton("Show all prompts")
        self.all_button.clicked.connect(self.clear)
        row = QHBoxLayout(self.only)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self.why, 1)
        row.addWidget(self.all_button)
        self.only.hide()
        return self.only

    def _menu_button(self, name: str, fill: Callable[[QMenu], None]) -> QPushButton:
        button = QPushButton(name)
        button.setProperty("role", "menu")
        menu = QMenu(button)
        menu.setAccessibleName(name)
        menu.aboutToShow.connect(lambda: fill(menu))
        menu.aboutToShow.connect(self.names_wanted)
        button.setMenu(menu)
        return button

    def _fill_tags(self, menu: QMenu) -> None:
        menu.clear()
        chosen = self._wanted.tags
        for tag in dict.fromkeys([*self._names[0], *chosen]):
            action = self._choice(menu, tag, tag in chosen)
            action.triggered.connect(lambda on, tag=tag: self._on_tag(tag, on))
        self._end_menu(menu, chosen, "There are no tags yet", lambda: self._set(tags=()))

    def _fill_sources(self, menu: QMenu) -> None:
        menu.clear()
        chosen = self._wanted.source
        for name in self._names[1]:
            action = self._choice(menu, source_name(name), name == chosen)
            action.triggered.connect(lambda _on, name=name: self._set(source=name))
        self._end_menu(menu, chosen is not None, "There are no prompts yet", lambda: self._set(source=None))

    def _fill_order(self, menu: QMenu) -> None:
        menu.clear()
        group = QActionGroup(menu)
        for words, value in _ORDER:
            action = self._choice(menu, words, value is self.newest_first)
            group.addAction(action)
            action.triggered.connect(lambda _on, value=value: self._set_order(value))

    def _choices(self, menu: QMenu, choices: Sequence[tuple[str, Any]], part: str) -> None:
        menu.clear()
        group = QActionGroup(menu)
        for words, value in choices:
            action = self._choice(menu, words, value == getattr(self._wanted, part))
            group.addAction(action)
            action.triggered.connect(lambda _on, value=value: self._set(**{part: value}))

    def _on_tag(self, tag: str, on: bool) -> None:
        kept = [one for one in self._wanted.tags if one != tag]
        self._set(tags=(*kept, tag) if on else tuple(kept))

    @staticmethod
    def _choice(menu: QMenu, words: str, on: bool) -> QAction:
        action = menu.addAction(words.replace("&", "&&"))
        action.setCheckable(True)
        action.setChecked(on)
        return action

    @staticmethod
    def _end_menu(menu: QMenu, chosen: object, nothing: str, forget: Callable[[], None]) -> None:
        if menu.isEmpty():
            menu.addAction(nothing).setEnabled(False)
        elif chosen:
            menu.addSeparator()
            menu.addAction("Any").triggered.connect(lambda _on: forget())


def source_name(source: str) -> str:
    """Where a prompt came from, in words."""
    return source or "not known"

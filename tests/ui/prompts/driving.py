"""What the tests of the Prompts page do on it, and wait for."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core.types import Message
from dpo_studio.store import prompts

WAIT_MS = 60_000
CTRL = Qt.KeyboardModifier.ControlModifier


def say(text):
    return [Message("user", text)]


def listed(page, qtbot, count: int) -> None:
    qtbot.waitUntil(
        lambda: page.listing.complete and page.listing.store.is_idle and page.table.rows.rowCount() == count,
        timeout=WAIT_MS,
    )


def said(context, qtbot, words: str) -> None:
    qtbot.waitUntil(lambda: any(words in one for one in context.said), timeout=WAIT_MS)


def titles(page) -> list[str]:
    return [page.table.rows.row(number).title for number in range(page.table.rows.rowCount())]


def stored(context, **more) -> list[str]:
    return [prompt.title for prompt in prompts.all_prompts(context.project, **more)]


def press(page, qtbot, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """A key where the focus is, or on the page."""
    where = QApplication.focusWidget()
    qtbot.keyClick(where if where is not None and page.isAncestorOf(where) else page, key, modifier)


def choose(button, words: str) -> None:
    menu = button.menu()
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.text() == words).trigger()

"""Pressing keys as a person does (whatever has the focus gets them), and reading what came of it."""

import sqlite3

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication


def press(page, *keys, modifiers=Qt.KeyboardModifier.NoModifier):
    """Press keys one after the other: an open menu gets them, else the focus, else the page."""
    for key in keys:
        QTest.keyClick(QApplication.activePopupWidget() or QApplication.focusWidget() or page, key, modifiers)


def stored(context):
    """All rows of rankings, as another program sees them: kind, ranks by answer's number, strength, note."""
    conn = sqlite3.connect(context.project.folder / "project.db")
    rows = []
    for row_id, kind, strength, note in conn.execute("SELECT id, kind, strength, note FROM rankings ORDER BY id"):
        ranks = conn.execute(
            "SELECT c.text, i.rank FROM ranking_items i JOIN completions c ON c.id = i.completion_id"
            " WHERE i.ranking_id = ?",
            [row_id],
        )
        rows.append((kind, {text.rsplit(" ", 1)[-1]: rank for text, rank in ranks}, strength, note))
    conn.close()
    return rows


def numbers_on_screen(page):
    """The answers' own numbers, in the order in which they are shown."""
    return [card.reader.toPlainText().rsplit(" ", 1)[-1] for card in page.bench.stack.view.grid.shown_cards]

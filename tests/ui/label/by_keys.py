"""Pressing keys as a person does: whatever has the focus gets them."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication


def press(page, *keys, modifiers=Qt.KeyboardModifier.NoModifier):
    """Press keys one after the other: an open menu gets them, else the focus, else the page."""
    for key in keys:
        QTest.keyClick(QApplication.activePopupWidget() or QApplication.focusWidget() or page, key, modifiers)

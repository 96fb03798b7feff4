"""A card over the window: in place, never modal, gone at Esc or when the focus leaves it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QFrame, QWidget

from . import theme


class Overlay(QFrame):
    """Base of the palette and the key overview. Subclasses fill it and call `open` to show it.

    Attributes:
        wanted_height: how high it would like to be; it gets less where the window is small.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "overlay")
        self.wanted_height = 0
        self._focus_before: QWidget | None = None
        self.hide()
        QApplication.instance().focusChanged.connect(self._on_focus_changed)  # type: ignore[union-attr]

    def open(self, focus: QWidget) -> None:
        """Show it on top, with the focus on one of its widgets."""
        before = QApplication.focusWidget()
        if before is not None and not self.isAncestorOf(before):
            self._focus_before = before
        self.parentWidget().installEventFilter(self)
        self._place()
        self.show()
        self.raise_()
        focus.setFocus(Qt.FocusReason.PopupFocusReason)

    def close_overlay(self) -> None:
        """Hide it and give the focus back."""
        if self.isHidden():
            return
        before, self._focus_before = self._focus_before, None
        self._vanish()
        if before is not None:
            try:
                before.setFocus(Qt.FocusReason.PopupFocusReason)
            except RuntimeError:  # that widget is gone by now
                pass

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_overlay()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

    def _place(self) -> None:
        room = self.parentWidget().size()
        wanted = self.sizeHint()
        width = min(max(wanted.width(), self.fontMetrics().averageCharWidth() * 96), room.width() - 2 * theme.SPACE_XL)
        height = min(max(wanted.height(), self.wanted_height), room.height() - 3 * theme.SPACE_XL)
        self.setGeometry((room.width() - width) // 2, theme.SPACE_XL + theme.SPACE_S, width, height)

    def _on_focus_changed(self, _before: QWidget | None, after: QWidget | None) -> None:
        if self.isVisible() and after is not None and after.window() is self.window() and not self.isAncestorOf(after):
            self._focus_before = None
            self._vanish()

    def _vanish(self) -> None:
        self.parentWidget().removeEventFilter(self)
        self.hide()

"""Whether a person looks at a widget: it shows, and its window is the active one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QWidget


class Presence(QObject):
    """Watches a widget.

    Signals:
        shown: it came on screen.
        back: its window is the active one again.
        away: it is hidden, or another window is the active one.
    """

    shown = Signal()
    back = Signal()
    away = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.Show:
            self.shown.emit()
        elif kind == QEvent.Type.Hide:
            self.away.emit()
        elif kind == QEvent.Type.ActivationChange:
            active = self._widget.isActiveWindow() and self._widget.isVisible()
            (self.back if active else self.away).emit()
        return False

"""The dots in front of prompts: a colour each, open for what was never asked."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

_DOT_PX = 16
_SHARPNESS = 4


class Dots:
    """Paints each dot once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], QIcon] = {}

    def clear(self) -> None:
        """The colours are others now."""
        self._made.clear()

    def get(self, colour: str, *, filled: bool) -> QIcon:
        key = (colour, filled)
        if key not in self._made:
            pixmap = QPixmap(_DOT_PX * _SHARPNESS, _DOT_PX * _SHARPNESS)
            pixmap.setDevicePixelRatio(_SHARPNESS)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(colour), 1.5))
            painter.setBrush(QColor(colour) if filled else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(4, 4, 8, 8)
            painter.end()
            icon = QIcon()
            for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
                icon.addPixmap(pixmap, mode)
            self._made[key] = icon
        return self._made[key]

"""Pens for plots. pyqtgraph draws in the screen's dots, so a line would be a hair on a screen with twice as many."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QWidget


def plot_pen(
    widget: QWidget, colour: QColor | str, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine
) -> QPen:
    """A pen as wide as `width` says at 100 %, whatever the scale of the widget's screen."""
    return pg.mkPen(colour, width=width * widget.devicePixelRatioF(), style=style)

"""The pictures of the Quality page: lengths, places, days.

With `train.plot`, `train.curves` and `widgets.plot_pen` these are the modules that import pyqtgraph: not before the
page shows a report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from dpo_studio.core.report_words import days_sentence, places_sentence
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.plot_pen import plot_pen

PLOT_HEIGHT = 230
_MOST_DATES = 6
#: Room for the upper half of the highest number beside the axis.
_ABOVE = 10


class Picture(QFrame):
    """A card with a plot, its title and a sentence that says how to read it. Subclasses draw."""

    def __init__(
        self, title: str, sentence: str, *, left: str = "", bottom: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._name = title
        self._labels = {"left": left, "bottom": bottom}
        heading = QLabel(title)
        heading.setProperty("role", "subheading")
        self.sentence = QLabel()
        self.sentence.setProperty("role", "muted")
        self.sentence.setWordWrap(True)
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(PLOT_HEIGHT)
        self.plot.setFrameShape(QFrame.Shape.NoFrame)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.wheelEvent = lambda event: event.ignore()  # the wheel is for the page around it
        item = self.plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.layout.setContentsMargins(1, _ABOVE, 1, 1)
        for name in ("left", "bottom"):
            item.getAxis(name).enableAutoSIPrefix(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_S)
        layout.setSpacing(4)
        layout.addWidget(heading)
        layout.addWidget(self.sentence)
        layout.addStretch(1)
        layout.addWidget(self.plot)
        self.say(sentence)
        theme.notifier().changed.connect(self.apply_theme)

    def say(self, sentence: str) -> None:
        self.sentence.setText(sentence)
        self.plot.setAccessibleName(f"{self._name}. {sentence}")

    def apply_theme(self) -> None:
        """Take the colours and the text size from the theme."""
        look = theme.current()
        self.plot.setBackground(look.card)
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 0.85)
        for name, text in self._labels.items():
            axis = self.plot.getAxis(name)
            axis.setPen(plot_pen(self, look.border))
            axis.setTextPen(look.muted)
            axis.setTickFont(font)
            axis.label.setFont(font)
            if text:
                self.plot.setLabel(name, text, color=look.muted)
        lines = 2.4 if self._labels["bottom"] else 1.4
        self.plot.getAxis("bottom").setHeight(round(lines * QFontMetricsF(font).height()))
        self.draw(look)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self.apply_theme()
        return super().event(event)

    def draw(self, look: theme.Theme) -> None:
        """Draw what there is in these colours."""
        raise NotImplementedError


class LengthPicture(Picture):
    """Each comparison as a dot: characters of its worst and of its best answer.

    Signals:
        group_wanted: (id) a dot was clicked.
    """

    group_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "Length of the best against the worst",
            "A dot is a comparison; above the line the longer answer won. Click one to see it.",
            left="characters, best",
            bottom="characters, worst",
            parent=parent,
        )
        self._points: Sequence[Sequence[float]] = ()
        self._dots = pg.ScatterPlotItem(size=7, hoverable=True, tip=None)
        self._dots.sigClicked.connect(self._on_clicked)
        self._even = pg.InfiniteLine((0, 0), angle=45)
        self._even.setZValue(-10)
        self.plot.addItem(self._even, ignoreBounds=True)
        self.plot.addItem(self._dots)
        self.apply_theme()

    def show_points(self, points: Sequence[Sequence[float]]) -> None:
        """Show [group, characters of the best, of the worst] of each."""
        self._points = points
        self.apply_theme()

    def draw(self, look: theme.Theme) -> None:
        table = np.array(self._points, dtype=float).reshape(-1, 3)
        colour = QColor(look.series[0])
        colour.setAlphaF(0.55 if len(table) < 300 else 0.3)
        self._even.setPen(plot_pen(self, look.outline, 1, Qt.PenStyle.DashLine))
        self._dots.setData(
            x=table[:, 2],
            y=table[:, 1],
            data=table[:, 0].astype(int),
            pen=pg.mkPen(None),
            brush=pg.mkBrush(colour),
            hoverBrush=pg.mkBrush(look.accent),
        )
        most = float(table[:, 1:].max()) if len(table) else 1.0
        self.plot.setRange(xRange=(0, most), yRange=(0, most), padding=0.04)

    def _on_clicked(self, _item: object, points: Sequence[Any]) -> None:
        if len(points):
            self.group_wanted.emit(int(points[0].data()))


class PlacesPicture(Picture):
    """How often the best answer stood in each place."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Where the best answer stood", "", left="labels", bottom="place on screen", parent=parent)
        self._counts: Sequence[int] = ()
        self._bars: pg.BarGraphItem | None = None
        self._even = pg.InfiniteLine(0, angle=0)
        self._even.setZValue(10)
        self.plot.addItem(self._even, ignoreBounds=True)
        self.apply_theme()

    def show_places(self, places: Sequence[Mapping[str, Any]]) -> None:
        """Show the counts of the most frequent number of answers."""
        row = max(places, key=lambda place: sum(place["counts"]), default=None)
        self._counts = row["counts"] if row is not None else ()
        counted = ", ".join(f"{number}: {count:,}" for number, count in enumerate(self._counts, 1))
        self.say(places_sentence(places))
        self.plot.setAccessibleDescription(counted)
        self.apply_theme()

    def draw(self, look: theme.Theme) -> None:
        self._bars = _redraw(self.plot, self._bars, list(range(1, len(self._counts) + 1)), self._counts, look)
        even = sum(self._counts) / max(1, len(self._counts))
        self._even.setPos(even)
        self._even.setPen(plot_pen(self, look.text, 1, Qt.PenStyle.DashLine))
        self._even.setVisible(bool(self._counts))
        self.plot.getAxis("bottom").setTicks([[(n, str(n)) for n in range(1, len(self._counts) + 1)]])
        self.plot.setRange(
            xRange=(0.4, max(1, len(self._counts)) + 0.6), yRange=(0, max([1, *self._counts])), padding=0.04
        )


class DaysPicture(Picture):
    """Labels a day."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Labels a day", "", left="labels", parent=parent)
        self._days: Mapping[str, int] = {}
        self._bars: pg.BarGraphItem | None = None
        self.apply_theme()

    def show_days(self, days: Mapping[str, int]) -> None:
        """Show counts by date ("2026-01-31")."""
        self._days = days
        self.say(days_sentence(days))
        self.apply_theme()

    def draw(self, look: theme.Theme) -> None:
        days = [date.fromisoformat(day).toordinal() for day in self._days]
        self._bars = _redraw(self.plot, self._bars, days, list(self._days.values()), look)
        first, last = (min(days), max(days)) if days else (0, 0)
        step = max(1, -(-(last - first + 1) // _MOST_DATES))
        ticks = [(day, _short(date.fromordinal(day))) for day in range(first, last + 1, step)] if days else []
        self.plot.getAxis("bottom").setTicks([ticks])
        half = max(7.0, (last - first) / 2 + 1)
        middle = (first + last) / 2
        self.plot.setRange(
            xRange=(middle - half, middle + half), yRange=(0, max([1, *self._days.values()])), padding=0.04
        )


def _redraw(
    plot: pg.PlotWidget, before: pg.BarGraphItem | None, x: Sequence[int], heights: Sequence[int], look: theme.Theme
) -> pg.BarGraphItem:
    if before is not None:
        plot.removeItem(before)
    bars = pg.BarGraphItem(
        x=list(x), height=list(heights), width=0.7, pen=pg.mkPen(None), brush=pg.mkBrush(look.series[0])
    )
    plot.addItem(bars)
    return bars


def _short(day: date) -> str:
    return f"{day.day} {day:%b}" if day.year == date.today().year else day.isoformat()

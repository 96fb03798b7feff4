"""One curve card: its title, a sentence that explains it, a legend, the plot, and the values under the pointer.

This one, `curves`, `quality.pictures` and `widgets.plot_pen` alone import pyqtgraph; they are imported when a run or a
report is first shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.plot_pen import plot_pen

from .record import RunRecord, Series
from .smoothing import smoothed
from .wording import number

Source = Literal["train", "held_out", "fresh"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot. `colour` is an index into the theme's series colours; an empty label shares the next one."""

    metric: str
    source: Source
    label: str
    colour: int


@dataclass(frozen=True, slots=True)
class PlotSpec:
    """What a plot shows. `level` is a value worth a hairline: no preference, or guessing."""

    key: str
    title: str
    sentence: str
    lines: tuple[Line, ...]
    level: float | None = None
    limits: tuple[float, float] | None = None


PLOTS: tuple[PlotSpec, ...] = (
    PlotSpec(
        "loss",
        "Loss",
        "How far the model is from ranking as you did; lower is better.",
        (Line("loss", "train", "training", 0), Line("loss", "held_out", "held out", 1)),
    ),
    PlotSpec(
        "rewards",
        "Implicit reward",
        "How much likelier the best and the worst answers became.",
        (
            Line("reward_best", "train", "", 0),
            Line("reward_best", "held_out", "best", 1),
            Line("reward_worst", "train", "", 3),
            Line("reward_worst", "held_out", "worst", 4),
        ),
        level=0.0,
    ),
    PlotSpec(
        "margin",
        "Margin",
        "How much more the model likes the best answer than the worst.",
        (Line("margin", "train", "training", 0), Line("margin", "held_out", "held out", 1)),
        level=0.0,
    ),
    PlotSpec(
        "accuracy",
        "Accuracy",
        "The share of pairs it orders as you did; 0.5 is guessing.",
        (Line("accuracy", "train", "training", 0), Line("accuracy", "held_out", "held out", 1)),
        level=0.5,
        limits=(-0.06, 1.1),
    ),
    PlotSpec(
        "kl",
        "Drift",
        "KL of its fresh answers from the start, in nats; past 10 is far.",
        (Line("kl", "fresh", "fresh answers", 1),),
        level=0.0,
    ),
    PlotSpec(
        "length",
        "Length",
        "Tokens of its fresh answers, which are cut at a limit.",
        (Line("mean_length", "fresh", "fresh answers", 1),),
    ),
)


def points(series: Series | None) -> tuple[np.ndarray, np.ndarray]:
    """A series as steps (n,) and values (n,) for drawing."""
    if series is None:
        return np.empty(0), np.empty(0)
    return np.array(series.steps, dtype=float), np.array(series.values, dtype=float)


class _PlotWidget(pg.PlotWidget):
    """A plot that leaves the wheel to the page around it while that has something to scroll."""

    def __init__(self, wheel_zooms: Callable[[], bool]) -> None:
        super().__init__()
        self._wheel_zooms = wheel_zooms

    def sizeHint(self) -> QSize:
        return QSize(320, 118)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._wheel_zooms() or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()


class PlotCard(QFrame):
    """A plot with its words.

    Signals:
        hovered: (step) the pointer is at this step; a negative number when it left.
    """

    hovered = Signal(float)

    def __init__(
        self, spec: PlotSpec, *, wheel_zooms: Callable[[], bool] = lambda: True, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.spec = spec
        self.setProperty("role", "card")
        self.setAccessibleName(f"{spec.title} curve. {spec.sentence}")
        self._title = QLabel(spec.title)
        self._title.setProperty("role", "subheading")
        self._sentence = QLabel(spec.sentence)
        self._sentence.setProperty("role", "muted")
        self._sentence.setWordWrap(True)
        self._sentence.setTextFormat(Qt.TextFormat.RichText)
        self._sentence.setToolTip(spec.sentence)
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._sentence.setMinimumWidth(1)
        self._legend.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._note = QLabel()
        self._note.setProperty("role", "warning")
        self._note.setWordWrap(True)
        self._note.hide()
        self.widget = _PlotWidget(wheel_zooms)
        self.widget.setMinimumHeight(118)
        self._lines: dict[Line, pg.PlotDataItem] = {}
        self._faint: dict[Line, pg.PlotDataItem] = {}
        self._overlays: list[pg.PlotDataItem] = []
        self._set_up_plot()
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_M)
        top.addWidget(self._title)
        top.addWidget(self._legend, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_S)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self._sentence)
        layout.addWidget(self._note)
        layout.addWidget(self.widget, 1)
        self.apply_theme()

    # -- what is shown ---------------------------------------------------------------------------

    def show_record(self, record: RunRecord, smoothing: float) -> None:
        """Draw a run's lines as they are now."""
        for line in self.spec.lines:
            steps, values = points(getattr(record, line.source).get(line.metric))
            smooth = smoothing if line.source == "train" else 0.0
            self._lines[line].setData(steps, smoothed(values, smooth))
            faint = self._faint.get(line)
            if faint is not None:
                faint.setData(steps if smooth else [], values if smooth else [])
        self._show_scale()

    def show_overlays(self, records: Sequence[tuple[RunRecord, str]], smoothing: float) -> None:
        """Draw other runs behind, dashed, each in its colour ("#rrggbb")."""
        for item in self._overlays:
            self.widget.removeItem(item)
        self._overlays = []
        for record, colour in records:
            for line in self.spec.lines:
                steps, values = points(getattr(record, line.source).get(line.metric))
                if not len(steps):
                    continue
                train = line.source == "train"
                style = Qt.PenStyle.DashLine if train else Qt.PenStyle.DotLine
                item = self._new_item(pen=plot_pen(self, colour, 1 if train else 2, style))
                item.setZValue(-5)
                item.setData(steps, smoothed(values, smoothing if train else 0.0))
                self._overlays.append(item)
        self._show_scale()

    def show_note(self, text: str, step: int | None = None) -> None:
        """A reading beside the curve, and where on it."""
        self._note.setText(text)
        self._note.setVisible(bool(text))
        self._mark.setVisible(bool(text) and step is not None)
        if step is not None:
            self._mark.setPos(step)

    def show_step(self, step: float, record: RunRecord) -> None:
        """The values at a step in place of the sentence; the sentence again when it is negative."""
        self._cross.setVisible(step >= 0)
        if step < 0:
            self._sentence.setText(self.spec.sentence)
            self._sentence.setMinimumHeight(0)
            return
        self._sentence.setMinimumHeight(self._sentence.height())  # so that nothing moves under the pointer
        self._cross.setPos(step)
        texts = [_value_at(record, line, int(step)) for line in self.spec.lines]
        self._sentence.setText(f"Step {step:.0f}: " + " &nbsp; ".join(text for text in texts if text))

    def set_span(self, steps: int) -> None:
        """Show this many steps across, and all values."""
        box = self.widget.getViewBox()
        box.setXRange(0, max(steps, 1), padding=0.02)
        if self.spec.limits:
            box.setYRange(*self.spec.limits, padding=0)
        else:
            box.enableAutoRange(y=True)

    def apply_theme(self) -> None:
        """Take the colours and the text size from the theme."""
        look = theme.current()
        self.widget.setBackground(look.card)
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 0.85)
        for name in ("left", "bottom"):
            axis = self.widget.getAxis(name)
            axis.setPen(plot_pen(self, look.border))
            axis.setTextPen(look.muted)
            axis.setTickFont(font)
            axis.label.setFont(font)
        self.widget.setLabel("bottom", "step", color=look.muted)
        self.widget.getAxis("bottom").setHeight(round(2.4 * QFontMetricsF(font).height()))
        self.widget.showGrid(x=False, y=True, alpha=0.25)
        if self._level is not None:
            self._level.setPen(plot_pen(self, look.outline))
        self._cross.setPen(plot_pen(self, look.muted))
        self._mark.setPen(plot_pen(self, look.warn, 1, Qt.PenStyle.DotLine))
        for line, item in self._lines.items():
            colour = QColor(look.series[line.colour])
            item.setPen(plot_pen(self, colour, 1.5 if line.source == "train" else 2))
            if line.source != "train":
                item.setSymbol("o")
                item.setSymbolSize(6)
                item.setSymbolBrush(pg.mkBrush(colour))
                item.setSymbolPen(pg.mkPen(colour))
            else:
                faint = QColor(colour)
                faint.setAlpha(90)
                self._faint[line].setPen(plot_pen(self, faint))
        self._legend.setText(self._legend_text())

    # -- inside ----------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self.apply_theme()
        return super().event(event)

    def _set_up_plot(self) -> None:
        plot = self.widget.getPlotItem()
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setDownsampling(auto=True, mode="peak")
        plot.setClipToView(True)
        for name in ("left", "bottom"):
            plot.getAxis(name).enableAutoSIPrefix(False)
        plot.getAxis("left").setWidth(46)
        self.widget.setFrameShape(QFrame.Shape.NoFrame)
        self._level = None
        if self.spec.level is not None:
            self._level = pg.InfiniteLine(self.spec.level, angle=0)
            self._level.setZValue(-10)
            self.widget.addItem(self._level, ignoreBounds=True)
        self._cross, self._mark = pg.InfiniteLine(0, angle=90), pg.InfiniteLine(0, angle=90)
        for item in (self._cross, self._mark):
            item.hide()
            self.widget.addItem(item, ignoreBounds=True)
        for line in self.spec.lines:
            if line.source == "train":
                self._faint[line] = self._new_item()
            self._lines[line] = self._new_item()
        self.widget.scene().sigMouseMoved.connect(self._on_mouse_moved)

    def _show_scale(self) -> None:
        """Numbers at the left axis only where something is drawn: those of an empty plot would mean nothing."""
        drawn = any(item.getOriginalDataset()[0] is not None for item in (*self._lines.values(), *self._overlays))
        self.widget.getAxis("left").setStyle(showValues=drawn or self.spec.limits is not None)

    def _new_item(self, **style: object) -> pg.PlotDataItem:
        item = pg.PlotDataItem(connect="finite", antialias=True, **style)
        self.widget.addItem(item)
        return item

    def _on_mouse_moved(self, position: QPointF) -> None:
        box = self.widget.getViewBox()
        if box.sceneBoundingRect().contains(position):
            self.hovered.emit(max(0.0, float(round(box.mapSceneToView(position).x()))))
        else:
            self.hovered.emit(-1.0)

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(-1.0)
        super().leaveEvent(event)

    def _legend_text(self) -> str:
        parts = [_coloured(line, line.label) + (" &nbsp; " if line.label else "") for line in self.spec.lines]
        return "".join(parts).removesuffix(" &nbsp; ")


def _value_at(record: RunRecord, line: Line, step: int) -> str:
    """A line's value at a step; one that is measured now and then is the last that was measured until then."""
    series: Series | None = getattr(record, line.source).get(line.metric)
    if series is None or not len(series):
        return ""
    at = step if line.source == "train" else max((s for s in series.steps if s <= step), default=step)
    value = series.at(at)
    if value is None:
        return ""
    when = "" if at == step else f" at {at}"
    return _coloured(line, f"{number(value)}{when}")


def _coloured(line: Line, text: str) -> str:
    colour = theme.current().series[line.colour]
    sign = "─" if line.source == "train" else "─●"
    return f'<span style="color:{colour}">{sign}</span> {text}'

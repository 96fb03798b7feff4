"""The curves of a run: four linked plots, smoothing, other runs behind them, zoom, and export.

They are repainted at most 20 times a second, however fast the numbers come.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core.errors import UserError
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import FlowLayout

from . import curve_export
from .plot import PLOTS, PlotCard
from .readings import Reading
from .record import RunRecord

REPAINT_EVERY_MS = 50
TWO_COLUMNS_FROM = 760
STRONGEST_SMOOTHING = 95
#: Which of the theme's series colours other runs take, in turn: those that the run's own lines leave free.
OVERLAY_COLOURS = (2, 5)


class CurvesPanel(QWidget):
    """The plots of one run and what can be done with them.

    Signals:
        overlay_toggled: (key, on) another run is to be drawn behind, or no longer.
        complained: (UserError) the curves could not be saved.
        saved: (path) they were.
    """

    overlay_toggled = Signal(object, bool)
    complained = Signal(object)
    saved = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._record = RunRecord()
        self._title = ""
        self._overlays: list[tuple[RunRecord, str]] = []
        self._readings: list[Reading] = []
        self._zoomed = False
        self._step = -1.0
        self.repaints = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REPAINT_EVERY_MS)
        self._timer.timeout.connect(self._repaint)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Training curves")
        self.cards = {spec.key: PlotCard(spec, wheel_zooms=self._everything_fits) for spec in PLOTS}
        self._build()
        first = self.cards[PLOTS[0].key].widget
        for card in self.cards.values():
            card.hovered.connect(self._on_hovered)
            if card.widget is not first:
                card.widget.setXLink(first)
            card.widget.getViewBox().sigRangeChangedManually.connect(self._on_zoomed)
        theme.notifier().changed.connect(self._on_theme)

    # -- what is shown ---------------------------------------------------------------------------

    def show_run(self, title: str, record: RunRecord) -> None:
        """Show another run, all of it."""
        self._title, self._record = title, record
        self._readings = []
        self.reset_view()
        self.refresh()

    def refresh(self) -> None:
        """The record has more: repaint soon."""
        if not self._timer.isActive():
            self._timer.start()

    def show_overlays(self, runs: Sequence[tuple[str, RunRecord]]) -> None:
        """Draw these other runs behind: their names and records."""
        series = theme.current().series
        self._overlays = [
            (record, series[OVERLAY_COLOURS[i % len(OVERLAY_COLOURS)]]) for i, (_, record) in enumerate(runs)
        ]
        names = [
            f'<span style="color:{colour}">╌╌</span> {name}'
            for (name, _), (_, colour) in zip(runs, self._overlays, strict=True)
        ]
        self._overlay_legend.setText(" &nbsp; ".join(names))
        self.refresh()

    def set_choices(self, runs: Sequence[tuple[object, str, bool]]) -> None:
        """The runs that can be drawn behind: a key, a name, and whether each is drawn now."""
        self._menu.clear()
        for key, name, on in runs:
            action = self._menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(on)
            action.toggled.connect(lambda on, key=key: self.overlay_toggled.emit(key, on))
        self._compare.setEnabled(bool(runs))

    def show_readings(self, readings: Sequence[Reading]) -> None:
        """Put each reading beside its curve; the first of a curve wins."""
        self._readings = list(readings)
        self.refresh()

    @property
    def smoothing(self) -> float:
        """The weight of the moving average, 0 for none."""
        return self._slider.value() / 100

    def set_smoothing(self, weight: float) -> None:
        self._slider.setValue(round(weight * 100))

    def reset_view(self) -> None:
        """Undo all zooming: the whole run is in view."""
        self._zoomed = False
        self._reset.setEnabled(False)
        span = self._span()
        for card in self.cards.values():
            card.set_span(span)

    def save(self, path: Path) -> None:
        """Write the curves to a .png, .svg or .csv file. Raises UserError."""
        self._repaint()
        plots = [(card.spec, card.widget) for card in self.cards.values()]
        curve_export.save(path, self._record, self._title, plots)

    # -- keys ------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        move = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if move is not None and self._record.has_curves:
            start = self._record.step if self._step < 0 else self._step + move
            self._on_hovered(float(min(max(start, 0), max(self._record.step, 1))))
        elif event.key() == Qt.Key.Key_Escape and self._step >= 0:
            self._on_hovered(-1.0)
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    # -- inside ----------------------------------------------------------------------------------

    def _build(self) -> None:
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, STRONGEST_SMOOTHING)
        self._slider.setFixedWidth(120)
        self._slider.setAccessibleName("Smoothing of the training curves")
        self._slider.setToolTip("Averages the training curves; the curve as measured stays faint behind.")
        self._slider.valueChanged.connect(self.refresh)
        self._menu = QMenu(self)
        self._compare = QPushButton("Compare with")
        self._compare.setMenu(self._menu)
        self._compare.setEnabled(False)
        self._compare.setToolTip("Draws other runs behind this one, dashed.")
        self._reset = QPushButton("Reset view")
        self._reset.setEnabled(False)
        self._reset.clicked.connect(self.reset_view)
        self._export = QPushButton("Save curves…")
        self._export.setToolTip("As PNG or SVG pictures, or as CSV with every number.")
        self._export.clicked.connect(self.ask_where_to_save)
        self._overlay_legend = QLabel()
        self._overlay_legend.setTextFormat(Qt.TextFormat.RichText)
        self._overlay_legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        label = QLabel("Smoothing")
        label.setBuddy(self._slider)
        smoothing = QWidget()
        beside = QHBoxLayout(smoothing)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(theme.SPACE_S)
        beside.addWidget(label)
        beside.addWidget(self._slider)
        beside.addWidget(self._overlay_legend, 1)
        bar = FlowLayout(spacing=theme.SPACE_S, row_spacing=0)
        bar.add(smoothing, stretch=1)
        for button in (self._compare, self._reset, self._export):
            button.setProperty("role", "ghost")
            button.setAccessibleName(button.text().rstrip("…"))
            bar.addWidget(button)
        inside = QWidget()
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.SPACE_M)
        self._columns = 0
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, theme.SPACE_S, 0, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addLayout(bar)
        layout.addWidget(self._scroll, 1)
        self._arrange()

    def _arrange(self) -> None:
        columns = 2 if self.width() >= TWO_COLUMNS_FROM else 1
        if columns == self._columns:
            return
        self._columns = columns
        for index, card in enumerate(self.cards.values()):
            self._grid.addWidget(card, index // columns, index % columns)
        for column in range(2):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)

    def _span(self) -> int:
        records = [self._record, *(record for record, _ in self._overlays)]
        return max(max(record.steps, record.step) for record in records)

    def _everything_fits(self) -> bool:
        return self._scroll.verticalScrollBar().maximum() == 0

    def _repaint(self) -> None:
        self._timer.stop()
        self.repaints += 1
        if not self._zoomed:
            self.reset_view()
        for card in self.cards.values():
            card.show_record(self._record, self.smoothing)
            card.show_overlays(self._overlays, self.smoothing)
            reading = next((r for r in self._readings if r.curve == card.spec.key), None)
            card.show_note(reading.sentence if reading else "", reading.step if reading else None)
            if self._step >= 0:
                card.show_step(self._step, self._record)

    def _on_hovered(self, step: float) -> None:
        if math.isclose(step, self._step):
            return
        self._step = step
        for card in self.cards.values():
            card.show_step(step, self._record)

    def _on_zoomed(self) -> None:
        self._zoomed = True
        self._reset.setEnabled(True)

    def _on_theme(self) -> None:
        for card in self.cards.values():
            card.apply_theme()
        self.refresh()

    def ask_where_to_save(self) -> None:
        """Ask for a file and save the curves there."""
        name, _ = QFileDialog.getSaveFileName(
            self, "Save curves", f"{self._title}.png", "Picture (*.png);;Vector picture (*.svg);;Numbers (*.csv)"
        )
        if not name:
            return
        try:
            self.save(Path(name))
        except UserError as error:
            self.complained.emit(error)
        else:
            self.saved.emit(name)

    def sizeHint(self) -> QSize:
        return QSize(900, 560)

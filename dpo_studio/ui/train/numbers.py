"""The strip of a run's newest numbers."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dpo_studio.ui import theme

from .record import RunRecord, Series
from .wording import number, percent

#: Metric, its title, how it is written, and whether the held-out value is shown beside it; the dearest first,
#: since a narrow window shows only as many as fit.
TILES = (
    ("loss", "Loss", number, True),
    ("margin", "Margin", number, True),
    ("accuracy", "Accuracy", percent, True),
    ("tokens_per_s", "Tokens/s", lambda value: "–" if value is None else f"{value:,.0f}", False),
    ("memory_gb", "Memory", lambda value: "–" if value is None else f"{value:.1f} GB", False),
    ("learning_rate", "Learning rate", number, False),
    ("grad_norm", "Gradient", number, False),
)
WIDEST = "held out 0.0000"


class NumbersStrip(QFrame):
    """One tile a number: its name, the training value, and the held-out one below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "strip")
        self.setAccessibleName("Newest numbers")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_S, theme.SPACE_L, theme.SPACE_S)
        layout.setSpacing(theme.SPACE_L)
        self._tiles: list[QWidget] = []
        self._values: dict[str, tuple[QLabel, QLabel]] = {}
        for name, title, _, _ in TILES:
            tile = QWidget()
            column = QVBoxLayout(tile)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(0)
            labels = []
            for text, role in ((title, "muted"), ("–", "subheading"), ("", "muted")):
                label = QLabel(text)
                label.setProperty("role", role)
                label.setMinimumWidth(1)
                column.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
                labels.append(label)
            layout.addWidget(tile, 1)
            self._tiles.append(tile)
            self._values[name] = (labels[1], labels[2])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - theme.SPACE_L
        fitting = room // (self.fontMetrics().horizontalAdvance(WIDEST) + theme.SPACE_L)
        for index, tile in enumerate(self._tiles):
            tile.setVisible(index < max(3, fitting))

    def show_record(self, record: RunRecord) -> None:
        """Show the newest values, or those of the step that was kept in the end; a dash where there is none."""
        held_out = bool(record.started and record.started.held_out_groups)
        kept = record.done.kept_step if record.done else 0
        for name, _, write, both in TILES:
            value, beside = self._values[name]
            value.setText(write(_value(record.train.get(name), kept)))
            other = _value(record.held_out.get(name), kept) if both and held_out else None
            beside.setText("" if other is None else f"held out {write(other)}")
        self.setVisible(record.has_curves)


def _value(series: Series | None, kept: int) -> float | None:
    if series is None:
        return None
    return series.at(kept) if kept else series.last()

"""The strip of a run's newest numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dpo_studio.ui import theme

from .record import RunRecord, Series
from .wording import number, percent


@dataclass(frozen=True, slots=True)
class Tile:
    """One number.

    Attributes:
        metric: its name in the events.
        help: what it means, in a sentence.
        write: how it is written.
        held_out: whether the held-out value is shown below it.
    """

    metric: str
    title: str
    help: str
    write: Callable[[float | None], str] = number
    held_out: bool = False


#: The dearest first, since a narrow window shows only as many as fit.
TILES = (
    Tile("loss", "Loss", "How far the model is from ranking as you did; lower is better.", held_out=True),
    Tile("margin", "Margin", "How much more the model likes the best answer than the worst.", held_out=True),
    Tile("accuracy", "Accuracy", "The share of pairs it orders as you did; 50% is guessing.", percent, held_out=True),
    Tile(
        "wrongness",
        "Still wrong",
        "The mean of σ(−d) over the pairs, d being a pair's margin: how wrong the model still is. 50% is no preference;"
        " near 0% nothing is left to learn.",
        percent,
        held_out=True,
    ),
    Tile("tokens_per_s", "Tokens/s", "Tokens trained on in a second.", lambda value: _written(value, ",.0f")),
    Tile("memory_gb", "Memory", "What the training process holds.", lambda value: _written(value, ".1f", " GB")),
    Tile("learning_rate", "Learning rate", "How far a step goes; it rises, then falls."),
    Tile("grad_norm", "Gradient", "The length of the gradient, before it is scaled down to its limit."),
    Tile(
        "kendall_tau",
        "Kendall’s τ",
        "How far its order of all answers agrees with yours: 1 wholly, 0 as chance would, −1 the other way round.",
        held_out=True,
    ),
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
        for spec in TILES:
            tile = QWidget()
            tile.setToolTip(spec.help)
            tile.setAccessibleDescription(spec.help)
            column = QVBoxLayout(tile)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(0)
            labels = []
            for text, role in ((spec.title, "muted"), ("–", "subheading"), ("", "muted")):
                label = QLabel(text)
                label.setProperty("role", role)
                label.setMinimumWidth(1)
                column.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
                labels.append(label)
            layout.addWidget(tile, 1)
            self._tiles.append(tile)
            self._values[spec.metric] = (labels[1], labels[2])

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
        for tile in TILES:
            value, beside = self._values[tile.metric]
            value.setText(tile.write(_value(record.train.get(tile.metric), kept)))
            other = _value(record.held_out.get(tile.metric), kept) if tile.held_out and held_out else None
            beside.setText("" if other is None else f"held out {tile.write(other)}")
        self.setVisible(record.has_curves)


def _written(value: float | None, how: str, unit: str = "") -> str:
    """A value in a given format; a dash where there is none."""
    return "–" if value is None else f"{value:{how}}{unit}"


def _value(series: Series | None, kept: int) -> float | None:
    if series is None:
        return None
    return series.at(kept) if kept else series.last()

"""A run's curves as files: PNG and SVG as they are seen, CSV with every number that was measured."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter
from PySide6.QtWidgets import QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.ui import theme

from .record import RunRecord

if TYPE_CHECKING:
    from .plot import PlotSpec

PICTURE_WIDTH = 1280
PNG_SCALE = 2
SUFFIXES = (".png", ".svg", ".csv")
_GAP, _HEAD, _TITLE_HEIGHT = 24, 48, 44


def csv_text(record: RunRecord) -> str:
    """Every metric by step: a column each, "train_…", "held_out_…" and "fresh_…"; a gap is an empty field."""
    columns = [(f"train_{name}", series) for name, series in record.train.items()]
    columns += [(f"held_out_{name}", series) for name, series in record.held_out.items()]
    columns += [(f"fresh_{name}", series) for name, series in record.fresh.items()]
    rows: dict[int, dict[str, float]] = {}
    for name, series in columns:
        for step, value in zip(series.steps, series.values, strict=True):
            row = rows.setdefault(step, {})
            if math.isfinite(value):
                row[name] = value
    text = io.StringIO()
    writer = csv.DictWriter(text, ["step", *(name for name, _ in columns)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"step": step, **rows[step]} for step in sorted(rows))
    return text.getvalue()


def save(path: Path, record: RunRecord, title: str, plots: Sequence[tuple[PlotSpec, QWidget]]) -> None:
    """Write the curves to a file of the kind that its suffix names.

    Args:
        plots: what each curve shows and the plot that shows it, in reading order.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path.name} is no kind of file that curves can be saved as.", "Use .png, .svg or .csv.")
    try:
        if suffix == ".csv":
            path.write_text(csv_text(record), encoding="utf-8")
        elif suffix == ".png":
            _save_png(path, title, plots)
        else:
            _save_svg(path, title, plots)
    except OSError as error:
        raise UserError(
            f"{path} could not be written: {error.strerror or error}.", "Choose another place or free some disk space."
        ) from error


def _save_png(path: Path, title: str, plots: Sequence[tuple[PlotSpec, QWidget]]) -> None:
    image = QImage(_size(plots) * PNG_SCALE, QImage.Format.Format_ARGB32)
    image.setDevicePixelRatio(PNG_SCALE)
    painter = QPainter(image)
    _paint(painter, title, plots)
    painter.end()
    if not image.save(str(path), "PNG"):
        raise OSError(f"no picture could be put into {path.parent}")


def _save_svg(path: Path, title: str, plots: Sequence[tuple[PlotSpec, QWidget]]) -> None:
    from PySide6.QtSvg import QSvgGenerator

    generator = QSvgGenerator()
    generator.setFileName(str(path))
    size = _size(plots)
    generator.setSize(size)
    generator.setViewBox(QRectF(0, 0, size.width(), size.height()))
    generator.setTitle(title)
    painter = QPainter()
    if not painter.begin(generator):
        raise OSError(f"no picture could be put into {path.parent}")
    _paint(painter, title, plots)
    painter.end()


def _size(plots: Sequence[tuple[PlotSpec, QWidget]]) -> QSize:
    """The picture's size: as wide as always, and as high as keeps the plots' own proportions."""
    plot_width = (PICTURE_WIDTH - 3 * _GAP) / 2
    shape = max(widget.viewport().height() / max(widget.viewport().width(), 1) for _, widget in plots)
    rows = -(-len(plots) // 2)
    return QSize(PICTURE_WIDTH, round(_HEAD + rows * (plot_width * min(shape, 1.0) + _TITLE_HEIGHT + _GAP)))


def _paint(painter: QPainter, title: str, plots: Sequence[tuple[PlotSpec, QWidget]]) -> None:
    """The title and the plots, two in a row, on the picture's whole size."""
    look = theme.current()
    size = _size(plots)
    width, height = size.width(), size.height()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(0, 0, width, height, QColor(look.card))
    _text(painter, QRectF(_GAP, _GAP / 2, width - 2 * _GAP, 30), title, look.text, pixels=20, bold=True)
    rows = -(-len(plots) // 2)
    cell_width, cell_height = (width - 3 * _GAP) / 2, (height - _HEAD - _GAP * rows) / rows
    for index, (spec, widget) in enumerate(plots):
        left = _GAP + (index % 2) * (cell_width + _GAP)
        top = _HEAD + (index // 2) * (cell_height + _GAP)
        _text(painter, QRectF(left, top, cell_width, 22), spec.title, look.text, pixels=15, bold=True)
        _legend(painter, QRectF(left, top, cell_width, 22), spec)
        _text(painter, QRectF(left, top + 22, cell_width, 20), spec.sentence, look.muted, pixels=12)
        target = QRectF(left, top + _TITLE_HEIGHT, cell_width, cell_height - _TITLE_HEIGHT)
        widget.render(painter, target, widget.viewport().rect(), Qt.AspectRatioMode.IgnoreAspectRatio)


def _legend(painter: QPainter, box: QRectF, spec: PlotSpec) -> None:
    """The lines' names in their colours, from the right."""
    right = box.right()
    for line in reversed(spec.lines):
        text = f"{'─' if line.source == 'train' else '─●'} {line.label}"
        font = QFont(painter.font())
        font.setPixelSize(12)
        width = QFontMetricsF(font).horizontalAdvance(text) + (14 if line.label else 4)
        right -= width
        where = QRectF(right, box.top(), width, box.height())
        _text(painter, where, text, theme.current().series[line.colour], pixels=12)


def _text(painter: QPainter, box: QRectF, text: str, colour: str, *, pixels: int, bold: bool = False) -> None:
    font = QFont(painter.font())
    font.setPixelSize(pixels)
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(QColor(colour))
    painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

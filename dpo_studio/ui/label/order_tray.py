"""The order so far as a row of chips that can be dragged: the placed ones with their signs, then those left."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from dpo_studio.ui import theme

from .drops import Beside, Insert, Out, Target
from .order_entry import BETTER, EQUAL, WRITTEN, OrderEntry

_GAP, _APART, _ROUND, _REACH = 6, 18, 6.0, 28
_EDGE = 0.22  # of a chip's width: nearer to its side means beside it, not onto it


@dataclass(frozen=True, slots=True)
class _Spot:
    """Something in the row. `what` is "chip", "loose", "own", "slot" or "sign"."""

    what: str
    rect: QRectF
    text: str
    position: int = -1


class OrderTray(QWidget):
    """Shows an entry's order; it decides nothing.

    Signals:
        pressed: (position) a chip was clicked.
        dragged: (position, point) a chip is dragged and is at this point of the screen.
        dropped: (position, point, strong) it was let go there, with Shift held or not.
    """

    pressed = Signal(int)
    dragged = Signal(int, QPoint)
    dropped = Signal(int, QPoint, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entry: OrderEntry | None = None
        self._spots: list[_Spot] = []
        self._natural_width = 0.0
        self._held: tuple[int, QPoint] | None = None
        self._target: Target | None = None
        self.lifted: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setToolTip("Drag an answer to its place; onto another one, they tie.")

    def show_entry(self, entry: OrderEntry) -> None:
        """Show the order as it stands."""
        self._entry = entry
        self.setAccessibleName(f"Order so far: {entry.text() or 'nothing is placed'}")
        self._lay_out()
        self.updateGeometry()

    def show_target(self, target: Target | None, lifted: int | None = None) -> None:
        """Mark where a drop would go, and which answer is in the air."""
        if (target, lifted) != (self._target, self.lifted):
            self._target, self.lifted = target, lifted
            self.update()

    def let_go(self) -> None:
        """Forget the chip that the mouse holds."""
        self._held = None

    def center_of(self, position: int) -> QPoint:
        """Where an answer's chip is, in the tray."""
        return self._chip(position).rect.center().toPoint()

    def target_at(self, position: int, point: QPoint) -> Target | None:
        """Where an answer would go if it was dropped at a point of the tray; None for nowhere."""
        reach = self.rect().adjusted(-_REACH, -_REACH // 2, _REACH, _REACH // 2)
        if self._entry is None or not reach.contains(point):
            return None
        x = float(point.x())
        slot = next((spot for spot in self._spots if spot.what == "slot"), None)
        if slot is not None and x > slot.rect.right() + _APART / 2:
            return self._among_loose(position, x)
        buckets = self._entry.buckets
        if slot is not None and x >= slot.rect.left() - _GAP:
            return Beside(buckets[-1][-1]) if self._entry.waits_for_tie else Insert(len(buckets))
        for place, bucket in enumerate(buckets):
            chips = [self._chip(one) for one in bucket]
            left, right = chips[0].rect.left(), chips[-1].rect.right()
            edge = chips[0].rect.width() * _EDGE
            if x < left + edge:
                return Insert(place)
            if x <= right - edge:
                others = [chip for chip in chips if chip.position != position]
                if not others:
                    return None
                return Beside(min(others, key=lambda chip: abs(chip.rect.center().x() - x)).position)
        return Insert(len(buckets))

    def sizeHint(self) -> QSize:
        return QSize(round(self._natural_width) + 2, round(self._chip_height()) + 6)

    def minimumSizeHint(self) -> QSize:
        return QSize(round(self._natural_width * 0.5), self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._lay_out()
            self.updateGeometry()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        chip = self._chip_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and chip is not None:
            self._held = (chip.position, event.position().toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        if self._held is None:
            over = self._chip_at(event.position()) is not None
            self.setCursor(Qt.CursorShape.OpenHandCursor if over else Qt.CursorShape.ArrowCursor)
            return
        position, start = self._held
        if self.lifted is not None or (at - start).manhattanLength() >= QApplication.startDragDistance():
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.dragged.emit(position, self.mapToGlobal(at))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        held, self._held = self._held, None
        if held is None or event.button() != Qt.MouseButton.LeftButton:
            return
        at = event.position().toPoint()
        self.setCursor(Qt.CursorShape.ArrowCursor)
        if self.lifted is not None:
            strong = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.dropped.emit(held[0], self.mapToGlobal(at), strong)
        else:
            self.pressed.emit(held[0])

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for spot in self._spots:
            self._paint_spot(painter, spot, colours)
        if self._target is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 3))
            self._paint_target(painter, self._target)

    def _paint_spot(self, painter: QPainter, spot: _Spot, colours: theme.Theme) -> None:
        faint = spot.what in ("slot", "sign") or spot.position == self.lifted
        fill = colours.selection if spot.what in ("chip", "own") else colours.surface
        edge = colours.accent if spot.what in ("chip", "own") else colours.outline
        if spot.what != "sign":
            dashed = spot.what == "slot" or spot.position == self.lifted
            painter.setPen(QPen(QColor(edge), 1.2, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))
            painter.setBrush(QColor(colours.surface if dashed else fill))
            painter.drawRoundedRect(spot.rect.adjusted(0.5, 0.5, -0.5, -0.5), _ROUND, _ROUND)
        painter.setFont(self._font(bold=spot.what != "slot"))
        painter.setPen(QColor(colours.muted if faint else colours.text))
        painter.drawText(spot.rect, Qt.AlignmentFlag.AlignCenter, spot.text)

    def _paint_target(self, painter: QPainter, target: Target) -> None:
        if isinstance(target, Beside) and self._entry is not None:
            place = next((n for n, bucket in enumerate(self._entry.buckets) if target.other in bucket), None)
            if target.side == 0 or place is None:
                painter.drawRoundedRect(self._chip(target.other).rect.adjusted(1, 1, -1, -1), _ROUND, _ROUND)
                return
            target = Insert(place + (target.side > 0))
        slot = next((spot for spot in self._spots if spot.what == "slot"), None)
        if isinstance(target, Out):
            loose = [spot.rect for spot in self._spots if spot.what == "loose"]
            left = loose[0].left() if loose else 0.0
            painter.drawLine(QPointF(left, self.height() - 1.5), QPointF(self.width() - 2, self.height() - 1.5))
        elif isinstance(target, Insert) and self._entry is not None:
            if slot is not None and target.place == len(self._entry.buckets):
                painter.drawRoundedRect(slot.rect.adjusted(1, 1, -1, -1), _ROUND, _ROUND)
            else:
                x = self._edge_before(target.place)
                painter.drawLine(QPointF(x, 2), QPointF(x, self.height() - 2))

    def _edge_before(self, place: int) -> float:
        """Where a new bucket would go in between, as x."""
        assert self._entry is not None
        buckets = self._entry.buckets
        left = self._chip(buckets[place - 1][-1]).rect.right() if place else 0.0
        right = self._chip(buckets[place][0]).rect.left() if place < len(buckets) else float(self.width())
        if place == 0:
            return right - 2 if not self._entry.written else right - _GAP
        return (left + right) / 2 if place < len(buckets) else min(left + _GAP, self.width() - 2)

    def _among_loose(self, position: int, x: float) -> Target | None:
        assert self._entry is not None
        if self._entry.rank_of(position) is not None:
            return Out()
        for spot in self._spots:
            edge = spot.rect.width() * _EDGE
            if spot.what == "loose" and spot.rect.left() + edge <= x <= spot.rect.right() - edge:
                return Beside(spot.position) if spot.position != position else None
        return None

    def _chip(self, position: int) -> _Spot:
        return next(spot for spot in self._spots if spot.position == position)

    def _chip_at(self, point: QPointF) -> _Spot | None:
        return next((spot for spot in self._spots if spot.position >= 0 and spot.rect.contains(point)), None)

    def _font(self, *, bold: bool) -> QFont:
        font = QFont(self.font())
        font.setBold(bold)
        return font

    def _chip_height(self) -> float:
        return QFontMetricsF(self._font(bold=True)).height() * 1.5

    def _lay_out(self) -> None:
        """Place everything from left to right, closer together where the room is small."""
        pieces = self._pieces()
        if not pieces:
            return
        metrics, height = QFontMetricsF(self._font(bold=True)), self._chip_height()
        widths = []
        for what, text, _position in pieces:
            wide = metrics.horizontalAdvance(text)
            widths.append(wide + 8 if what == "sign" else max(height * 1.15, wide + 18))
        gaps = [_gap(one[0], other[0]) for one, other in zip(pieces, pieces[1:], strict=False)]
        gaps.append(0.0)
        self._natural_width = 4.0 + sum(widths) + sum(gaps)
        factor = min(1.0, max(self.width(), 1) / self._natural_width)
        self._spots, x, top = [], 2.0, (self.sizeHint().height() - height) / 2
        for (what, text, position), width, gap in zip(pieces, widths, gaps, strict=True):
            self._spots.append(_Spot(what, QRectF(x, top, width * factor, height), text, position))
            x += (width + gap) * factor
        self.update()

    def _pieces(self) -> list[tuple[str, str, int]]:
        """What stands in the row: (what, text, position)."""
        entry = self._entry
        if entry is None:
            return []
        pieces = [("own", WRITTEN, -1)] if entry.written else []
        for bucket in entry.buckets:
            for place, position in enumerate(bucket):
                if pieces:
                    pieces.append(("sign", (EQUAL if place else BETTER).strip(), -1))
                pieces.append(("chip", str(position + 1), position))
        if entry.unplaced:
            if pieces:
                pieces.append(("sign", (EQUAL if entry.waits_for_tie else BETTER).strip(), -1))
            pieces.append(("slot", "…" if pieces else "best", -1))
        pieces += [("loose", str(position + 1), position) for position in entry.unplaced]
        return pieces


def _gap(one: str, other: str) -> float:
    """Pixels between two neighbours."""
    if "sign" in (one, other):
        return 1.0
    return float(_APART if one == "slot" else _GAP)

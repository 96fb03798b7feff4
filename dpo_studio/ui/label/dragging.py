"""Dragging answers: from the order's chips or from the cards, onto the order or onto another card.

Only the mouse and what it shows are here; what a drop does is in `order_entry`.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QWidget

from dpo_studio.ui import theme

from .drops import Beside, Target, described
from .item_stack import ItemStack
from .order_tray import OrderTray

_SIDE = 0.25  # of a card's width: dropped there, it is better (left) or worse (right)
_AWAY = 12  # pixels from the pointer to what is told beside it, above so that the order stays in sight


class Dragging(QObject):
    """Follows an answer through the air and says where it landed.

    Signals:
        dropped: (position, target, strong) an answer was dropped on a place.
    """

    dropped = Signal(int, object, bool)

    def __init__(self, stack: ItemStack, tray: OrderTray, host: QWidget) -> None:
        super().__init__(host)
        self._stack, self._tray, self._host = stack, tray, host
        self.ghost = QLabel(host)
        self.ghost.setProperty("role", "key")
        self.mark = CardMark(host)
        for widget in (self.ghost, self.mark):
            widget.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            widget.hide()
        tray.dragged.connect(self.move)
        tray.dropped.connect(self.drop)
        for view in stack.views:
            view.grid.dragged.connect(self.move)
            view.grid.dropped.connect(self.drop)

    @property
    def active(self) -> bool:
        """Whether an answer is in the air."""
        return self._tray.lifted is not None

    def move(self, position: int, point: QPoint) -> None:
        """An answer is over a point of the screen."""
        target = self._target_at(position, point)
        self._tray.show_target(target, position)
        self.mark.show_over(self._card_rect(target), target)
        item = self._stack.view.item
        words = "" if target is None or item is None else described(target, item.entry.buckets)
        self.ghost.setText(f"{position + 1}   {words}" if words else str(position + 1))
        self.ghost.adjustSize()
        corner = self._host.mapFromGlobal(point) + QPoint(_AWAY, -_AWAY - self.ghost.height())
        room = self._host.rect()
        corner.setX(max(0, min(corner.x(), room.width() - self.ghost.width())))
        corner.setY(max(0, min(corner.y(), room.height() - self.ghost.height())))
        self.ghost.move(corner)
        self.ghost.show()
        self.ghost.raise_()

    def drop(self, position: int, point: QPoint, strong: bool) -> None:
        """It was let go over a point of the screen."""
        target = self._target_at(position, point)
        self._hide()
        if target is not None:
            self.dropped.emit(position, target, strong)

    def cancel(self) -> bool:
        """Put the answer back where it came from; False when none was in the air."""
        if not self.active:
            return False
        self._hide()
        self._tray.let_go()
        for view in self._stack.views:
            view.grid.let_go()
        return True

    def _hide(self) -> None:
        self._tray.show_target(None)
        self.ghost.hide()
        self.mark.hide()

    def _target_at(self, position: int, point: QPoint) -> Target | None:
        found = self._tray.target_at(position, self._tray.mapFromGlobal(point))
        if found is not None:
            return found
        grid = self._stack.view.grid
        if not grid.viewport().rect().contains(grid.viewport().mapFromGlobal(point)):
            return None
        for other, card in enumerate(grid.shown_cards):
            at = card.mapFromGlobal(point)
            if other != position and card.rect().contains(at):
                share = at.x() / max(card.width(), 1)
                return Beside(other, -1 if share < _SIDE else 1 if share > 1 - _SIDE else 0)
        return None

    def _card_rect(self, target: Target | None) -> QRectF:
        """The card that a target is beside, in the host."""
        if not isinstance(target, Beside):
            return QRectF()
        card = self._stack.view.grid.shown_cards[target.other]
        return QRectF(QRect(card.mapTo(self._host, QPoint(0, 0)), card.size()))


class CardMark(QWidget):
    """Drawn over the card that an answer is dragged onto: a frame for a tie, a bar on the better or worse side."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.side = 0

    def show_over(self, rect: QRectF, target: Target | None) -> None:
        """Cover a card; without one, hide."""
        if not isinstance(target, Beside):
            self.hide()
            return
        self.side = target.side
        self.setGeometry(rect.toRect())
        self.show()
        self.raise_()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(theme.current().accent)
        if self.side == 0:
            painter.setPen(QPen(colour, 4))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 2, -2, -2), 8, 8)
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        x = 0.0 if self.side < 0 else self.width() - 8.0
        painter.drawRoundedRect(QRectF(x, 0, 8, self.height()), 4, 4)

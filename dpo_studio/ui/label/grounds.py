"""What is painted behind an answer's text: the ground under code, the bar beside a quotation."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QTextBlock
from PySide6.QtWidgets import QTextEdit

from dpo_studio.ui.theme import Theme

from .markdown import CODE_PADDING, QUOTE_INDENT, is_code, quote_depth

_ROUND, _BAR = 6.0, 3.0


def paint(view: QTextEdit, painter: QPainter, theme: Theme) -> None:
    """Paint the grounds of what is in sight, under the text."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.translate(-view.horizontalScrollBar().value(), -view.verticalScrollBar().value())
    end = view.verticalScrollBar().value() + view.viewport().height()
    block = view.cursorForPosition(QPoint(0, 0)).block()
    while block.isValid():
        area = _area(view, block)
        if area.top() > end + CODE_PADDING:
            return
        if is_code(block):
            block = _paint_code(view, painter, block, area, end, theme)
        elif depth := quote_depth(block):
            painter.setBrush(QColor(theme.border))
            following = block.next()
            bottom = _area(view, following).top() if quote_depth(following) >= depth else area.bottom() + 2
            for number in range(1, depth + 1):
                x = area.left() - number * QUOTE_INDENT + _BAR
                painter.drawRect(QRectF(x, area.top() - 1, _BAR, bottom - area.top() + 1))
        block = block.next()


def _paint_code(
    view: QTextEdit, painter: QPainter, block: QTextBlock, area: QRectF, end: float, theme: Theme
) -> QTextBlock:
    """The ground of a stretch of code from its first block in sight; returns its last one in sight."""
    if is_code(block.previous()):
        area.setTop(area.top() - 4 * CODE_PADDING)  # it began above what is in sight
    while is_code(block.next()) and area.bottom() < end + CODE_PADDING:
        block = block.next()
        area = area.united(_area(view, block))
    painter.setBrush(QColor(theme.hover))
    painter.drawRoundedRect(area.adjusted(-CODE_PADDING, -CODE_PADDING, CODE_PADDING, CODE_PADDING), _ROUND, _ROUND)
    return block


def _area(view: QTextEdit, block: QTextBlock) -> QRectF:
    """Where a block's lines are, in the document: from where they begin to where they would break."""
    area = view.document().documentLayout().blockBoundingRect(block)
    if block.layout().lineCount():
        line = block.layout().lineAt(0)
        area.setLeft(area.left() + line.x())
        area.setWidth(line.width())
    return area

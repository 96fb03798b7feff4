"""The looks of tables in answers: ruled, short words never broken, in the direction of their script."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFrameFormat,
    QTextTable,
    QTextTableCell,
)

from dpo_studio.ui.theme import Theme

_PADDING = 5
_WHOLE = 24  # characters up to which a word in a cell is kept in one piece


def finish(document: QTextDocument, theme: Theme, *, since: int) -> None:
    """Give the tables from a position on their looks."""
    for frame in document.rootFrame().childFrames():
        if isinstance(frame, QTextTable) and frame.lastPosition() >= since:
            _drop_empty_start(frame)
            _keep_words_whole(frame)
            _rule(frame, theme)


def has_table(document: QTextDocument) -> bool:
    """Whether there is a table, which may be wider than its view."""
    return any(isinstance(frame, QTextTable) for frame in document.rootFrame().childFrames())


def _rule(table: QTextTable, theme: Theme) -> None:
    shape = table.format()
    shape.setBorder(1)
    shape.setBorderBrush(QBrush(QColor(theme.outline)))
    shape.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    shape.setBorderCollapse(True)
    shape.setCellPadding(_PADDING)
    shape.setCellSpacing(0)
    direction = table.cellAt(0, 0).firstCursorPosition().block().textDirection()
    if direction == Qt.LayoutDirection.RightToLeft:
        shape.setLayoutDirection(direction)
    table.setFormat(shape)


def _keep_words_whole(table: QTextTable) -> None:
    """Cells of one short word, as in a head or a column of numbers, are never broken inside it."""
    whole = QTextBlockFormat()
    whole.setNonBreakableLines(True)
    for row in range(table.rows()):
        for column in range(table.columns()):
            cell = table.cellAt(row, column)
            text = _text(cell)
            if len(text) <= _WHOLE and not any(character.isspace() for character in text.strip()):
                cell.firstCursorPosition().mergeBlockFormat(whole)


def _text(cell: QTextTableCell) -> str:
    return cell.firstCursorPosition().block().text()


def _drop_empty_start(table: QTextTable) -> None:
    """After a list, the reader of Markdown begins a table with an empty line in its first cell."""
    cell = table.cellAt(0, 0)
    first: QTextCursor = cell.firstCursorPosition()
    if not first.block().text() and cell.lastCursorPosition().position() > first.position():
        first.deleteChar()

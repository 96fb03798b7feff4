"""The looks of tables in answers: ruled, short words never broken, in the direction of their script."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFrame,
    QTextFrameFormat,
    QTextLength,
    QTextTable,
    QTextTableCell,
)

from dpo_studio.ui.theme import Theme

_PADDING = 5
_WHOLE = 40  # characters up to which a cell is kept on one line
_MANY = 3  # columns from which a long one could be squeezed by the others


def finish(document: QTextDocument, theme: Theme, *, since: int) -> None:
    """Give the tables from a position on their looks."""
    for frame in root_frame(document).childFrames():
        if isinstance(frame, QTextTable) and frame.lastPosition() >= since:
            _drop_empty_start(frame)
            _keep_words_whole(frame)
            _rule(frame, theme)


def root_frame(document: QTextDocument) -> QTextFrame:
    """The frame that holds the whole document.

    By a cursor: for each that `QTextDocument.rootFrame` returns, PySide keeps a wrapper as long as the document lives,
    and a document that is written anew has another one each time.
    """
    frame = QTextCursor(document).currentFrame()
    while (outer := frame.parentFrame()) is not None:
        frame = outer
    return frame


def has_table(document: QTextDocument) -> bool:
    """Whether there is a table, which may be wider than its view."""
    return any(isinstance(frame, QTextTable) for frame in root_frame(document).childFrames())


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
    """Short cells stay on one line; a column of long ones beside them keeps a width in which it can be read."""
    whole = QTextBlockFormat()
    whole.setNonBreakableLines(True)
    long: set[int] = set()
    for row in range(table.rows()):
        for column in range(table.columns()):
            cell = table.cellAt(row, column)
            if len(_text(cell)) <= _WHOLE:
                cell.firstCursorPosition().mergeBlockFormat(whole)
            else:
                long.add(column)
    if table.columns() >= _MANY and 0 < len(long) < table.columns():
        wide = QFontMetricsF(table.document().defaultFont()).averageCharWidth() * _WHOLE
        fixed = QTextLength(QTextLength.Type.FixedLength, wide)
        shape = table.format()
        shape.setColumnWidthConstraints([fixed if n in long else QTextLength() for n in range(table.columns())])
        table.setFormat(shape)


def _text(cell: QTextTableCell) -> str:
    return cell.firstCursorPosition().block().text()


def _drop_empty_start(table: QTextTable) -> None:
    """After a list, the reader of Markdown begins a table with an empty line in its first cell."""
    cell = table.cellAt(0, 0)
    first: QTextCursor = cell.firstCursorPosition()
    if not first.block().text() and cell.lastCursorPosition().position() > first.position():
        first.deleteChar()

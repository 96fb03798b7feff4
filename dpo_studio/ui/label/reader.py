"""A read-only view of text from a model: nothing fetched, links only reported, Label's keys let through."""

from __future__ import annotations

import math

from PySide6.QtCore import QPoint, Qt, QUrl, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QTextCursor, QTextOption, QWheelEvent
from PySide6.QtWidgets import QApplication, QFrame, QTextBrowser, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.nothing_read import nothing_read

from . import grounds, keys

_FRAME = 1
_HIGH = 100_000


class Reader(QTextBrowser):
    """Shows a document and does nothing by itself.

    Signals:
        clicked: the text was clicked, not selected and not on a link.

    Attributes:
        long: the text is higher than any window. It is laid out only as far as it is looked at.
    """

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(2)
        self.setMinimumSize(0, 0)
        self._pressed_at: QPoint | None = None
        self.long = False

    def loadResource(self, kind: int, _name: QUrl) -> object:
        """No picture, style or file that a text names is ever read."""
        return nothing_read(kind)

    def height_for(self, width: int) -> int:
        """The height in which the whole text shows at this width. Call `fit` once the size is set."""
        if self.long:
            return _HIGH
        document = self.document()
        layout = document.documentLayout()
        before = layout.blockSignals(True)  # told of another size, the view would at once lay out for its own width
        try:
            inner = max(width - 2 * _FRAME, 40)
            document.setTextWidth(inner)
            size = document.size()
            bar = self.horizontalScrollBar().sizeHint().height() if size.width() > inner else 0
            return math.ceil(size.height()) + 2 * _FRAME + bar
        finally:
            layout.blockSignals(before)

    def allow_wide(self, allowed: bool) -> None:
        """Whether something in the text, such as a table, may be wider than the view, which then scrolls sideways."""
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if allowed else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setHorizontalScrollBarPolicy(policy)

    def scroll_where_needed(self, needed: bool) -> None:
        """Whether there may be a scroll bar: one that appears for a moment narrows the text and so would stay."""
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if needed else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setVerticalScrollBarPolicy(policy)

    def fit(self) -> None:
        """Lay the text out for the width that shows."""
        if self.document().textWidth() != self.viewport().width():
            self.document().setTextWidth(self.viewport().width())

    def to_top(self) -> None:
        """Show the beginning, also after later changes of size."""
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self.verticalScrollBar().setValue(0)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        grounds.paint(self, painter, theme.current())
        painter.end()
        super().paintEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()  # the size of text is the window's; here it would change one answer alone
        else:
            super().wheelEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        pressed = keys.read(event)
        if pressed is not None and not (pressed.name == "enter" and self._link_has_focus()):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _link_has_focus(self) -> bool:
        """Whether Tab led to a link, which Enter is to ask about."""
        cursor = self.textCursor()
        return cursor.hasSelection() and cursor.charFormat().isAnchor()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position().toPoint() if event.button() == Qt.MouseButton.LeftButton else None
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        event.accept()
        start, self._pressed_at = self._pressed_at, None
        at = event.position().toPoint()
        if start is None or (at - start).manhattanLength() >= QApplication.startDragDistance():
            return
        if not self.textCursor().hasSelection() and not self.anchorAt(at):
            self.clicked.emit()

"""What is behind a warning, as a list: why it is listed, the rows, the whole text of the marked one, and ways on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.kept_splitter import KeptSplitter
from dpo_studio.ui.widgets.plain_tip import plain_tip

#: Rows that are read at once; "More" reads the next ones.
AT_ONCE = 200


class EvidenceList(QWidget):
    """The frame of such a list. Subclasses read the rows and say what a row's text is.

    Signals:
        closed: back to the report.

    Args:
        name: what is listed, for who does not see it; `text_name`: what is shown of the marked one.
        buttons: what can be done with all that is listed, the first one what is done most.
    """

    closed = Signal()

    def __init__(
        self,
        *,
        name: str,
        headers: Sequence[str],
        text_name: str,
        buttons: Sequence[QPushButton],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._all: Sequence[Any] = ()
        self._read = 0
        back = QPushButton("Back to the report")
        back.setToolTip("Esc")
        back.clicked.connect(self.closed)
        self.sentence = QLabel()
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setProperty("role", "subheading")
        self.sentence.setWordWrap(True)
        self.more = QPushButton()
        self.more.setProperty("role", "link")
        self.more.clicked.connect(self.read_more)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName(name)
        self.tree.setHeaderLabels(list(headers))
        self.tree.setUniformRowHeights(True)
        self.tree.setAllColumnsShowFocus(True)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.currentItemChanged.connect(self._on_marked)
        self.tree.itemActivated.connect(lambda _item, _column: self.open_marked())
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(text_name)
        self._lay_out(back, buttons)
        self.setFocusProxy(self.tree)

    def show_all(self, sentence: str, everything: Sequence[Any]) -> None:
        """List these, for the reason the sentence gives."""
        self._all, self._read = everything, 0
        self.sentence.setText(sentence)
        self.tree.clear()
        self.text.clear()
        self.read_more()
        self.tree.setCurrentItem(self.tree.topLevelItem(0))

    def read_more(self) -> None:
        """Add the next of them to the list."""
        some = self._all[self._read : self._read + AT_ONCE]
        self._read += len(some)
        self.add_rows(some)
        left = len(self._all) - self._read
        self.more.setVisible(left > 0)
        self.more.setText(f"Show more ({left:,} left)")

    def add_rows(self, some: Sequence[Any]) -> None:
        """Add rows for these; each carries what `text_of_row` is asked about as its data."""
        raise NotImplementedError

    def text_of_row(self, data: Any) -> str:
        """The whole text of a row."""
        raise NotImplementedError

    def open_marked(self) -> None:
        """Go where the marked one can be worked on."""
        raise NotImplementedError

    @property
    def marked(self) -> Any:
        """What the marked row carries, or None."""
        item = self.tree.currentItem()
        return None if item is None else item.data(0, Qt.ItemDataRole.UserRole)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _on_marked(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.text.setPlainText(self.text_of_row(item.data(0, Qt.ItemDataRole.UserRole)))

    def _lay_out(self, back: QPushButton, buttons: Sequence[QPushButton]) -> None:
        list_side = QWidget()
        column = QVBoxLayout(list_side)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree, 1)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        splitter = KeptSplitter("quality", Qt.Orientation.Vertical)
        splitter.addWidget(list_side)
        splitter.addWidget(self.text)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.begin([300, 200])
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_M)
        top.addWidget(back)
        top.addStretch(1)
        for button in reversed(buttons):
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(top)
        layout.addWidget(self.sentence)
        layout.addWidget(splitter, 1)


def row(texts: Sequence[str], data: Any) -> QTreeWidgetItem:
    """A row that carries its data; its first text is told in full where the pointer rests."""
    item = QTreeWidgetItem(list(texts))
    item.setToolTip(0, plain_tip(texts[0]))
    item.setData(0, Qt.ItemDataRole.UserRole, data)
    return item

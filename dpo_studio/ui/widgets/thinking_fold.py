"""The thinking before an answer, folded away behind a small button, and how it looks when it is opened."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextDocument
from PySide6.QtWidgets import QSizePolicy, QToolButton, QWidget

from dpo_studio.core import thinking
from dpo_studio.ui.theme import Theme

_INDENT, _GAP = 12, 6


class ThinkingFold(QToolButton):
    """Says how long the thinking of a completion is; opens and closes. Hidden where there is none.

    The text is shown by whoever holds the fold, in the same view as the answer so that both scroll as one:
    `answer` is what always shows, and `insert` writes the thinking before it while the fold is `opened`.

    Signals:
        toggled: (opened) it was opened or closed; show the text again.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sections: tuple[thinking.Section, ...] = ()
        self.answer = ""
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setProperty("role", "fold")
        self.toggled.connect(self._show_state)
        self._show_state()
        self.hide()

    @property
    def opened(self) -> bool:
        """Whether thinking shows: the fold is open and there is some."""
        return self.isChecked() and self.has_thinking

    @property
    def has_thinking(self) -> bool:
        return any(section.is_thinking for section in self.sections)

    def set_open(self, opened: bool) -> None:
        """Open or close it without a word to anybody."""
        blocked = self.blockSignals(True)
        self.setChecked(opened)
        self.blockSignals(blocked)
        self._show_state()

    def show_text(self, text: str, *, writing: bool = False) -> None:
        """Take another completion, or more of the same one. Whether the fold is open stays.

        Args:
            writing: more is being written, so that thinking without an end is not cut off.
        """
        self.sections = thinking.split(text)
        self.answer = thinking.answer(text)
        self.setText(thinking.title(self.sections, writing=writing) if self.has_thinking else "")
        self.setVisible(self.has_thinking)
        self._show_state()

    def insert(self, document: QTextDocument, colours: Theme) -> None:
        """Write the thinking at the beginning of a document, muted and set in, before what it holds."""
        letters, shape = QTextCharFormat(), QTextBlockFormat()
        letters.setForeground(QColor(colours.muted))
        shape.setLeftMargin(_INDENT)
        shape.setRightMargin(_INDENT)
        shape.setBottomMargin(_GAP)
        cursor = QTextCursor(document)
        cursor.beginEditBlock()
        first = cursor.blockFormat()
        for section in self.sections:
            for line in section.text.split("\n") if section.is_thinking else ():
                cursor.insertText(line, letters)
                cursor.insertBlock(first)
                cursor.movePosition(QTextCursor.MoveOperation.PreviousBlock)
                cursor.setBlockFormat(shape)
                cursor.movePosition(QTextCursor.MoveOperation.NextBlock)
        cursor.endEditBlock()

    def _show_state(self) -> None:
        self.setArrowType(Qt.ArrowType.DownArrow if self.isChecked() else Qt.ArrowType.RightArrow)
        self.setAccessibleName(self.text())
        self.setToolTip("Hide what the model thought" if self.isChecked() else "Show what the model thought")

"""The project's written guideline, to be read and to be changed where it stands."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.ui import theme

from . import markdown
from .panels import button, label
from .reader import Reader

_LEAST_WIDTH, _CHARACTERS = 280, 26
_NONE_YET = "Nothing is written yet about what makes an answer better in this project."
_EXAMPLE = "For example: short, plain answers that say so when they are not sure."


class GuidelinePanel(QFrame):
    """What "better" means in this project, in its owner's words.

    Signals:
        saved: (text) another text is to be kept.
        finished: editing came to an end.
    """

    saved = Signal(str)
    finished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._text: str | None = None
        self.edit_button = button("Edit", role="ghost", tip="Change what is written here")
        self.edit_button.setAccessibleName("Edit the guideline")
        self.write_button = button("Write it", role="primary")
        self.write_button.setAccessibleName("Write the guideline")
        for one in (self.edit_button, self.write_button):
            one.clicked.connect(self.begin)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._reading())
        self._pages.addWidget(self._nothing())
        self._pages.addWidget(self._editing())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 12, 12)
        layout.setSpacing(8)
        heading = label("subheading", "What better means here")
        heading.setWordWrap(True)
        layout.addWidget(heading)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.edit_button, 0, Qt.AlignmentFlag.AlignRight)
        self._fit_width()

    @property
    def is_edited(self) -> bool:
        """Whether it is being changed."""
        return self._pages.currentIndex() == 2

    @property
    def has_text(self) -> bool:
        """Whether anything is written."""
        return bool(self._text)

    @property
    def is_changed(self) -> bool:
        """Whether it is being changed and says something else now."""
        return self.is_edited and self.editor.toPlainText().strip() != (self._text or "")

    def show_text(self, text: str) -> None:
        """Show a guideline, or that there is none. What is being written is left alone."""
        if text != self._text:
            self._text = text
            self._render()
            if not self.is_edited:
                self._show_page()

    def begin(self) -> None:
        """Change the text where it stands."""
        if not self.is_edited:
            self.editor.setPlainText(self._text or "")
            self._pages.setCurrentIndex(2)
            self.edit_button.hide()
        self.editor.setFocus(Qt.FocusReason.OtherFocusReason)

    def end(self) -> None:
        """Show the text again as it is kept."""
        if self.is_edited:
            self._show_page()
            self.finished.emit()

    def save(self) -> None:
        """Ask for what was written to be kept; whoever keeps it calls `end`."""
        if self.is_changed:
            self.saved.emit(self.editor.toPlainText().strip())
        else:
            self.end()

    def restyle(self) -> None:
        self._render()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_width()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                self.save()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.end()
                return True
        return super().eventFilter(watched, event)

    def _fit_width(self) -> None:
        self.setFixedWidth(max(_LEAST_WIDTH, _CHARACTERS * self.fontMetrics().averageCharWidth()))

    def _reading(self) -> QWidget:
        self._reader = Reader()
        self._reader.setAccessibleName("Guideline")
        self._reader.document().setDocumentMargin(0)
        return self._reader

    def _nothing(self) -> QWidget:
        page = QWidget()
        sentence = label("muted", _NONE_YET)
        sentence.setWordWrap(True)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(sentence)
        layout.addWidget(self.write_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)
        return page

    def _editing(self) -> QWidget:
        page = QWidget()
        self.editor = QPlainTextEdit()
        self.editor.setAccessibleName("Guideline, being edited")
        self.editor.setPlaceholderText(_EXAMPLE)
        self.editor.setTabChangesFocus(True)
        self.editor.installEventFilter(self)
        keep = button("Save", role="primary", tip="Ctrl+Enter")
        keep.setAccessibleName("Save the guideline")
        cancel = button("Cancel", role="ghost", tip="Esc")
        cancel.setAccessibleName("Leave the guideline as it was")
        keep.clicked.connect(self.save)
        cancel.clicked.connect(self.end)
        told = label("muted", "Markdown. Ctrl+Enter saves, Esc cancels.")
        told.setWordWrap(True)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(cancel)
        row.addWidget(keep)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.editor, 1)
        layout.addWidget(told)
        layout.addLayout(row)
        return page

    def _show_page(self) -> None:
        there = bool(self._text)
        self._pages.setCurrentIndex(0 if there else 1)
        self.edit_button.setVisible(there)

    def _render(self) -> None:
        markdown.render(self._reader.document(), self._text or "", theme.current())

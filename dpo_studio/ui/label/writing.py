"""Where a person writes: the note on an item, and the answer that it should have been given."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from dpo_studio.ui.widgets.elided_label import ElidedLabel

from .panels import button, label


class NoteRow(QWidget):
    """One line about the item.

    Signals:
        changed: (text) the note is another one.
        finished: Enter or Escape was pressed in it.
    """

    changed = Signal(str)
    finished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = QLineEdit()
        self.field.setAccessibleName("Note")
        self.field.setPlaceholderText("Why this order? Enter goes back to labelling.")
        self.field.textEdited.connect(self.changed)
        self.field.installEventFilter(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(label("muted", "Note"))
        layout.addWidget(self.field, 1)

    def show_note(self, text: str) -> None:
        """Show an item's note; the row is there only when there is one."""
        self.field.setText(text)
        self.setVisible(bool(text))

    def begin(self) -> None:
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and _ends_line(event):
            if not self.field.text():
                self.hide()
            self.finished.emit()
            return True
        return super().eventFilter(watched, event)


class WritingPanel(QFrame):
    """An editor for the answer the model should have given.

    Signals:
        used: (text) the answer is to be ranked first; an empty text takes it away.
        cancelled: it was closed without that.
        changed: (text) the person wrote on.
    """

    used = Signal(str)
    cancelled = Signal()
    changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.editor = QPlainTextEdit()
        self.editor.setAccessibleName("The answer it should have given")
        self.editor.setPlaceholderText("Write the answer the model should have given.")
        self.editor.setTabChangesFocus(True)
        self.editor.setMinimumHeight(90)
        self.editor.installEventFilter(self)
        self.editor.textChanged.connect(self._on_changed)
        self._fills = False
        use = button("Rank it first", role="primary", tip="Ctrl+Enter")
        cancel = button("Cancel", role="ghost", tip="Esc")
        use.clicked.connect(self._on_use)
        cancel.clicked.connect(self.cancelled)
        head = QHBoxLayout()
        head.addWidget(label("subheading", "The answer it should have given"))
        hint = ElidedLabel()
        hint.setProperty("role", "muted")
        hint.setText("Ctrl+Enter ranks it first, Esc cancels")
        hint.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(hint, 1)
        head.addWidget(cancel)
        head.addWidget(use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 12, 12)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(self.editor, 1)
        self.setFixedHeight(220)
        self.hide()

    def begin(self, text: str) -> None:
        """Open with a text to start from."""
        self.show_unfinished(text)
        self.show()
        self.editor.selectAll()
        self.editor.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_unfinished(self, text: str) -> None:
        """Show a text that was being written; without one, close."""
        self._fills = True
        self.editor.setPlainText(text)
        self._fills = False
        self.setVisible(bool(text.strip()))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                self._on_use()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.cancelled.emit()
                return True
        return super().eventFilter(watched, event)

    def _on_changed(self) -> None:
        if not self._fills:
            self.changed.emit(self.editor.toPlainText())

    def _on_use(self) -> None:
        self.used.emit(self.editor.toPlainText())


def _ends_line(event: QKeyEvent) -> bool:
    return event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)

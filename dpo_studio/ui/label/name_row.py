"""One line that asks who is labelling: before the first label on this machine, and when another person takes over."""

from __future__ import annotations

import getpass

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QWidget

from dpo_studio.store.annotators import MAX_NAME

from .panels import button, label

FIRST = "Who is labelling? Your name goes with your labels. It is asked once."
OTHER = "Who labels from now on? Each person has a queue, a history and numbers of their own."


class NameRow(QFrame):
    """A field for a name.

    Signals:
        named: (name) Enter was pressed, or the button.
        cancelled: Escape was pressed.
    """

    named = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "banner")
        self.question = label("", FIRST)
        self.question.setWordWrap(True)
        self.field = QLineEdit()
        self.field.setAccessibleName("Your name")
        self.field.setMaxLength(MAX_NAME)
        self.field.setMinimumWidth(180)
        self.field.installEventFilter(self)
        self.use = button("Use this name", role="primary", tip="Enter")
        self.use.clicked.connect(self._on_use)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(12)
        layout.addWidget(self.question, 1)
        layout.addWidget(self.field)
        layout.addWidget(self.use)
        self.hide()

    def ask(self, question: str, name: str) -> None:
        """Open with a name to start from, all of it selected."""
        self.question.setText(question)
        self.field.setText(name)
        self.show()
        self.field.selectAll()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._on_use()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.hide()
                self.cancelled.emit()
                return True
            if self._is_begun_with_a_label_key(event):
                return True
        return super().eventFilter(watched, event)

    def _is_begun_with_a_label_key(self, event: QKeyEvent) -> bool:
        """Whether a digit or the like would be a name's first character: whoever labels fast meant the next label."""
        begins = self.field.selectedText() == self.field.text()
        alone = not event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        typed = event.text()
        return begins and alone and typed.isprintable() and typed != "" and not typed[0].isalpha()

    def _on_use(self) -> None:
        self.named.emit(self.field.text())


def login_name() -> str:
    """The name under which the person is logged in, to start from; "" where the system does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""

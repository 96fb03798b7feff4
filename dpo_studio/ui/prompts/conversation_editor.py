"""Writing one prompt: a system prompt where one is wanted, and as many turns as the conversation has."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core.types import Message
from dpo_studio.ui import theme

from .panel import text_of
from .reading import ROLE_WORDS

_LEAST_LINES, _MOST_LINES = 2, 14
_HINTS = {
    "system": "How the model is to behave in this conversation",
    "user": "What the model is asked",
    "assistant": "What the model answered",
}


class GrowingEdit(QPlainTextEdit):
    """A field that is as high as its text, between two bounds."""

    def fit(self) -> None:
        """Take the height that the text needs at the width there is."""
        lines = 0
        block = self.document().begin()
        while block.isValid() and lines < _MOST_LINES:
            layout = block.layout()
            lines += max(1, layout.lineCount() if layout is not None else 1)
            block = block.next()
        lines = min(max(lines, _LEAST_LINES), _MOST_LINES)
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 26)


class Turn(QWidget):
    """One message: whose it is, its text, and a button to take it away."""

    def __init__(self, role: str, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.role = role
        self.edit = GrowingEdit()
        self.edit.setPlaceholderText(_HINTS[role])
        self.edit.setTabChangesFocus(True)
        self.edit.setPlainText(text)
        self.label = QLabel(ROLE_WORDS[role])
        self.label.setBuddy(self.edit)
        self.label.setProperty("role", "muted")
        self.remove_button = QPushButton("Remove")
        self.remove_button.setProperty("role", "ghost")
        head = QHBoxLayout()
        head.addWidget(self.label, 1)
        head.addWidget(self.remove_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.edit)
        self.edit.textChanged.connect(self.edit.fit)

    def name(self, number: int, only: bool) -> None:
        """Tell people who cannot see the page which turn it is."""
        words = ROLE_WORDS[self.role]
        place = words if only or self.role == "system" else f"{words}, turn {number}"
        self.edit.setAccessibleName(place)
        self.remove_button.setAccessibleName(f"Remove: {place}")


class ConversationEditor(QScrollArea):
    """A conversation that ends with what the person says.

    Signals:
        changed: its text is otherwise.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.turns: list[Turn] = []
        self.system_button = QPushButton("Add a system prompt")
        self.system_button.setProperty("role", "ghost")
        self.system_button.clicked.connect(self._on_system)
        self.more_button = QPushButton("Add an answer and the next question")
        self.more_button.setToolTip("Ctrl+M")
        self.more_button.clicked.connect(self.add_exchange)
        more = QShortcut(QKeySequence("Ctrl+M"), self, self.add_exchange)
        more.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._column = QVBoxLayout()
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.SPACE_M)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, theme.SPACE_S, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addWidget(self.system_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addLayout(self._column)
        layout.addWidget(self.more_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)
        self.setWidgetResizable(True)
        self.setWidget(inside)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.set_messages(())

    def messages(self) -> tuple[Message, ...]:
        """What is written; a system prompt that is left empty is none."""
        return tuple(
            Message(message.role, message.content.strip())
            for message in self.written()
            if message.role != "system" or message.content.strip()
        )

    def written(self) -> tuple[Message, ...]:
        """Every turn as it stands, empty ones too."""
        return tuple(Message(turn.role, text_of(turn.edit)) for turn in self.turns)

    def problem(self) -> str:
        """Why this cannot be a prompt yet; "" where it can."""
        messages = self.messages()
        if not any(message.content for message in messages):
            return "Write what the model is asked."
        if not all(message.content for message in messages):
            return "Every turn needs its text, or remove it."
        return "" if messages[-1].role == "user" else "A conversation ends with what the person says."

    @property
    def is_empty(self) -> bool:
        return not any(turn.edit.toPlainText().strip() for turn in self.turns)

    def set_messages(self, messages: Sequence[Message]) -> None:
        """Write this conversation into the fields; none leaves one empty turn of the person."""
        for turn in self.turns:
            self._column.removeWidget(turn)
            turn.hide()
            turn.deleteLater()
        self.turns = []
        for message in messages or (Message("user", ""),):
            self._insert(len(self.turns), message.role, message.content)
        self._on_shape_changed()

    def add_exchange(self) -> None:
        """An answer of the model and the person's next turn."""
        self._insert(len(self.turns), "assistant")
        self._insert(len(self.turns), "user")
        self._on_shape_changed()
        self._go_to(self.turns[-2])

    def focus_text(self) -> None:
        """Go to the last thing that the person says."""
        self._go_to(self.turns[-1])

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        for turn in self.turns:
            turn.edit.fit()

    def _insert(self, place: int, role: str, text: str = "") -> None:
        turn = Turn(role, text)
        turn.edit.textChanged.connect(self.changed)
        turn.remove_button.clicked.connect(lambda: self._remove(turn))
        self.turns.insert(place, turn)
        self._column.insertWidget(place, turn)

    def _remove(self, turn: Turn) -> None:
        """Take a turn away; one between two others takes its answer with it, so that the speakers still alternate."""
        place = self.turns.index(turn)
        gone = [turn]
        if turn.role == "assistant" and place + 1 < len(self.turns):
            gone.append(self.turns[place + 1])
        elif turn.role == "user" and place + 1 < len(self.turns):
            gone.append(self.turns[place + 1])
        elif turn.role == "user" and place and self.turns[place - 1].role == "assistant":
            gone.append(self.turns[place - 1])
        for one in gone:
            self.turns.remove(one)
            self._column.removeWidget(one)
            one.hide()
            one.deleteLater()
        if not any(one.role == "user" for one in self.turns):
            self._insert(len(self.turns), "user")
        self._on_shape_changed()
        self._go_to(self.turns[min(place, len(self.turns) - 1)])

    def _on_system(self) -> None:
        self._insert(0, "system")
        self._on_shape_changed()
        self._go_to(self.turns[0])

    def _on_shape_changed(self) -> None:
        spoken = [turn for turn in self.turns if turn.role != "system"]
        for number, turn in enumerate(spoken, start=1):
            turn.name(number, only=len(spoken) == 1)
            turn.remove_button.setVisible(len(spoken) > 1)
        for turn in self.turns:
            if turn.role == "system":
                turn.name(0, only=True)
        self.system_button.setVisible(not self.turns or self.turns[0].role != "system")
        self._order_tabs()
        QTimer.singleShot(0, self, self._fit)
        self.changed.emit()

    def _order_tabs(self) -> None:
        """Tab goes from top to bottom, also through turns that came later."""
        before: QWidget = self.system_button
        for turn in self.turns:
            for field in (turn.edit, turn.remove_button):
                QWidget.setTabOrder(before, field)
                before = field

    def _go_to(self, turn: Turn) -> None:
        turn.edit.setFocus(Qt.FocusReason.OtherFocusReason)
        QTimer.singleShot(0, turn, lambda: self.ensureWidgetVisible(turn))

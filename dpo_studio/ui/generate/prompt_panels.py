"""Where prompts come in: typing them, and looking at a file before it is imported."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core import prompt_files
from dpo_studio.core.errors import UserError
from dpo_studio.core.prompt_files import Conversation, PromptFile
from dpo_studio.core.types import Message
from dpo_studio.ui import theme

SHOWN = 200


class Panel(QFrame):
    """A card with a heading, a body and two buttons.

    Signals:
        accepted: the conversations to add.
        closed: it is done with, or was given up.
    """

    accepted = Signal(object)
    closed = Signal()

    def __init__(self, heading: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.heading = QLabel(heading)
        self.heading.setProperty("role", "subheading")
        self.accept_button = QPushButton()
        self.accept_button.setProperty("role", "primary")
        self.accept_button.clicked.connect(self.accept)
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.closed)
        self.body = QVBoxLayout()
        self.body.setSpacing(theme.SPACE_S)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(theme.SPACE_S)
        self.buttons.addStretch()
        self.buttons.addWidget(cancel)
        self.buttons.addWidget(self.accept_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addWidget(self.heading)
        layout.addLayout(self.body, 1)
        layout.addLayout(self.buttons)

    def conversations(self) -> list[Conversation]:
        """What would be added now."""
        raise NotImplementedError

    def refresh(self, verb: str) -> None:
        """Say on the button how many there are."""
        count = len(self.conversations())
        what = "1 prompt" if count == 1 else f"{count} prompts" if count else "prompts"
        self.accept_button.setText(f"{verb} {what}")
        self.accept_button.setEnabled(count > 0)

    def accept(self) -> None:
        """Add what there is."""
        found = self.conversations()
        if found:
            self.accepted.emit(found)


class TypePanel(Panel):
    """Prompts from the keyboard: many at once, or one conversation of several turns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Type or paste prompts", parent)
        self.many = QRadioButton("Prompts")
        self.one = QRadioButton("One conversation of several turns")
        self.many.setChecked(True)
        kinds = QHBoxLayout()
        kinds.setSpacing(theme.SPACE_L)
        kinds.addWidget(self.many)
        kinds.addWidget(self.one)
        kinds.addStretch()
        self.system = _editor("System prompt", "Optional: how the model is to behave", lines=2)
        self.text = _editor("Prompts, one a line", "One prompt a line. Or put a blank line between longer ones.")
        self.turns: list[tuple[QLabel, QPlainTextEdit]] = []
        self._turn_layout = QVBoxLayout()
        self._turn_layout.setContentsMargins(0, 0, 0, 0)
        self._turn_layout.setSpacing(theme.SPACE_S)
        self.more_button = QPushButton("Add an answer and the next question")
        self.more_button.clicked.connect(self._on_more)
        self.fewer_button = QPushButton("Take the last two away")
        self.fewer_button.setProperty("role", "ghost")
        self.fewer_button.clicked.connect(self._on_fewer)
        turn_buttons = QHBoxLayout()
        turn_buttons.addWidget(self.more_button)
        turn_buttons.addWidget(self.fewer_button)
        turn_buttons.addStretch()
        conversation = QWidget()
        inside = QVBoxLayout(conversation)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addLayout(self._turn_layout)
        inside.addLayout(turn_buttons)
        inside.addStretch()
        self._conversation = QScrollArea()
        self._conversation.setWidgetResizable(True)
        self._conversation.setWidget(conversation)
        self._conversation.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hint = QLabel()
        self.hint.setProperty("role", "muted")
        self.hint.setWordWrap(True)
        self.body.addLayout(kinds)
        self.body.addWidget(_caption("System prompt (optional)", self.system))
        self.body.addWidget(self.system)
        self.body.addWidget(self.text, 1)
        self.body.addWidget(self._conversation, 1)
        self.body.addWidget(self.hint)
        self._add_turn("user")
        self.many.toggled.connect(self._on_kind)
        for editor in (self.system, self.text):
            editor.textChanged.connect(self._on_edited)
        self._on_kind()

    def conversations(self) -> list[Conversation]:
        system = self.system.toPlainText().strip()
        first = (Message("system", system),) if system else ()
        if self.many.isChecked():
            return [first + turns for turns in prompt_files.parse_text(self.text.toPlainText())]
        texts = [editor.toPlainText().strip() for _, editor in self.turns]
        if not all(texts):
            return []
        roles = ("user", "assistant")
        return [first + tuple(Message(roles[n % 2], text) for n, text in enumerate(texts))]

    def clear(self) -> None:
        """Ready for the next prompts; the system prompt stays."""
        self.text.clear()
        while len(self.turns) > 1:
            self._take_turn()
        self.turns[0][1].clear()
        self._on_edited()

    def focus_text(self) -> None:
        (self.text if self.many.isChecked() else self.turns[0][1]).setFocus()

    def _add_turn(self, role: str) -> None:
        words = "The person says" if role == "user" else "The model answered"
        editor = _editor(words, "", lines=3)
        editor.textChanged.connect(self._on_edited)
        label = _caption(words, editor)
        self.turns.append((label, editor))
        self._turn_layout.addWidget(label)
        self._turn_layout.addWidget(editor)

    def _take_turn(self) -> None:
        for widget in self.turns.pop():
            self._turn_layout.removeWidget(widget)
            widget.deleteLater()

    def _on_more(self) -> None:
        self._add_turn("assistant")
        self._add_turn("user")
        self.turns[-2][1].setFocus()
        self._on_edited()

    def _on_fewer(self) -> None:
        self._take_turn()
        self._take_turn()
        self._on_edited()

    def _on_kind(self) -> None:
        self.text.setVisible(self.many.isChecked())
        self._conversation.setVisible(not self.many.isChecked())
        self._on_edited()
        self.focus_text()

    def _on_edited(self) -> None:
        self.fewer_button.setVisible(len(self.turns) > 1)
        missing = not self.many.isChecked() and not self.conversations()
        self.hint.setText("Every turn needs its text." if missing else "")
        self.hint.setVisible(missing)
        self.refresh("Add")


class ImportPanel(Panel):
    """What a file holds, before anything of it is imported."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._path: Path | None = None
        self._read = PromptFile([])
        self.notes = QLabel()
        self.notes.setWordWrap(True)
        self.notes.setProperty("role", "muted")
        self.split = QComboBox()
        self.split.setAccessibleName("Where one prompt ends and the next begins")
        self.split.addItem("Each line is a prompt", "lines")
        self.split.addItem("Blank lines separate prompts", "paragraphs")
        self.split.activated.connect(self._on_split)
        self.preview = QListWidget()
        self.preview.setAccessibleName("Prompts in the file")
        self.preview.setWordWrap(False)
        self.refused = QLabel()
        self.refused.setWordWrap(True)
        self.refused.setProperty("role", "warning")
        self.refused.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.split, self.notes, self.preview, self.refused):
            self.body.addWidget(widget, 1 if widget is self.preview else 0)
        self.refresh("Import")

    @property
    def source(self) -> str:
        """The file's name, as the prompts' source."""
        return self._path.name if self._path is not None else ""

    def show_file(self, path: Path) -> None:
        """Read a file and show what would be imported.

        Raises:
            UserError: it cannot be read.
        """
        self._show(path, prompt_files.read(path))

    def conversations(self) -> list[Conversation]:
        return self._read.conversations

    def _show(self, path: Path, read: PromptFile) -> None:
        self._path, self._read = path, read
        self.heading.setText(path.name)
        self.split.setVisible(bool(read.split))
        self.split.setCurrentIndex(max(self.split.findData(read.split), 0))
        more = len(read.conversations) - SHOWN
        notes = [*read.notes, f"The first {SHOWN} are shown."] if more > 0 else read.notes
        self.notes.setText(" ".join(notes))
        self.notes.setVisible(bool(notes))
        self.preview.clear()
        for conversation in read.conversations[:SHOWN]:
            turns = f"  ({len(conversation)} turns)" if len(conversation) > 1 else ""
            item = QListWidgetItem(" ".join(conversation[-1].content.split())[:400] + turns)
            item.setToolTip("\n\n".join(f"{m.role}: {m.content}" for m in conversation)[:1200])
            self.preview.addItem(item)
        self.refused.setText(_refusals(read))
        self.refused.setVisible(bool(read.refused))
        self.refresh("Import")

    def _on_split(self) -> None:
        if self._path is None:
            return
        try:
            self._show(self._path, prompt_files.read(self._path, split=self.split.currentData()))
        except UserError as error:
            self.refused.setText(str(error))
            self.refused.show()


def _refusals(read: PromptFile) -> str:
    if not read.refused:
        return ""
    first = "; ".join(f"line {number} {reason}" for number, reason in read.refused[:6])
    rest = f"; and {len(read.refused) - 6} more" if len(read.refused) > 6 else ""
    count = "1 entry is" if len(read.refused) == 1 else f"{len(read.refused)} entries are"
    return f"{count} left out: {first}{rest}."


def _editor(name: str, placeholder: str, *, lines: int | None = None) -> QPlainTextEdit:
    editor = QPlainTextEdit()
    editor.setAccessibleName(name)
    editor.setPlaceholderText(placeholder)
    editor.setTabChangesFocus(True)
    if lines is not None:
        editor.setFixedHeight(editor.fontMetrics().lineSpacing() * lines + 24)
    return editor


def _caption(words: str, buddy: QWidget) -> QLabel:
    label = QLabel(words)
    label.setBuddy(buddy)
    return label

"""A card that takes the page's place while prompts come in: a heading, a body, Cancel and one button that does it."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from dpo_studio.core.types import Conversation
from dpo_studio.ui import theme

#: What Qt holds where a line ends.
_LINE_ENDS = dict.fromkeys(map(ord, "\u2028\u2029\ufdd0\ufdd1"), "\n")


class Panel(QFrame):
    """Base of the ways in which prompts come in.

    Signals:
        accepted: ready to be added; `rows()` says what.
        closed: it is done with, or was given up.
        check_wanted: what would be added is otherwise, so which of it is there already is to be asked.
    """

    accepted = Signal()
    closed = Signal()
    check_wanted = Signal()

    #: The fact of the project that keeps what is written here and not added yet; "" where nothing is kept.
    draft_fact = ""

    def __init__(self, heading: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.heading = QLabel(heading)
        self.heading.setProperty("role", "subheading")
        self.accept_button = QPushButton()
        self.accept_button.setProperty("role", "primary")
        self.accept_button.setToolTip("Ctrl+Enter")
        self.accept_button.clicked.connect(self.accept)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Esc")
        self.cancel_button.clicked.connect(lambda _checked=False: self.cancel())
        self.notice = QLabel()
        self.notice.setProperty("role", "muted")
        self.notice.setWordWrap(True)
        self.notice.setAccessibleName("Notice")
        self.body = QVBoxLayout()
        self.body.setSpacing(theme.SPACE_S)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(theme.SPACE_S)
        self.buttons.addWidget(self.notice, 1)
        self.buttons.addWidget(self.cancel_button)
        self.buttons.addWidget(self.accept_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addWidget(self.heading)
        layout.addLayout(self.body, 1)
        layout.addLayout(self.buttons)

    @property
    def source(self) -> str:
        """Where the prompts are said to come from."""
        raise NotImplementedError

    def rows(self) -> list[tuple[Conversation, tuple[str, ...]]]:
        """What would be added now, with the tags of each."""
        raise NotImplementedError

    def show_known(self, known: set[int], alike: str = "") -> None:
        """Which of `rows()`, by their place, are prompts already; and one that differs in capitals or spaces only."""

    def done(self) -> None:
        """They were added: be ready for the next."""

    def draft(self) -> str:
        """What is written and not added yet, as text that `restore` reads; "" where there is none."""
        return ""

    def restore(self, draft: str) -> None:
        """Go on with what was written before the window closed."""

    def begin(self) -> None:
        """It is shown: put the focus where one writes or chooses."""

    def accept(self) -> None:
        """Add what there is, if there is anything."""
        if self.accept_button.isEnabled():
            self.accepted.emit()

    def cancel(self) -> None:
        """Give up; what was written stays in its fields."""
        self.closed.emit()

    def say(self, sentence: str, role: str = "muted") -> None:
        theme.set_role(self.notice, role)
        self.notice.setText(sentence)


def editor(name: str, placeholder: str = "") -> QPlainTextEdit:
    """A field for prompts' text, in which Tab goes on to the next field."""
    made = QPlainTextEdit()
    made.setAccessibleName(name)
    made.setPlaceholderText(placeholder)
    made.setTabChangesFocus(True)
    return made


def text_of(field: QPlainTextEdit) -> str:
    """What stands in a field, as it was written: Qt itself gives a usual space for one that does not break."""
    return field.document().toRawText().translate(_LINE_ENDS)


def tab_through(*controls: QWidget) -> None:
    """Make Tab go through these in this order."""
    for first, second in pairwise(controls):
        QWidget.setTabOrder(first, second)


def counted(count: int, noun: str = "prompt") -> str:
    """How many there are, in words, such as "1 prompt" or "1,200 prompts"."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"

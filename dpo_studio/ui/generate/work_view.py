"""The widgets of Generate and their places; what they do is the page's."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.ui import theme
from dpo_studio.ui.prompt_list.table import PromptTable
from dpo_studio.ui.widgets.kept_splitter import KeptSplitter

from .answer_view import AnswerView
from .queue_bar import QueueBar
from .settings_form import SettingsForm

_LINES_OF_ANSWERS = 16


class WorkView(QWidget):
    """Settings above, the queue's strip, the prompts at the left and the answers beside them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form = SettingsForm()
        self.generate_button = _button("Generate", "primary")
        self.hint = QLabel()
        self.hint.setProperty("role", "muted")
        self.hint.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.queue = QueueBar()
        self.table = PromptTable()
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.clear_button = _button("Clear", "ghost")
        self.clear_button.setAccessibleName("Clear the selection")
        self.clear_button.setToolTip("Select none (Esc)")
        self.adding = _adding_buttons("write", "paste", "import")
        self.view = AnswerView()

        splitter = KeptSplitter("generate", Qt.Orientation.Horizontal)
        splitter.addWidget(self._prompts_side())
        splitter.addWidget(self.view)
        splitter.setStretchFactor(0, 2)
        splitter.setStretchFactor(1, 3)
        splitter.begin([420, 640])
        splitter.setMinimumHeight(self.fontMetrics().lineSpacing() * _LINES_OF_ANSWERS)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(self._head())
        layout.addWidget(self._settings_card())
        layout.addWidget(self.queue)
        layout.addWidget(splitter, 1)
        scroll = QScrollArea()  # a small window scrolls rather than squeezing one thing into another
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(body)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def show_count(self, every: int, selected: int, *, without_answers: int) -> None:
        """Say how many prompts there are and are selected, or wait for their first answers."""
        words = "1 prompt" if every == 1 else f"{every:,} prompts"
        if selected:
            words = f"{selected:,} of {every:,} selected"
        elif 0 < without_answers < every:
            words += f", {without_answers:,} without answers"
        self.count.setText(words)

    def _head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_M)
        head.addWidget(_heading())
        head.addWidget(self.hint, 1)
        head.addWidget(self.generate_button)
        return head

    def _settings_card(self) -> QWidget:
        card = QFrame()
        card.setProperty("role", "card")
        layout = QVBoxLayout(card)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_L, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addWidget(self.form)
        return card

    def _prompts_side(self) -> QWidget:
        side = QWidget()
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_S)
        top.addWidget(self.count)
        top.addWidget(self.clear_button)
        top.addStretch()
        bottom = QHBoxLayout()
        bottom.setSpacing(theme.SPACE_S)
        for button in self.adding.values():
            bottom.addWidget(button)
        bottom.addStretch()
        layout = QVBoxLayout(side)
        layout.setContentsMargins(0, 0, theme.SPACE_S, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        layout.addLayout(bottom)
        return side


class EmptyView(QWidget):
    """What is shown while the project has no prompts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        sentence = QLabel("Add prompts to begin")
        sentence.setProperty("role", "subheading")
        more = QLabel("A prompt is what the model is asked: a question, a task, or a conversation it is to go on with.")
        more.setProperty("role", "muted")
        more.setWordWrap(True)
        self.adding = _adding_buttons("import", "paste", "write", "starters")
        self.adding["import"].setProperty("role", "primary")
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.SPACE_S)
        buttons.addStretch()
        for button in self.adding.values():
            buttons.addWidget(button)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_L)
        layout.addWidget(_heading())
        layout.addStretch()
        for label in (sentence, more):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addLayout(buttons)
        layout.addStretch()


def _heading() -> QLabel:
    heading = QLabel("Generate")
    heading.setProperty("role", "heading")
    return heading


def _adding_buttons(*ways: str) -> dict[str, QPushButton]:
    """The ways in which prompts come in, each of them on the Prompts page."""
    named = {
        "write": ("Write…", "Write a prompt or a conversation (Ctrl+T)"),
        "paste": ("Paste…", "Prompts from the clipboard (Ctrl+V in the list)"),
        "import": ("Import…", "Prompts from a file, a folder or a data set (Ctrl+I)"),
        "starters": ("Starter prompts…", "Prompts that come with the app, by theme"),
    }
    made = {}
    for way in ways:
        made[way] = _button(named[way][0])
        made[way].setToolTip(named[way][1])
    return made


def _button(words: str, role: str = "") -> QPushButton:
    button = QPushButton(words)
    if role:
        button.setProperty("role", role)
    return button

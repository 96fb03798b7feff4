"""The widgets of Prompts and their places; what they do is the page's."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.ui import theme
from dpo_studio.ui.prompt_list.table import PromptTable
from dpo_studio.ui.widgets.kept_splitter import KeptSplitter

from .filter_bar import FilterBar
from .reading import ReadingPane
from .tag_strip import TagStrip

_LEAST_CHARACTERS = 24


class WorkView(QWidget):
    """Search and filters above, the list at the left, the prompt to read beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.add_button = QPushButton("Add prompts")
        self.generate_button = QPushButton("Generate answers")
        self.generate_button.setProperty("role", "primary")
        self.bar = FilterBar()
        self.table = PromptTable()
        self.reading = ReadingPane()
        self.tags = TagStrip()
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.count.setAccessibleName("How many prompts")
        self.nothing = QLabel()
        self.nothing.setProperty("role", "muted")
        self.nothing.setWordWrap(True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing_button = QPushButton("Clear the search")
        self.tags_button = QPushButton("Tags")
        self.archive_button = QPushButton("Archive")
        self._list_stack = QStackedWidget()
        self._list_stack.addWidget(self.table)
        self._list_stack.addWidget(self._nothing_found())
        self.splitter = KeptSplitter("prompts", Qt.Orientation.Horizontal)
        self.splitter.addWidget(self._list_side())
        self.splitter.addWidget(self.reading)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 2)
        self.splitter.begin([640, 460])
        least = self.fontMetrics().averageCharWidth() * _LEAST_CHARACTERS
        for number in range(2):
            self.splitter.widget(number).setMinimumWidth(least)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_S)
        head.addWidget(heading())
        head.addStretch(1)
        head.addWidget(self.add_button)
        head.addWidget(self.generate_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(head)
        layout.addWidget(self.bar)
        layout.addWidget(self.splitter, 1)

    def say_nothing_found(self, sentence: str, button: str) -> None:
        """A sentence and a button where the list is empty; "" shows the list."""
        self.nothing.setText(sentence)
        self.nothing_button.setText(button)
        self._list_stack.setCurrentIndex(1 if sentence else 0)

    def show_selected(self, selected: int, *, archived: bool) -> None:
        """What can be done with the selected prompts."""
        several = selected > 1
        for button in (self.tags_button, self.archive_button):
            button.setVisible(several)
        self.archive_button.setText("Bring back" if archived else "Archive")

    def _list_side(self) -> QWidget:
        side = QWidget()
        below = QHBoxLayout()
        below.setSpacing(theme.SPACE_S)
        below.addWidget(self.count, 1)
        below.addWidget(self.tags_button)
        below.addWidget(self.archive_button)
        layout = QVBoxLayout(side)
        layout.setContentsMargins(0, 0, theme.SPACE_S, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(self._list_stack, 1)
        layout.addWidget(self.tags)
        layout.addLayout(below)
        return side

    def _nothing_found(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setSpacing(theme.SPACE_M)
        layout.addStretch(1)
        layout.addWidget(self.nothing)
        layout.addWidget(self.nothing_button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(1)
        return page


class EmptyView(QWidget):
    """What is shown while the project has no prompts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        sentence = QLabel("A prompt is what the model is asked: a question, a task, or a conversation to go on with.")
        sentence.setProperty("role", "subheading")
        sentence.setWordWrap(True)
        sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.add_button = QPushButton("Add prompts")
        self.add_button.setProperty("role", "primary")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_L)
        layout.addWidget(heading())
        layout.addStretch(1)
        layout.addWidget(sentence)
        layout.addWidget(self.add_button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(1)


def heading() -> QLabel:
    made = QLabel("Prompts")
    made.setProperty("role", "heading")
    return made

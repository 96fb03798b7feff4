"""One prompt to read: the whole conversation as the model is given it, where it came from, how far it is."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QResizeEvent, QTextBlockFormat, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from dpo_studio.core.types import Message, Prompt
from dpo_studio.store.prompt_states import PromptState
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.flow import FlowLayout

from .filter_bar import source_name

ROLE_WORDS = {"system": "System prompt", "user": "The person", "assistant": "The model"}
#: Longer texts are shown up to here: a text view lays out a few hundred thousand letters at once without a pause.
LONGEST = 200_000
_LEAST_LINES = 15


class ReadingPane(QFrame):
    """Shows one prompt, or a sentence where none or several are chosen.

    Signals:
        edit_wanted, archive_wanted, tags_wanted, answers_wanted: a button was pressed.
    """

    edit_wanted = Signal()
    archive_wanted = Signal()
    tags_wanted = Signal()
    answers_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.messages: Sequence[Message] = ()
        self._several = self._has_answers = False
        self.facts = QLabel()
        self.facts.setProperty("role", "muted")
        self.facts.setWordWrap(True)
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self.facts.setAccessibleName("About this prompt")
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("The prompt")
        self.sentence = QLabel()
        self.sentence.setProperty("role", "muted")
        self.sentence.setWordWrap(True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.edit_button = self._button("Edit", self.edit_wanted, "Change its text (Ctrl+E)")
        self.tags_button = self._button("Tags", self.tags_wanted, "Add tags and take them away (Ctrl+L)")
        self.archive_button = self._button("Archive", self.archive_wanted, "")
        self.answers_button = self._button("Show its answers", self.answers_wanted, "Go to Generate with this prompt")
        self._buttons = QWidget()
        row = FlowLayout(self._buttons, spacing=theme.SPACE_S, row_spacing=theme.SPACE_S)
        for button in (self.edit_button, self.tags_button, self.archive_button, self.answers_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.sentence, 1)
        layout.addWidget(self.facts)
        layout.addWidget(self._buttons)
        theme.notifier().changed.connect(self._render)
        self.show_sentence("")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def show_sentence(self, sentence: str) -> None:
        """No single prompt is shown."""
        self.messages = ()
        self.sentence.setText(sentence)
        for widget in (self.text, self.facts, self._buttons):
            widget.hide()
        self.sentence.show()

    def show_prompt(self, prompt: Prompt, state: PromptState) -> None:
        """Show a prompt from its beginning; the same one again stays where it was scrolled to."""
        fresh = tuple(self.messages) != prompt.messages
        self.messages = prompt.messages
        if fresh:
            self._render()
        self.facts.setText("  ·  ".join(facts_of(prompt, state)))
        self.archive_button.setText("Bring back" if prompt.archived else "Archive")
        self.archive_button.setToolTip(
            "Show it among the others again (Del)"
            if prompt.archived
            else "Put it out of the way; its answers and labels stay (Del)"
        )
        self._has_answers = state.groups > 0 and not prompt.archived
        for widget in (self.text, self._buttons):
            widget.show()
        self.sentence.hide()
        self._make_room()

    def show_several(self, selected: int) -> None:
        """Of several selected prompts one is read; what its buttons do concerns all of them."""
        self._several = selected > 1
        self._make_room()

    def _make_room(self) -> None:
        """Leave out what is found elsewhere, too, where the text could not be read beside it."""
        roomy = self.height() > _LEAST_LINES * self.fontMetrics().lineSpacing()
        self.facts.setVisible(bool(self.messages) and roomy)
        self.tags_button.setVisible(not self._several and roomy)
        self.archive_button.setVisible(not self._several)
        self.answers_button.setVisible(self._has_answers and roomy)

    def _render(self) -> None:
        look, document = theme.current(), self.text.document()
        document.clear()
        cursor = QTextCursor(document)
        caption, words = QTextCharFormat(), QTextCharFormat()
        caption.setForeground(QColor(look.muted))
        caption.setFontWeight(600)
        words.setForeground(QColor(look.text))
        single = len(self.messages) == 1
        left = LONGEST
        for number, message in enumerate(self.messages):
            above = QTextBlockFormat()
            above.setTopMargin(0 if number == 0 else theme.SPACE_L)
            if not single:
                cursor.insertBlock(above, caption) if number else cursor.setBlockFormat(above)
                cursor.insertText(ROLE_WORDS.get(message.role, message.role), caption)
                cursor.insertBlock(QTextBlockFormat(), words)
            cursor.insertText(message.content[:left], words)
            left -= len(message.content)
            if left <= 0:
                cursor.insertBlock(above, caption)
                cursor.insertText("The rest is too long to be shown here. It is all there.", caption)
                break
        self.text.moveCursor(QTextCursor.MoveOperation.Start)

    @staticmethod
    def _button(words: str, signal: object, tip: str) -> QPushButton:
        button = QPushButton(words)
        button.setToolTip(tip)
        button.clicked.connect(signal)
        return button


def facts_of(prompt: Prompt, state: PromptState) -> list[str]:
    """What is known of a prompt besides its text."""
    facts = [f"From: {source_name(prompt.source)}"]
    if prompt.tags:
        facts.append(f"Tags: {', '.join(prompt.tags)}")
    if prompt.held_out:
        facts.append("held out: never trained on")
    if prompt.archived:
        facts.append("archived")
    facts.append(_answers(state))
    return facts


def _answers(state: PromptState) -> str:
    if not state.groups:
        return "no answers yet"
    parts = []
    if state.ready:
        sets = "1 comparison" if state.ready == 1 else f"{state.ready} comparisons"
        parts.append(f"{sets}, {state.labelled} labelled")
    if state.unfinished:
        parts.append(f"waits for {state.size - state.have} answers")
    return ", ".join(parts)


def plain_text(messages: Sequence[Message]) -> str:
    """A conversation for the clipboard: the text alone where there is one turn, else each under its role."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{ROLE_WORDS.get(m.role, m.role)}:\n{m.content}" for m in messages)

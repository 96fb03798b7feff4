"""The answers of one prompt side by side, written into while they are decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QTextBrowser, QVBoxLayout, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.thinking_fold import ThinkingFold

from .progress import Candidate, CandidateState

_LINES_SHOWN, _FEWEST_ACROSS = 6, 24
_ENDED = ("finished", "stopped", "cut")
_NO_ANSWER = "(no answer after the thinking)"
_CHARACTERS_ACROSS = 34
_WORDS: dict[CandidateState, str] = {
    "waiting": "waiting",
    "writing": "writing…",
    "finished": "finished",
    "stopped": "at a stop text",
    "cut": "cut off",
    "refused": "refused",
}
_TOLD: dict[CandidateState, str] = {
    "stopped": "It came to one of the texts that were set as an end (Numbers…).",
    "cut": "The model was stopped by the token limit before it came to an end.",
}


class AnswerCard(QFrame):
    """One answer: its number, its state, its text, with thinking folded away. Text is plain: nothing in it is read as
    anything else.
    """

    def __init__(self, number: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        title = QLabel(f"Answer {number}")
        title.setProperty("role", "subheading")
        self._tokens = QLabel()
        self._tokens.setProperty("role", "muted")
        self._state = QLabel()
        self._state.setProperty("role", "badge")
        self.text = QTextBrowser()
        self.text.setAccessibleName(f"Text of answer {number}")
        self.text.setOpenLinks(False)
        self.text.setUndoRedoEnabled(False)
        self.text.document().setDocumentMargin(0)
        self.text.setLineWrapMode(QTextBrowser.LineWrapMode.WidgetWidth)
        self.fold = ThinkingFold()
        self.fold.toggled.connect(self._on_fold_toggled)
        theme.notifier().changed.connect(self._on_look_changed)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_S)
        head.addWidget(title)
        head.addStretch()
        head.addWidget(self._tokens)
        head.addWidget(self._state)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_S, theme.SPACE_S)
        layout.setSpacing(theme.SPACE_S)
        self._source = QLabel()
        self._source.setProperty("role", "muted")
        self._source.setWordWrap(True)
        self._source.setTextFormat(Qt.TextFormat.PlainText)
        self._source.hide()
        layout.addLayout(head)
        layout.addWidget(self._source)
        layout.addWidget(self.fold)
        layout.addWidget(self.text, 1)
        self._candidate = Candidate()
        self._shown = ""
        self._thought = ""
        self._paused = False

    @property
    def state_words(self) -> str:
        return self._state.text()

    @property
    def state_told(self) -> str:
        """What the state means, where that is not plain."""
        return self._state.toolTip()

    @property
    def source_words(self) -> str:
        """Where it comes from, as far as that is told."""
        return self._source.text()

    def clear(self) -> None:
        """Ready for another group's answer."""
        self.text.clear()
        self.fold.setChecked(False)
        self._candidate = Candidate()
        self._shown = self._thought = ""

    def show_candidate(self, candidate: Candidate) -> None:
        """Show its state, and its text where that is another than what is shown."""
        before, self._candidate = self._candidate, replace(candidate)
        writing = candidate.state == "writing"
        if candidate.text != before.text or before.state != candidate.state:
            self.fold.show_text(candidate.text, writing=writing)
            self.text.setPlaceholderText("" if writing or not self.fold.has_thinking else _NO_ANSWER)
            self._show_text(follow=writing)
        if before.state == "writing" and candidate.state in _ENDED:
            self.text.verticalScrollBar().setValue(0)  # to be read from its beginning
        self._show_state()
        if candidate.tokens:
            self._tokens.setText("1 token" if candidate.tokens == 1 else f"{candidate.tokens} tokens")
        else:
            self._tokens.clear()

    def show_source(self, source: str) -> None:
        """Say where it comes from; nothing where that is as with the others, or not to be told."""
        self._source.setText(source)
        self._source.setVisible(bool(source))

    def set_paused(self, paused: bool) -> None:
        """Whether what is being written is held."""
        if paused != self._paused:
            self._paused = paused
            self._show_state()

    def _show_state(self) -> None:
        state = self._candidate.state
        self._state.setText("paused" if state == "writing" and self._paused else _WORDS[state])
        self._state.setToolTip(_TOLD.get(state, ""))

    def _show_text(self, *, follow: bool = False) -> None:
        """Write the answer, after its thinking where that is open; what is there already is only added to.

        Args:
            follow: stay at the end when it was there.
        """
        answer = self.fold.answer
        thought = "".join(part.raw for part in self.fold.sections if part.is_thinking) if self.fold.opened else ""
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        if self._shown and thought == self._thought and answer.startswith(self._shown):
            cursor = QTextCursor(self.text.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(answer[len(self._shown) :])
        else:
            self.text.setPlainText(answer)
            if thought:
                self.fold.insert(self.text.document(), theme.current())
        self._shown, self._thought = answer, thought
        if follow and at_end:
            bar.setValue(bar.maximum())

    def _on_fold_toggled(self) -> None:
        self._show_text()

    def _on_look_changed(self) -> None:
        if self.fold.opened:
            self._shown = ""  # colours are written into the text
            self._show_text()

    def minimumSizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(
            metrics.averageCharWidth() * _FEWEST_ACROSS, metrics.lineSpacing() * _LINES_SHOWN + 4 * theme.SPACE_XL
        )


class AnswerCards(QScrollArea):
    """As many cards in a row as fit; rows are filled evenly."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.cards: list[AnswerCard] = []
        self._body = QWidget()
        self._grid = QGridLayout(self._body)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.SPACE_M)
        self._across = 0
        self._paused = False
        self.setWidget(self._body)

    def show_candidates(
        self, candidates: Sequence[Candidate], *, sources: Sequence[str] = (), fresh: bool = True
    ) -> None:
        """Show these answers and no others.

        Args:
            sources: where each comes from, where that is to be told; there may be fewer of them.
            fresh: they are of another group than those before.
        """
        if len(self.cards) != len(candidates):
            for card in self.cards:
                self._grid.removeWidget(card)
                card.deleteLater()
            self.cards = [AnswerCard(number) for number in range(1, len(candidates) + 1)]
            self._across = 0
            self._arrange()
        for card in self.cards if fresh else ():
            card.clear()
        self.set_paused(self._paused)
        for index, (card, candidate) in enumerate(zip(self.cards, candidates, strict=True)):
            card.show_candidate(candidate)
            card.show_source(sources[index] if index < len(sources) else "")

    def show_candidate(self, index: int, candidate: Candidate) -> None:
        """One answer has come further."""
        if 0 <= index < len(self.cards):
            self.cards[index].show_candidate(candidate)

    def set_paused(self, paused: bool) -> None:
        """Whether what is being written is held."""
        self._paused = paused
        for card in self.cards:
            card.set_paused(paused)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        if not self.cards:
            return
        width = self.fontMetrics().averageCharWidth() * _CHARACTERS_ACROSS + theme.SPACE_M
        fitting = min(max(1, (self.viewport().width() + theme.SPACE_M) // width), len(self.cards))
        across = math.ceil(len(self.cards) / math.ceil(len(self.cards) / fitting))
        if across == self._across:
            return
        self._across = across
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, 0)
        for index, card in enumerate(self.cards):
            self._grid.addWidget(card, index // across, index % across)
        for column in range(across):
            self._grid.setColumnStretch(column, 1)

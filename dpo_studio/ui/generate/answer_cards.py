"""The answers of one prompt side by side, written into while they are decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QTextBrowser, QVBoxLayout, QWidget

from dpo_studio.ui import theme

from .progress import Candidate, CandidateState

_LINES_SHOWN = 6
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
    """One answer: its number, its state, its text. Text is plain: nothing in it is interpreted."""

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
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_S)
        head.addWidget(title)
        head.addStretch()
        head.addWidget(self._tokens)
        head.addWidget(self._state)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_S, theme.SPACE_S)
        layout.setSpacing(theme.SPACE_S)
        layout.addLayout(head)
        layout.addWidget(self.text, 1)
        self._shown = ""
        self._is_written = False

    @property
    def state_words(self) -> str:
        return self._state.text()

    @property
    def state_told(self) -> str:
        """What the state means, where that is not plain."""
        return self._state.toolTip()

    def append(self, text: str) -> None:
        """Add newly decoded text; stays at the end when it was there."""
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)
        self._shown += text
        if at_end:
            bar.setValue(bar.maximum())

    def clear(self) -> None:
        """Ready for another group's answer."""
        self.text.clear()
        self._shown = ""
        self._is_written = False

    def show_candidate(self, candidate: Candidate) -> None:
        """Show its state, and its text where that is another than what is shown."""
        if candidate.text != self._shown:
            if self._shown and candidate.text.startswith(self._shown):
                self.append(candidate.text[len(self._shown) :])
            else:
                self.text.setPlainText(candidate.text)
                self._shown = candidate.text
        if self._is_written and candidate.state in ("finished", "stopped", "cut"):
            self.text.verticalScrollBar().setValue(0)  # to be read from its beginning
        self._is_written = candidate.state == "writing"
        self._state.setText(_WORDS[candidate.state])
        self._state.setToolTip(_TOLD.get(candidate.state, ""))
        if candidate.tokens:
            self._tokens.setText("1 token" if candidate.tokens == 1 else f"{candidate.tokens} tokens")
        else:
            self._tokens.clear()

    def minimumSizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(
            metrics.averageCharWidth() * _CHARACTERS_ACROSS, metrics.lineSpacing() * _LINES_SHOWN + 4 * theme.SPACE_XL
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
        self.setWidget(self._body)

    def show_candidates(self, candidates: Sequence[Candidate], *, fresh: bool = True) -> None:
        """Show these answers and no others; `fresh` when they are of another group than those before."""
        if len(self.cards) != len(candidates):
            for card in self.cards:
                self._grid.removeWidget(card)
                card.deleteLater()
            self.cards = [AnswerCard(number) for number in range(1, len(candidates) + 1)]
            self._across = 0
            self._arrange()
        for card in self.cards if fresh else ():
            card.clear()
        for card, candidate in zip(self.cards, candidates, strict=True):
            card.show_candidate(candidate)

    def show_candidate(self, index: int, candidate: Candidate) -> None:
        """One answer has come further."""
        if 0 <= index < len(self.cards):
            self.cards[index].show_candidate(candidate)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        if not self.cards:
            return
        width = self.cards[0].minimumSizeHint().width() + theme.SPACE_M
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

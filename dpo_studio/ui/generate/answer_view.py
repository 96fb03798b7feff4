"""One prompt and its answers: what was asked, which model answers, and the cards."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core.types import Prompt
from dpo_studio.ui import theme

from .answer_cards import AnswerCards
from .progress import Candidate

_LONGEST = 600


class AnswerView(QWidget):
    """Shows one prompt's answers, or a sentence where there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.title.setProperty("role", "subheading")
        self.title.setWordWrap(True)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.title.setAccessibleName("The prompt")
        self.about = QLabel()
        self.about.setProperty("role", "muted")
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.notes = QLabel()
        self.notes.setProperty("role", "muted")
        self.notes.setWordWrap(True)
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.notes.setAccessibleName("What is worth knowing of these answers")
        self.refusal = QLabel()
        self.refusal.setProperty("role", "error")
        self.refusal.setWordWrap(True)
        self.refusal.setTextFormat(Qt.TextFormat.PlainText)
        self.follow_button = QPushButton("Follow")
        self.follow_button.setProperty("role", "ghost")
        self.follow_button.setToolTip("Show the answers that are being written (Esc)")
        self.follow_button.hide()
        self.cards = AnswerCards()
        self.sentence = QLabel()
        self.sentence.setProperty("role", "muted")
        self.sentence.setWordWrap(True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.covered = QLabel()
        self.covered.setWordWrap(True)
        self.covered.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.uncover_button = QPushButton("Show them all the same")
        self._stack = QStackedWidget()
        self._cover = self._make_cover()
        for page in (self.cards, self.sentence, self._cover):
            self._stack.addWidget(page)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_M)
        words = QVBoxLayout()
        words.setSpacing(4)
        for label in (self.title, self.about, self.notes, self.refusal):
            words.addWidget(label)
        head.addLayout(words, 1)
        head.addWidget(self.follow_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_S, 0, 0, 0)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        self.show_sentence("")

    def show_sentence(self, sentence: str) -> None:
        """No prompt is shown."""
        for label in (self.title, self.about, self.notes, self.refusal):
            label.hide()
        self._say(sentence)

    def show_answers(
        self,
        prompt: Prompt,
        about: str,
        candidates: Sequence[Candidate],
        *,
        sources: Sequence[str] = (),
        notes: Sequence[str] = (),
        refusal: str = "",
        fresh: bool = True,
    ) -> None:
        """Show a prompt with its answers; without any, a sentence says so. For the rest see AnswerCards."""
        self._show_head(prompt, about, notes, refusal)
        if candidates:
            self.cards.show_candidates(candidates, sources=sources, fresh=fresh)
            self._stack.setCurrentWidget(self.cards)
        else:
            self._say("" if refusal else "This prompt has no answers yet.")

    def show_covered(self, prompt: Prompt, about: str, sentence: str, refusal: str) -> None:
        """Show a prompt whose answers are not to be read here yet."""
        self._show_head(prompt, about, (), refusal)
        self.covered.setText(sentence)
        self._stack.setCurrentWidget(self._cover)

    @property
    def is_covered(self) -> bool:
        """Whether answers are there, but not shown."""
        return self._stack.currentWidget() is self._cover

    def _make_cover(self) -> QWidget:
        cover = QWidget()
        layout = QVBoxLayout(cover)
        layout.setSpacing(theme.SPACE_L)
        layout.addStretch()
        layout.addWidget(self.covered)
        layout.addWidget(self.uncover_button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch()
        return cover

    def _show_head(self, prompt: Prompt, about: str, notes: Sequence[str], refusal: str) -> None:
        turns = len(prompt.messages)
        self.title.setText(_shortened(prompt.messages[-1].content.strip()))
        self.title.setToolTip("\n\n".join(f"{m.role}: {m.content}" for m in prompt.messages)[:4000])
        self.title.show()
        known = [about, f"{turns} turns" if turns > 1 else ""]
        self.about.setText("  ·  ".join(words for words in known if words))
        self.about.setVisible(bool(self.about.text()))
        self.notes.setText(" ".join(notes))
        self.notes.setVisible(bool(notes))
        self.refusal.setText(refusal)
        self.refusal.setVisible(bool(refusal))

    def _say(self, sentence: str) -> None:
        self.sentence.setText(sentence)
        self._stack.setCurrentWidget(self.sentence)


def _shortened(text: str) -> str:
    """At most a few lines, the rest being in the tool tip."""
    lines = text.splitlines()
    short = "\n".join(lines[:4])
    short = short if len(short) <= _LONGEST else short[:_LONGEST].rstrip()
    return short if short == text else short + " …"

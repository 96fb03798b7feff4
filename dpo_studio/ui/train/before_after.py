"""The same prompts answered before and after training, side by side: what the training did, to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QResizeEvent, QTextDocument, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core import events
from dpo_studio.core.types import Message, messages_from_json
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.nothing_read import nothing_read

PROMPTS_FILE = "sample_prompts.jsonl"
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
PHASES = (("before", "Before"), ("after", "After"))


def read_prompts(run_folder: Path) -> dict[int, tuple[Message, ...]]:
    """The run's sample prompts by the number that its answers name; none when there is no such file."""
    found: dict[int, tuple[Message, ...]] = {}
    try:
        lines = (run_folder / PROMPTS_FILE).read_text(encoding="utf-8").split("\n")
        for line in filter(None, lines):
            row = json.loads(line)
            found[int(row["prompt"])] = messages_from_json(row["messages"])
    except (OSError, ValueError, KeyError, TypeError):
        return found
    return found


class AnswerView(QTextBrowser):
    """A model's answer as Markdown, as tall as its text. Nothing is fetched and no link is followed."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setOpenLinks(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(0)
        self.document().contentsChanged.connect(self._fit)
        self._answer = ""

    def show_answer(self, text: str) -> None:
        """Show this answer; the same one again changes nothing."""
        if text == self._answer:
            return
        self._answer = text
        features = QTextDocument.MarkdownFeature
        self.document().setMarkdown(
            _PICTURE.sub(r"\[picture: \1\]", text), features.MarkdownDialectGitHub | features.MarkdownNoHTML
        )
        self._fit()

    def loadResource(self, kind: int, name: QUrl) -> object:
        """Nothing that an answer names is loaded, be it on the web or on this disk."""
        return nothing_read(kind)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.document().setTextWidth(self.viewport().width())
        height = int(self.document().size().height()) + 4
        if height != self.height():
            self.setFixedHeight(max(height, 24))


class _PromptRow(QFrame):
    """One prompt and its two answers."""

    def __init__(self, messages: tuple[Message, ...], number: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_L, theme.SPACE_M)
        layout.setSpacing(theme.SPACE_S)
        for message in messages[:-1]:
            layout.addWidget(_text_label(f"{message.role.capitalize()}: {message.content}", "muted"))
        layout.addWidget(_text_label(messages[-1].content if messages else f"Prompt {number}", "subheading"))
        columns = QHBoxLayout()
        columns.setSpacing(theme.SPACE_XL)
        layout.addLayout(columns)
        self._views: dict[str, AnswerView] = {}
        self._notes: dict[str, QLabel] = {}
        for phase, title in PHASES:
            column = QVBoxLayout()
            column.setSpacing(4)
            head = QHBoxLayout()
            name = QLabel(title)
            name.setProperty("role", "badge")
            note = QLabel()
            note.setProperty("role", "muted")
            head.addWidget(name)
            head.addWidget(note)
            head.addStretch(1)
            view = AnswerView(f"{title} training, prompt {number}")
            column.addLayout(head)
            column.addWidget(view)
            column.addStretch(1)
            columns.addLayout(column, 1)
            self._views[phase], self._notes[phase] = view, note
        self._steps = QComboBox()
        self._steps.setAccessibleName(f"Which fresh answer to prompt {number}")
        self._steps.currentIndexChanged.connect(self._show_step)
        self._fresh = AnswerView(f"Fresh answer while training, prompt {number}")
        self._drawn: dict[str, events.AnswerSampled] = {}
        name = QLabel("While training")
        name.setProperty("role", "badge")
        what = QLabel("drawn, not the likeliest, and cut early")
        what.setProperty("role", "muted")
        row = QHBoxLayout()
        row.addWidget(name, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._steps)
        row.addWidget(what)
        row.addStretch(1)
        self.fresh_frame = QWidget()
        fresh = QVBoxLayout(self.fresh_frame)
        fresh.setContentsMargins(0, theme.SPACE_S, 0, 0)
        fresh.setSpacing(4)
        fresh.addLayout(row)
        fresh.addWidget(self._fresh)
        self.fresh_frame.hide()
        layout.addWidget(self.fresh_frame)

    def show_answers(self, answers: Mapping[str, events.AnswerSampled]) -> None:
        for phase, view in self._views.items():
            answer = answers.get(phase)
            note = self._notes[phase]
            if answer is None:
                note.setText("not answered yet")
                continue
            view.show_answer(answer.text)
            cut = "cut off" if answer.finish_reason == "length" else ""
            note.setText(cut if answer.text.strip() else "an empty answer")
        self._show_drawn({phase: answer for phase, answer in answers.items() if phase not in self._views})

    def _show_drawn(self, drawn: Mapping[str, events.AnswerSampled]) -> None:
        """The fresh answers by step; the newest is shown until the person chooses another."""
        chosen = self._steps.currentText()
        newest = self._steps.currentIndex() == self._steps.count() - 1
        self._drawn = dict(drawn)
        known = [self._steps.itemText(index) for index in range(self._steps.count())]
        if known != list(drawn):
            self._steps.blockSignals(True)
            self._steps.clear()
            self._steps.addItems(list(drawn))
            self._steps.blockSignals(False)
            index = self._steps.count() - 1 if newest else self._steps.findText(chosen)
            self._steps.setCurrentIndex(max(0, index))
        self.fresh_frame.setVisible(bool(drawn))
        self._show_step()

    def _show_step(self) -> None:
        answer = self._drawn.get(self._steps.currentText())
        self._fresh.show_answer("" if answer is None else answer.text)


class BeforeAfterPanel(QScrollArea):
    """The run's sample prompts, each with its answer before and after, and fresh ones in between.

    Signals:
        filled: answers are there that were not there before.
    """

    filled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Answers before and after training")
        self._rows: dict[int, _PromptRow] = {}
        self._prompts: dict[int, tuple[Message, ...]] = {}
        self.show_run({})

    @property
    def prompts_shown(self) -> int:
        return len(self._rows)

    def show_run(self, prompts: Mapping[int, tuple[Message, ...]]) -> None:
        """Begin anew with another run's prompts."""
        self._prompts, self._rows = dict(prompts), {}
        inside = QWidget()
        self._layout = QVBoxLayout(inside)
        self._layout.setContentsMargins(0, theme.SPACE_S, theme.SPACE_S, 0)
        self._layout.setSpacing(theme.SPACE_M)
        self._waiting = QLabel("The same few prompts are answered before the first step and after the last one.")
        self._waiting.setProperty("role", "muted")
        self._waiting.setWordWrap(True)
        self._layout.addWidget(self._waiting)
        self._layout.addStretch(1)
        self.setWidget(inside)

    def show_answers(self, answers: Mapping[int, Mapping[str, events.AnswerSampled]]) -> None:
        """Show what was answered so far, by prompt number and phase."""
        before = len(self._rows)
        for number, by_phase in answers.items():
            row = self._rows.get(number)
            if row is None:
                row = _PromptRow(self._prompts.get(number, ()), len(self._rows) + 1)
                self._rows[number] = row
                self._layout.insertWidget(self._layout.count() - 1, row)
            row.show_answers(by_phase)
        self._waiting.setVisible(not self._rows)
        if len(self._rows) > before:
            self.filled.emit()


def _text_label(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setWordWrap(True)
    label.setProperty("role", role)
    return label

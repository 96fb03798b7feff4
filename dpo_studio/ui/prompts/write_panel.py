"""Writing a new prompt, or another text for one that is there."""

from __future__ import annotations

import json
from typing import NamedTuple

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QPushButton, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Conversation, Message, Prompt, PromptId, messages_from_json
from dpo_studio.store.prompt_edits import clean_tags

from .conversation_editor import ConversationEditor
from .panel import Panel, tab_through

_PAUSE_MS = 250
_MOST_DRAFTS = 20
_KEEPS = (
    "This prompt was asked already, so its answers stay with its old text: saving makes a new prompt"
    " and archives the old one with them. Ctrl+Z takes that back."
)


class WritePanel(Panel):
    """One prompt in a full editor. After Add the fields are empty for the next, where that is wanted."""

    draft_fact = "prompt_draft"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Write a prompt", parent)
        self.conversation = ConversationEditor()
        self.tags = QLineEdit()
        self.tags.setAccessibleName("Tags, with commas between them")
        self.tags.setPlaceholderText("Optional, with commas between them")
        caption = QLabel("Tags")
        caption.setProperty("role", "muted")
        caption.setBuddy(self.tags)
        self.again = QCheckBox("Write another one after this")
        self.body.addWidget(self.conversation, 1)
        self.body.addWidget(caption)
        self.body.addWidget(self.tags)
        self.body.addWidget(self.again)
        self.accept_button.setText("Add prompt")
        tab_through(self.conversation.more_button, self.tags, self.again, self.cancel_button, self.accept_button)
        self._check_later = QTimer(self)
        self._check_later.setSingleShot(True)
        self._check_later.setInterval(_PAUSE_MS)
        self._check_later.timeout.connect(self.check_wanted)
        self.conversation.changed.connect(self._on_changed)
        self.tags.textChanged.connect(self._on_changed)
        self._on_changed()

    @property
    def source(self) -> str:
        return "written here"

    def rows(self) -> list[tuple[Conversation, tuple[str, ...]]]:
        return [] if self._problem() else [(self.conversation.messages(), tuple(self._tags()))]

    def show_known(self, known: set[int], alike: str = "") -> None:
        if known:
            self.say("This prompt is in the project already; adding it changes nothing.", "warning")
        elif alike:
            self.say("A prompt that differs in capitals or spaces only is in the project already.", "warning")
        elif not self._problem():
            self.say("")

    def done(self) -> None:
        self.conversation.set_messages([m for m in self.conversation.messages() if m.role == "system"] + [_EMPTY])

    def begin(self) -> None:
        self.conversation.focus_text()

    def draft(self) -> str:
        if self.conversation.is_empty:
            return ""
        turns = [turn.to_json() for turn in self.conversation.written()]
        return json.dumps({"messages": turns, "tags": self.tags.text()}, ensure_ascii=False)

    def restore(self, draft: str) -> None:
        try:
            kept = json.loads(draft) if draft else {}
            messages, tags = messages_from_json(kept.get("messages", [])), str(kept.get("tags", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            messages, tags = (), ""
        self.conversation.set_messages(messages)
        self.tags.setText(tags)

    def _tags(self) -> list[str]:
        return clean_tags(self.tags.text().split(","))

    def _problem(self) -> str:
        problem = self.conversation.problem()
        if not problem:
            try:
                self._tags()
            except UserError as error:
                problem = str(error)
        return problem

    def _on_changed(self) -> None:
        problem = self._problem()
        self.accept_button.setEnabled(not problem)
        self.say("" if self.conversation.is_empty else problem)
        self._check_later.start()


class EditPanel(Panel):
    """Another text for a prompt. What was asked keeps its words, and the panel says so before anything is saved.

    What was written and not saved is gone on with when the prompt is edited again, also on a later day.
    """

    draft_fact = "prompt_edits_draft"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Edit the prompt", parent)
        self.prompt: Prompt | None = None
        self._as_saved: Conversation = ()
        self._drafts: dict[PromptId, _Draft] = {}
        self.conversation = ConversationEditor()
        self.body.addWidget(self.conversation, 1)
        self.keeps = QLabel(_KEEPS)
        self.keeps.setWordWrap(True)
        self.keeps.setProperty("role", "warning")
        self.body.addWidget(self.keeps)
        self.saved_button = QPushButton("Back to the saved text")
        self.saved_button.setProperty("role", "ghost")
        self.saved_button.clicked.connect(self._show_saved)
        self.buttons.insertWidget(1, self.saved_button)
        tab_through(self.conversation.more_button, self.saved_button, self.cancel_button, self.accept_button)
        self.conversation.changed.connect(self._on_changed)

    def show_prompt(self, prompt: Prompt, *, was_asked: bool) -> None:
        self._keep()
        self.prompt = prompt
        self.keeps.setVisible(was_asked)
        self.accept_button.setText("Save as a new prompt" if was_asked else "Save")
        self._show_saved()
        draft = self._drafts.get(prompt.id)
        if draft is not None and draft.before != prompt.messages:
            del self._drafts[prompt.id]  # it has another text by now
        elif draft is not None:
            self.conversation.set_messages(draft.written)
            if not self.conversation.problem():
                self.say("This is what you had written and not saved.", "warning")

    @property
    def is_changed(self) -> bool:
        return self.prompt is not None and self.conversation.messages() != self._as_saved

    def begin(self) -> None:
        self.conversation.focus_text()

    def done(self) -> None:
        if self.prompt is not None:
            self._drafts.pop(self.prompt.id, None)
        self.prompt = None

    def cancel(self) -> None:
        self._keep()
        super().cancel()

    def draft(self) -> str:
        self._keep()
        kept = {
            str(prompt_id): {name: [turn.to_json() for turn in turns] for name, turns in draft._asdict().items()}
            for prompt_id, draft in self._drafts.items()
        }
        return json.dumps(kept, ensure_ascii=False) if kept else ""

    def restore(self, draft: str) -> None:
        try:
            kept = json.loads(draft) if draft else {}
            self._drafts = {
                PromptId(int(one)): _Draft(**{name: messages_from_json(turns) for name, turns in said.items()})
                for one, said in kept.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            self._drafts = {}

    def _keep(self) -> None:
        """Remember what is written and not saved: of so many prompts, the last ones."""
        if self.prompt is None:
            return
        self._drafts.pop(self.prompt.id, None)
        if self.is_changed:
            self._drafts[self.prompt.id] = _Draft(self.prompt.messages, self.conversation.written())
        for oldest in list(self._drafts)[:-_MOST_DRAFTS]:
            del self._drafts[oldest]

    def _show_saved(self) -> None:
        """Give up what is written."""
        if self.prompt is not None:
            self.conversation.set_messages(self.prompt.messages)
            self._as_saved = self.conversation.messages()
            self._on_changed()

    def _on_changed(self) -> None:
        problem = self.conversation.problem()
        self.accept_button.setEnabled(not problem and self.is_changed)
        self.saved_button.setVisible(self.is_changed)
        self.say(problem)


class _Draft(NamedTuple):
    """A text for a prompt that was not saved: the prompt as it was then, and every turn as it was written."""

    before: Conversation
    written: Conversation


_EMPTY = Message("user", "")

"""Many prompts at once from the clipboard or the keyboard, looked at before any is added."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QWidget

from dpo_studio.core import pasted_prompts
from dpo_studio.core.pasted_prompts import PastedPrompts
from dpo_studio.core.types import Conversation
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.kept_splitter import KeptSplitter

from .panel import Panel, counted, editor, text_of

SHOWN = 500
#: A text longer than this is not kept when the window closes: it is somewhere else, too.
LONGEST_DRAFT = 1_000_000
_PAUSE_MS = 200
_SPLITS = (("Each line is a prompt", "lines"), ("Blank lines separate prompts", "paragraphs"))


class PastePanel(Panel):
    """Text at the left; at the right the prompts that it is read as."""

    draft_fact = "paste_draft"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Paste prompts", parent)
        self._read = PastedPrompts()
        self._known: set[int] = set()
        self.split = QComboBox()
        self.split.setAccessibleName("Where one prompt ends and the next begins")
        for words, value in _SPLITS:
            self.split.addItem(words, value)
        self.split.activated.connect(self._on_split)
        self._chosen_split = "auto"
        self.text = editor(
            "Text to make prompts of", "One prompt a line, or blank lines between longer ones. JSON works too."
        )
        self.text.textChanged.connect(self._on_typed)
        self.found = QLabel()
        self.found.setProperty("role", "muted")
        self.found.setWordWrap(True)
        self.found.setAccessibleName("What was found")
        self.preview = QListWidget()
        self.preview.setAccessibleName("Prompts that were found")
        self.preview.setStyleSheet("QListView::item { padding: 3px 0; }")
        self.preview.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.refused = QLabel()
        self.refused.setWordWrap(True)
        self.refused.setProperty("role", "warning")
        self.refused.setTextFormat(Qt.TextFormat.PlainText)
        self.refused.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_M)
        head.addWidget(self.split)
        head.addWidget(self.found, 1)
        beside = KeptSplitter("paste", Qt.Orientation.Horizontal)
        beside.addWidget(self.text)
        beside.addWidget(self.preview)
        beside.begin([500, 500])
        self.body.addLayout(head)
        self.body.addWidget(beside, 1)
        self.body.addWidget(self.refused)
        self._read_later = QTimer(self)
        self._read_later.setSingleShot(True)
        self._read_later.setInterval(_PAUSE_MS)
        self._read_later.timeout.connect(self.read_now)
        self.read_now()

    @property
    def source(self) -> str:
        return "pasted"

    def rows(self) -> list[tuple[Conversation, tuple[str, ...]]]:
        if self._read_later.isActive():
            self.read_now()
        return list(self._read.rows)

    def begin_with(self, text: str) -> None:
        """Show a text from the clipboard; what was typed and not added stays before it."""
        before = text_of(self.text)
        if not before.strip():
            self._chosen_split = "auto"
            self.text.setPlainText(text)
        elif text.strip() and text.strip() not in before:
            self.text.setPlainText(f"{before.rstrip()}\n\n{text}")
        self.read_now()

    def draft(self) -> str:
        text = text_of(self.text)
        return text if text.strip() and len(text) <= LONGEST_DRAFT else ""

    def restore(self, draft: str) -> None:
        self.text.setPlainText(draft)
        self.read_now()

    def begin(self) -> None:
        (self.accept_button if self._read.conversations else self.text).setFocus()

    def done(self) -> None:
        self.text.clear()
        self.read_now()

    def show_known(self, known: set[int], alike: str = "") -> None:
        self._known = known
        self._show()

    def read_now(self) -> None:
        """Read the text as it stands."""
        self._read_later.stop()
        split: Any = self._chosen_split
        self._read = pasted_prompts.from_text(text_of(self.text), split=split)
        self.refused.setText(_refusals(self._read))
        self._known = set()
        self._show()
        self.check_wanted.emit()

    def _on_typed(self) -> None:
        self._read_later.start()

    def _on_split(self) -> None:
        self._chosen_split = self.split.currentData()
        self.read_now()

    def _show(self) -> None:
        read = self._read
        self.split.setVisible(bool(read.split))
        self.split.setCurrentIndex(max(self.split.findData(read.split), 0))
        self.refused.setVisible(bool(self.refused.text()))
        self.preview.clear()
        for place, (conversation, tags) in enumerate(read.rows[:SHOWN]):
            known = "  ·  in the project already" if place in self._known else ""
            item = QListWidgetItem("  ·  ".join([_line(conversation), *tags]) + known)
            item.setToolTip("\n\n".join(f"{m.role}: {m.content}" for m in conversation)[:1200])
            if place in self._known:
                item.setForeground(self.palette().color(self.palette().ColorRole.PlaceholderText))
            self.preview.addItem(item)
        conversations = read.conversations
        count = len(conversations)
        repeated = count - len(set(conversations))
        new = count - repeated - len({conversations[place] for place in self._known})
        said = [counted(count) if count else "", *read.notes]
        said += [f"{repeated:,} are in it twice" if repeated > 1 else "1 is in it twice"] if repeated else []
        said += [f"{len(self._known):,} in the project already"] if self._known else []
        said += [f"the first {SHOWN} are shown"] if count > SHOWN else []
        found = "  ·  ".join(words.rstrip(".") for words in said if words)
        self.found.setText(found or "The prompts that your text makes are shown at the right.")
        self.accept_button.setText(f"Add {counted(new)}" if new else "Add prompts")
        self.accept_button.setEnabled(new > 0)
        self.say("Nothing here is new to the project." if count and not new else "")


def _line(conversation: Conversation) -> str:
    turns = sum(message.role != "system" for message in conversation)
    beyond = f"  ·  {turns} turns" if turns > 1 else ""
    beyond += "  ·  system prompt" if conversation[0].role == "system" else ""
    return " ".join(conversation[-1].content.split())[:300] + beyond


def _refusals(read: PastedPrompts) -> str:
    if not read.refused:
        return ""
    first = "; ".join(f"{place}: {reason}" for place, reason in read.refused[:4])
    rest = f"; and {len(read.refused) - 4} more" if len(read.refused) > 4 else ""
    count = "1 entry is" if len(read.refused) == 1 else f"{len(read.refused)} entries are"
    return f"{count} left out: {first}{rest}."

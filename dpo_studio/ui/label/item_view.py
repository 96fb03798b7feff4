"""One item on screen: the conversation above, the answers below."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QColor, QFont, QResizeEvent, QTextBlockFormat, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from dpo_studio.core import thinking
from dpo_studio.core.types import Message
from dpo_studio.ui import theme

from . import answer_text, markdown, tables
from .card_grid import CardGrid
from .item import Item
from .reader import Reader

_PROMPT_SHARE = 0.34
_PADDING = 12
_TURN_GAP = 8
_BOLD_UP_TO = 240  # characters
_SPEAKERS = {"system": "Instructions", "user": "Person", "assistant": "Model"}


class ItemView(QWidget):
    """Shows an item; it is filled before it is put on screen.

    Signals:
        chosen: (position) an answer was clicked.
        link_clicked: (url) a link was clicked.
    """

    chosen = Signal(int)
    link_clicked = Signal(QUrl)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.item: Item | None = None
        self._compares_with: int | None = None
        self._turns = 0
        self._frame = QFrame()
        self._frame.setProperty("role", "strip")
        self.prompt = Reader()
        self.prompt.setAccessibleName("Prompt")
        self.prompt.anchorClicked.connect(self.link_clicked)
        inner = QVBoxLayout(self._frame)
        inner.setContentsMargins(_PADDING, _PADDING // 2, _PADDING, _PADDING // 2)
        inner.addWidget(self.prompt)
        self.grid = CardGrid()
        self.grid.chosen.connect(self.chosen)
        self.grid.link_clicked.connect(self.link_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(self._frame)
        layout.addWidget(self.grid, 1)

    @property
    def compares(self) -> bool:
        """Whether differences are shown."""
        return self._compares_with is not None

    def show_item(self, item: Item, *, tokens: bool = False) -> None:
        """Show another item, from its top."""
        self.item = item
        self._compares_with = None
        self._fill_prompt(item.group.prompt.messages)
        known = len(self.grid.cards)
        self.grid.set_answers(item.shown)
        if len(self.grid.cards) > known:
            self._order_focus()
        self.show_tokens(tokens)
        self.show_order()
        self._fit_prompt()

    def show_order(self) -> None:
        """Show on the cards how far the order has come."""
        if self.item is None:
            return
        entry = self.item.entry
        tied = {position for bucket in entry.buckets if len(bucket) > 1 for position in bucket}
        for position, card in enumerate(self.grid.shown_cards):
            card.show_rank(entry.rank_of(position), tied=position in tied)

    def show_writers(self, writers: Sequence[str]) -> None:
        """Tell who wrote each answer; an empty list tells nothing."""
        for position, card in enumerate(self.grid.shown_cards):
            card.show_writer(writers[position] if writers else "")

    def show_tokens(self, shown: bool) -> None:
        for card in self.grid.shown_cards:
            card.show_tokens(shown)

    def compare(self, position: int | None) -> None:
        """Mark in each other answer the words that the one at this position lacks; None ends it.

        Of two answers, both are marked.
        """
        self._compares_with = position
        cards = self.grid.shown_cards
        for place, card in enumerate(cards):
            other = position if place != position else (1 - place if len(cards) == 2 else None)
            answer = None if other is None else cards[other].completion
            if position is None or other is None or answer is None:
                card.show_text()
            else:
                card.show_differences(answer, other + 1)
        self.grid.arrange()

    def next_difference(self) -> None:
        """Compare with the best so far, then with each answer in turn, then not at all."""
        if self.item is None:
            return
        order = [position for bucket in self.item.entry.buckets for position in bucket]
        order += self.item.entry.unplaced
        self._turns = self._turns + 1 if self.compares else 0
        turns = 1 if len(order) == 2 else len(order)
        self.compare(order[self._turns] if self._turns < turns else None)

    def restyle(self) -> None:
        """Show everything again in the colours of now."""
        if self.item is not None:
            self._fill_prompt(self.item.group.prompt.messages)
            self.compare(self._compares_with)
            self._fit_prompt()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_prompt()

    def _order_focus(self) -> None:
        """Tab goes from the prompt to its answers, though they are made later than what stands below."""
        before: QWidget = self.prompt
        for card in self.grid.cards:
            QWidget.setTabOrder(before, card.reader)
            before = card.reader

    def _fit_prompt(self) -> None:
        wanted = self.prompt.height_for(self.width() - 2 * _PADDING - 2) + _PADDING
        most = max(64, round(self.height() * _PROMPT_SHARE))
        self._frame.setFixedHeight(min(wanted, most))
        self.prompt.scroll_where_needed(wanted > most)
        self.prompt.fit()
        self._show_last_turn()

    def _fill_prompt(self, messages: tuple[Message, ...]) -> None:
        document = self.prompt.document()
        document.clear()
        cursor = QTextCursor(document)
        colours = theme.current()
        last = len(messages) - 1
        for number, message in enumerate(messages):
            since = document.blockCount()
            if number:
                apart = QTextBlockFormat()
                apart.setTopMargin(_TURN_GAP)
                cursor.insertBlock(apart, QTextCharFormat())
            if len(messages) > 1:
                speaker = QTextCharFormat()
                speaker.setForeground(QColor(colours.muted))
                speaker.setFontWeight(QFont.Weight.DemiBold)
                cursor.insertText(_SPEAKERS.get(message.role, message.role.capitalize()), speaker)
            if number == last:
                self._last_turn_at = cursor.position() + (len(messages) > 1)
            sections = thinking.split(message.content) if message.role == "assistant" else ()
            if thinking.words(sections):
                cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())
                cursor.insertText(f"({thinking.title(sections)}, not shown)", _turn(False, colours))
            if message.role != "assistant":
                if len(messages) > 1:
                    cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())
                cursor.insertText(message.content.strip(), _turn(number == last, colours, message.content))
            markdown.finish(document, colours, since=since if number else 0)
            if message.role == "assistant":
                markdown.append(document, thinking.answer(message.content), colours)
                cursor.movePosition(QTextCursor.MoveOperation.End)
        self.prompt.allow_wide(tables.has_table(document))
        self.prompt.long = any(answer_text.is_long(message.content) for message in messages)

    def _show_last_turn(self) -> None:
        """The turn that is answered is in sight, earlier ones are above it."""
        cursor = self.prompt.textCursor()
        cursor.setPosition(min(self._last_turn_at, self.prompt.document().characterCount() - 1))
        self.prompt.setTextCursor(cursor)
        bar = self.prompt.verticalScrollBar()
        bar.setValue(bar.value() + self.prompt.cursorRect().top() - 28 if cursor.position() else 0)

    _last_turn_at = 0


def _turn(prominent: bool, colours: theme.Theme, text: str = "") -> QTextCharFormat:
    """The look of a turn: the one to be answered stands out, though not as a wall of bold letters."""
    letters = QTextCharFormat()
    if prominent and len(text) <= _BOLD_UP_TO:
        letters.setFontWeight(QFont.Weight.DemiBold)
    elif not prominent:
        letters.setForeground(QColor(colours.muted))
    return letters

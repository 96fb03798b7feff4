"""Lays answers out in columns and rows by the room there is, each row as high as it needs."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, QUrl, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from dpo_studio.core.types import Completion

from .answer_card import AnswerCard
from .slices import Slices

GAP = 12
_LEAST_ROW = 132
_LEAST_COLUMN = 230


class CardGrid(QScrollArea):
    """The answers of one item. It scrolls only where not even the least heights fit.

    Attributes:
        slices: writes what is left of long answers.

    Signals:
        chosen: (position) the answer at this position, from 0, was clicked.
        dragged: (position, point) an answer is dragged and is at this point of the screen.
        dropped: (position, point, strong) it was let go there, with Shift held or not.
        link_clicked: (url) a link in an answer was clicked.
    """

    chosen = Signal(int)
    dragged = Signal(int, QPoint)
    dropped = Signal(int, QPoint, bool)
    link_clicked = Signal(QUrl)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(self.focusPolicy().NoFocus)
        self.setWidgetResizable(False)
        self._inside = QWidget()
        self.setWidget(self._inside)
        self.cards: list[AnswerCard] = []
        self.slices = Slices(self)
        self._shown = 0

    @property
    def shown_cards(self) -> list[AnswerCard]:
        return self.cards[: self._shown]

    def set_answers(self, answers: Sequence[Completion]) -> None:
        """Show these answers in this order; cards are kept and used again."""
        while len(self.cards) < len(answers):
            self._add_card()
        self._shown = len(answers)
        for card, answer in zip(self.cards, answers, strict=False):
            card.fold.setChecked(False)
            card.set_answer(answer)
            card.show_rank(None)
            card.set_draggable(len(answers) > 2)
        for position, card in enumerate(self.cards):
            card.setVisible(position < self._shown)
        self.verticalScrollBar().setValue(0)
        self.arrange()

    def let_go(self) -> None:
        """Forget the card that the mouse holds."""
        for card in self.shown_cards:
            card.let_go()

    def scroll_all(self, pages: float) -> None:
        """Scroll every answer, and the cards where not all fit, by this share of what is visible."""
        for bar in (self.verticalScrollBar(), *(card.reader.verticalScrollBar() for card in self.shown_cards)):
            bar.setValue(bar.value() + round(bar.pageStep() * pages))

    def arrange(self) -> None:
        """Place the cards for the present size."""
        cards = self.shown_cards
        if not cards:
            return
        width, height = self.viewport().width(), self.viewport().height()
        columns = columns_for(len(cards), width)
        rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
        column = (width - GAP * (columns - 1)) // columns
        wants = {card: card.wanted_height(column) for card in cards}
        wanted = [max(wants[card] for card in row) for row in rows]
        heights = share_out(wanted, height - GAP * (len(rows) - 1), least=_LEAST_ROW)
        y = 0
        for row, row_height in zip(rows, heights, strict=True):
            for place, card in enumerate(row):
                card.reader.scroll_where_needed(wants[card] > row_height)
                card.setGeometry(QRect(place * (column + GAP), y, column, row_height))
                card.layout().activate()
                card.reader.fit()
            y += row_height + GAP
        self._inside.resize(width, max(y - GAP, 0))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()

    def _add_card(self) -> None:
        position = len(self.cards)
        card = AnswerCard(position + 1, self.slices, self._inside)
        card.chosen.connect(lambda: self.chosen.emit(position))
        card.dragged.connect(lambda point: self.dragged.emit(position, point))
        card.dropped.connect(lambda point, strong: self.dropped.emit(position, point, strong))
        card.link_clicked.connect(self.link_clicked)
        card.resized.connect(self.arrange)
        self.cards.append(card)


def columns_for(count: int, width: int) -> int:
    """How many columns suit this many answers in this width (pixels)."""
    most = max(1, min(count, (width + GAP) // (_LEAST_COLUMN + GAP)))
    if count <= 3:
        return most if most == count else 1
    if count == 4:
        return 4 if width >= 1100 else min(2, most)
    return min(3, most) if width < 1700 else min(5, most)


def share_out(wanted: Sequence[int], room: int, *, least: int) -> list[int]:
    """Heights for rows: what each wants where all fit, else the high ones give way, down to `least`."""
    if sum(wanted) <= room:
        return list(wanted)
    heights = [min(want, least) for want in wanted]
    spare = room - sum(heights)
    hungry = [row for row, want in enumerate(wanted) if want > heights[row]]
    while spare > 0 and hungry:
        share = max(1, spare // len(hungry))
        for row in list(hungry):
            more = min(share, wanted[row] - heights[row], spare)
            heights[row] += more
            spare -= more
            if heights[row] >= wanted[row]:
                hungry.remove(row)
    return heights

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
ARRANGEMENTS = ("auto", "columns", "rows")
_LEAST_COLUMN = 230
_LEAST_LINES, _LEAST_CHARACTERS, _AROUND_LINES = 4.5, 34, 52


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
        self._arrangement, self._together, self._thinking = "auto", False, False
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
            card.fold.set_open(self._thinking)
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

    def show_as(self, *, arrangement: str, together: bool, thinking: bool) -> None:
        """Show the answers another way from now on.

        Args:
            arrangement: one of `ARRANGEMENTS`.
            together: whether scrolling one answer scrolls the others.
            thinking: whether thinking before answers is open.
        """
        self._arrangement, self._together, self._thinking = arrangement, together, thinking
        for card in self.shown_cards:
            card.open_thinking(thinking)
        self.arrange()

    def scroll(self, pages: float) -> None:
        """Scroll by this share of what is visible: the answer that has the focus, or all, and the cards themselves."""
        bars = [card.reader.verticalScrollBar() for card in self.shown_cards]
        focused = [bar for bar, card in zip(bars, self.shown_cards, strict=True) if card.reader.hasFocus()]
        if self._together and bars:
            furthest = max(bars, key=lambda bar: bar.value())
            self._follow(furthest.value() + round(furthest.pageStep() * pages))
        else:
            for bar in focused or bars:
                bar.setValue(bar.value() + round(bar.pageStep() * pages))
        if not focused:
            own = self.verticalScrollBar()
            own.setValue(own.value() + round(own.pageStep() * pages))

    def scroll_sideways(self, pages: float) -> bool:
        """Scroll wide tables by this share of what is visible, as `scroll` does; False where nothing is wider."""
        readers = [card.reader for card in self.shown_cards]
        bars = [one.horizontalScrollBar() for one in ([one for one in readers if one.hasFocus()] or readers)]
        for bar in bars:
            bar.setValue(bar.value() + round(bar.pageStep() * pages))
        return any(bar.maximum() > 0 for bar in bars)

    def arrange(self) -> None:
        """Place the cards for the present size."""
        cards = self.shown_cards
        if not cards:
            return
        width, height = self.viewport().width(), self.viewport().height()
        metrics = self.fontMetrics()
        least = max(_LEAST_COLUMN, _LEAST_CHARACTERS * metrics.averageCharWidth())
        columns = columns_for(len(cards), width, arrangement=self._arrangement, least=least)
        rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
        column = (width - GAP * (columns - 1)) // columns
        wants = {card: card.wanted_height(column) for card in cards}
        wanted = [max(wants[card] for card in row) for row in rows]
        heights = share_out(
            wanted,
            height - GAP * (len(rows) - 1),
            least=round(_AROUND_LINES + _LEAST_LINES * metrics.lineSpacing()),
        )
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

    def _on_scrolled(self, offset: int) -> None:
        """The person scrolled an answer to this offset."""
        if self._together:
            self._follow(offset)

    def _follow(self, offset: int) -> None:
        """Scroll every answer to an offset, the short ones to their end."""
        for card in self.shown_cards:
            card.reader.verticalScrollBar().setValue(offset)

    def _add_card(self) -> None:
        position = len(self.cards)
        card = AnswerCard(position + 1, self.slices, self._inside)
        card.chosen.connect(lambda: self.chosen.emit(position))
        card.dragged.connect(lambda point: self.dragged.emit(position, point))
        card.dropped.connect(lambda point, strong: self.dropped.emit(position, point, strong))
        card.link_clicked.connect(self.link_clicked)
        card.resized.connect(self.arrange)
        bar = card.reader.verticalScrollBar()
        bar.actionTriggered.connect(lambda _action: self._on_scrolled(bar.sliderPosition()))
        self.cards.append(card)


def columns_for(count: int, width: int, *, arrangement: str = "auto", least: int = _LEAST_COLUMN) -> int:
    """How many columns suit this many answers in this width (pixels).

    Args:
        arrangement: one of `ARRANGEMENTS`; "columns" is as many as fit, "rows" is one.
        least: pixels that a column needs.
    """
    most = max(1, min(count, (width + GAP) // (least + GAP)))
    if arrangement == "rows":
        return 1
    if arrangement == "columns":
        return most
    if count <= 3:
        return most if most == count else 1
    if count == 4:
        return 4 if most == 4 and width >= 1100 else min(2, most)
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

"""One answer on a card: its number as a keycap, its place in the order so far, its text."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, QUrl, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dpo_studio.core import thinking, word_count
from dpo_studio.core.types import Completion
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.elided_label import ElidedLabel
from dpo_studio.ui.widgets.plain_tip import plain_tip
from dpo_studio.ui.widgets.thinking_fold import ThinkingFold

from . import answer_text, fonts, markdown, tables
from .reader import Reader
from .slices import Slices

_MARGIN, _GAP, _BORDER = 12, 8, 2


class AnswerCard(QFrame):
    """An answer that can be chosen by a click, and dragged by its head or its edges.

    Args:
        slices: goes on with long texts.

    Signals:
        chosen: the card was clicked.
        dragged: (point) it is dragged and is at this point of the screen.
        dropped: (point, strong) it was let go there, with Shift held or not.
        link_clicked: (url) a link in the answer was clicked; nothing was opened.
        resized: it wants another height, because its thinking was opened or closed.
    """

    chosen = Signal()
    dragged = Signal(QPoint)
    dropped = Signal(QPoint, bool)
    link_clicked = Signal(QUrl)
    resized = Signal()

    def __init__(self, number: int, slices: Slices, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slices = slices
        self.number = number
        self.completion: Completion | None = None
        self._draggable = False
        self._held: QPoint | None = None
        self._in_air = False
        self._against: tuple[Completion, int] | None = None
        self.setProperty("role", "card")
        self._key = _label("key", str(number % 10) if number <= 10 else "·")
        self._place = _label("badge")
        self._compared = _label("muted")
        self._tokens = _label("muted")
        self._writer = ElidedLabel()
        self._writer.setProperty("role", "muted")
        self._writer.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._writer.setAccessibleName("Written by")
        self._cut = _label("warning", "cut off")
        self._cut.setToolTip("The model was stopped by the token limit before it came to an end.")
        self._unseen = _label("warning", "no font")
        self.fold = ThinkingFold(self)
        self.fold.toggled.connect(self._on_fold_toggled)
        self.reader = Reader(self)
        self.reader.setAccessibleName(f"Answer {number}")
        self.reader.clicked.connect(self.chosen)
        self.reader.anchorClicked.connect(self.link_clicked)
        self._head = QHBoxLayout()
        self._head.setSpacing(_GAP)
        for widget in (self._key, self._place, self._compared):
            self._head.addWidget(widget)
        self._head.addWidget(self._writer, 1)
        self._head.addStretch(0)
        for widget in (self._unseen, self._cut, self._tokens):
            self._head.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(_GAP)
        layout.addLayout(self._head)
        layout.addWidget(self.fold)
        layout.addWidget(self.reader, 1)
        self.show_rank(None)
        self.show_tokens(False)
        self._compared.hide()
        self.show_writer("")

    def set_answer(self, completion: Completion) -> None:
        """Show another answer."""
        self.completion = completion
        self._cut.setVisible(completion.finish_reason == "length")
        self._tokens.setText(_length(completion) if self._tokens.isVisibleTo(self) else "")
        unseen = fonts.missing(completion.text)
        self._unseen.setVisible(bool(unseen))
        self._unseen.setToolTip(fonts.told(unseen))
        self._unseen.setAccessibleDescription(fonts.told(unseen))
        self.fold.show_text(completion.text)
        self.show_text()

    def show_text(self) -> None:
        """Show the answer as it is meant to be read, after its thinking where that is open."""
        self._against = None
        self._compared.hide()
        self._fill()

    def show_differences(self, other: Completion, other_number: int) -> None:
        """Show the plain text with the words marked that another answer does not have there."""
        self._against = (other, other_number)
        self._compared.setText(f"against {other_number}")
        self._compared.show()
        self._fill()

    def open_thinking(self, opened: bool) -> None:
        """Open or close the fold without a word to anybody."""
        if opened != self.fold.isChecked():
            self.fold.set_open(opened)
            if self.fold.has_thinking:
                self._fill()

    def show_rank(self, rank: int | None, *, tied: bool = False) -> None:
        """Show the place in the order so far; None takes it away."""
        words = "" if rank is None else f"{'= ' if tied else ''}{_ordinal(rank)}"
        self._place.setText(words)
        self._place.setVisible(rank is not None)
        theme.set_role(self, "card" if rank is None else "card-selected")
        self.setAccessibleName(f"Answer {self.number}{', ' + words if words else ''}")

    def show_writer(self, writer: str) -> None:
        """Tell who wrote the answer; "" tells nothing, as long as the label is to be given blind."""
        self._writer.setText(writer.replace("temperature ", "T "))  # so that it fits
        self._writer.setToolTip(plain_tip(writer))
        self._writer.setAccessibleDescription(writer)

    def show_tokens(self, shown: bool) -> None:
        """Show how long the answer is; nothing is counted before."""
        if shown and self.completion is not None:
            self._tokens.setText(_length(self.completion))
        self._tokens.setVisible(shown)

    def wanted_height(self, width: int) -> int:
        """The height in which the whole answer shows at this width."""
        around = 2 * _MARGIN + 2 * _BORDER
        fold = self.fold.sizeHint().height() + _GAP if self.fold.has_thinking else 0
        return self._head.sizeHint().height() + _GAP + fold + self.reader.height_for(width - around) + around

    def set_draggable(self, draggable: bool) -> None:
        """Whether there is an order that the card can be dragged into."""
        self._draggable = draggable
        self.setCursor(Qt.CursorShape.OpenHandCursor if draggable else Qt.CursorShape.ArrowCursor)
        self._key.setToolTip("Drag it onto another answer, or into the order below." if draggable else "")

    def let_go(self) -> None:
        """Forget that the mouse holds the card."""
        self._held, self._in_air = None, False
        self.set_draggable(self._draggable)

    def _fill(self) -> None:
        """Write the document again."""
        if self.completion is None:
            return
        document, colours, text = self.reader.document(), theme.current(), self.fold.answer
        thoughts = self.fold.opened and "".join(section.text for section in self.fold.sections if section.is_thinking)
        self.reader.long = answer_text.is_long(f"{thoughts or ''}{text}")

        def prelude() -> None:
            if self.fold.opened:
                self.fold.insert(document, colours)

        if not text.strip():
            self._slices.stop(self)
            document.setPlainText("(no answer after the thinking)" if self.fold.has_thinking else "(an empty answer)")
            prelude()
            markdown.finish(document, colours)
        elif self._against is None:
            self._slices.start(self, answer_text.write(document, text, colours, prelude))
        else:
            other = thinking.answer(self._against[0].text)
            self._slices.start(self, answer_text.write_differences(document, text, other, colours, prelude))
        self.reader.allow_wide(tables.has_table(document))
        self.reader.to_top()

    def _on_fold_toggled(self) -> None:
        self._fill()
        self.resized.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()
        if event.button() == Qt.MouseButton.LeftButton:
            self._held, self._in_air = event.position().toPoint(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held is None or not self._draggable:
            return
        at = event.position().toPoint()
        if self._in_air or (at - self._held).manhattanLength() >= QApplication.startDragDistance():
            if not self._in_air:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._in_air = True
            self.dragged.emit(self.mapToGlobal(at))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()
        at, held, in_air = event.position().toPoint(), self._held, self._in_air
        if held is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self.let_go()
        if in_air:
            self.dropped.emit(self.mapToGlobal(at), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif self.rect().contains(at):
            self.chosen.emit()


def _label(role: str, text: str = "") -> QLabel:
    label = QLabel(text)
    label.setProperty("role", role)
    return label


def _ordinal(rank: int) -> str:
    return f"{rank}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(rank, 'th') }"


def _length(completion: Completion) -> str:
    if completion.token_ids is not None:
        return word_count.counted(len(completion.token_ids), "token")
    return word_count.counted(word_count.count(completion.text), "word")

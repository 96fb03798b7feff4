"""The head of the Label page: its numbers, warnings about the labels so far, and a button for each action."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QKeySequence, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.page import KeyHelp
from dpo_studio.ui.widgets.elided_label import ElidedLabel
from dpo_studio.ui.widgets.flow import FlowLayout

from .item import SURENESS
from .panels import button, label
from .viewing import VIEW_ACTIONS

#: Name, words on the button ("" for none), words in the palette, key.
ACTIONS = (
    ("undo", "Undo", "Undo the last label", "Z"),
    ("skip", "Skip", "Skip this one", "Space"),
    ("all_bad", "All bad", "All answers are bad", "X"),
    ("differences", "Differences", "Show word differences", "D"),
    ("lengths", "Lengths", "Show how long the answers are", "T"),
    ("write", "Write", "Write the answer it should have given", "E"),
    ("note", "Note", "Write a note on this item", "N"),
    ("flags", "Flags", "Flag this item", "F"),
    ("sure", SURENESS[0][0], "Say how sure you are of this label", "C"),
    ("guideline", "Guideline", "Show what better means here", "G"),
    ("order", "", "Choose what comes next, and whether some comes back", "O"),
    ("annotator", "", "Say who is labelling", "A"),
)
#: Those that make sense without an item, too.
ALWAYS = ("undo", "order", "annotator")
_BELOW = ("order", "annotator")
_LINE = 3

KEY_HELP = (
    KeyHelp("1 … 9", "Place answers from best to worst; the last is implied"),
    KeyHelp("1 or ←, 2 or →", "Of two answers, choose the better: one key, saved"),
    KeyHelp("Shift + number", "The same, and much better"),
    KeyHelp("=", "Of two: equal. Of more: the next number ties with the one before; first of all: nothing is implied"),
    KeyHelp("Enter", "Done: those unplaced are worse, order unknown"),
    KeyHelp("Backspace", "Take the last number or drop back; right after a label, the step that finished it"),
    KeyHelp("Click", "An answer: the same as its number"),
    KeyHelp("Drag", "An answer by its number into the order below or beside another; onto it, they tie; Enter saves"),
    KeyHelp("X", "All of them are bad; an answer that you wrote is better than all of them"),
    KeyHelp("Space", "Skip"),
    KeyHelp("Z or Ctrl+Z", "Undo the last label, also an earlier day's"),
    KeyHelp("E", "Write the answer it should have given; it ranks first"),
    KeyHelp("D", "Mark the words that differ; again for the next answer, then off"),
    KeyHelp("T", "Show how long the answers are"),
    KeyHelp("N", "Write a note"),
    KeyHelp("F", "Flag the item"),
    KeyHelp("C", "Before the label: fairly sure, a guess, sure, or nothing said; training can use it"),
    KeyHelp("G", "Show or hide the guideline"),
    KeyHelp(
        "O", "What comes next: as imported, random, most informative or most disagreement; repeats to check yourself"
    ),
    KeyHelp("A", "Who is labelling; each person has a queue, a history and numbers of their own"),
    KeyHelp("↑ ↓ PgUp PgDn", "Scroll the answers; where they scroll apart, the one with the focus (Tab)"),
    KeyHelp("← →", "Of more than two answers: scroll wide tables sideways"),
    KeyHelp("Ctrl+J", "Ask a judge (rules or a model) to rank too; what it says shows after your own label"),
    KeyHelp("Esc", "Leave an older label as it was and go back to the queue"),
)


class Head(QWidget):
    """Title, numbers, warnings and buttons.

    Attributes:
        buttons: the buttons by the name of their action.
    """

    def __init__(self, run: Callable[[str], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.numbers = ElidedLabel()
        self.numbers.setProperty("role", "muted")
        self.numbers.setAccessibleName("Numbers")
        self.numbers.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.progress = ProgressLine()
        self.warning = label("warning")
        self.warning.setWordWrap(True)
        self.warning.hide()
        self._has_room = True
        self.buttons: dict[str, QPushButton] = {}
        self._heading = label("heading", "Label")
        row = FlowLayout(spacing=2, row_spacing=0, trailing=True)
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_M)
        top.addWidget(self._heading, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(row, 1)
        below = QHBoxLayout()
        below.setSpacing(2)
        below.addWidget(self.numbers, 1)
        for name, words, tip, key in sorted((*ACTIONS, VIEW_ACTIONS[0]), key=lambda action: action[0] in _BELOW):
            made = button(words, role="ghost", tip=f"{tip} ({key})")
            made.setAccessibleName(tip)
            made.clicked.connect(lambda _checked, what=name: run(what))
            self.buttons[name] = made
            (below if name in _BELOW else row).addWidget(made)
        for name in ("differences", "lengths", "guideline"):
            self.buttons[name].setCheckable(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addLayout(below)
        layout.addWidget(self.progress)
        layout.addWidget(self.warning)

    def minimumSizeHint(self) -> QSize:
        """No width of its own, and the height of as many rows of buttons as its width makes."""
        return QSize(0, self.layout().heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def show_numbers(self, text: str) -> None:
        """Show the numbers on one line."""
        self.numbers.setText(text)
        self.numbers.setToolTip(text)

    def show_progress(self, done: int, ready: int) -> None:
        """Show how much of what there is to label is done."""
        self.progress.show_share(done / ready if ready else 0.0)
        self.progress.setAccessibleDescription(f"{done:,} of {ready:,}")

    def show_queue(self, order: str, annotator: str) -> None:
        """Say on their buttons what comes next and who labels; nothing without a project."""
        for name, words, tip in (
            ("order", f"Next: {order.lower()}" if order else "", "What comes next"),
            ("annotator", f"Labelling as {annotator}" if annotator else "", "Who is labelling"),
        ):
            one = self.buttons[name]
            one.setText(words.replace("&", "&&"))
            one.setAccessibleDescription(f"{tip}: {words}")
            one.setVisible(bool(words))

    def show_warnings(self, warnings: list[str]) -> None:
        """Show plain sentences about what the labels lean towards; none hides the line."""
        self.warning.setText("\n".join(warnings))
        self.warning.setVisible(bool(warnings) and self._has_room)

    def set_room(self, there: bool) -> None:
        """Where there is hardly any, the title is left to the rail and the warnings to Quality."""
        self._has_room = there
        self._heading.setVisible(there)
        self.warning.setVisible(bool(self.warning.text()) and there)
        self.updateGeometry()

    def show_sureness(self, confidence: float | None) -> None:
        """Say on its button how sure the person is; a confidence from elsewhere is told as a number."""
        words = dict((value, words) for words, value in SURENESS).get(confidence, f"{confidence or 0:.0%} sure")
        self.buttons["sure"].setText(words)
        self.buttons["sure"].setAccessibleDescription(words if confidence is not None else "nothing said")

    def set_item_there(self, there: bool) -> None:
        """Without an item only some actions make sense."""
        for name, one in self.buttons.items():
            if name not in ALWAYS:
                one.setVisible(there)


class ProgressLine(QWidget):
    """A thin line that fills as labels are given; it takes the same room whether there is anything to tell or not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.share = 0.0
        self.setFixedHeight(_LINE)
        self.setAccessibleName("Labelled so far")

    def show_share(self, share: float) -> None:
        """Fill this share, from 0 to 1; a share that is not nothing is seen."""
        if share != self.share:
            self.share = share
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, colours = QPainter(self), theme.current()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        filled = max(self.width() * min(self.share, 1.0), _LINE if self.share else 0.0)
        for width, colour in ((float(self.width()), colours.border), (filled, colours.accent)):
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(0, 0, width, _LINE), _LINE / 2, _LINE / 2)


def palette_actions(run: Callable[[str], None], parent: QWidget) -> list[QAction]:
    """The actions for the palette. Their keys are told, not grabbed: the page reads its keys itself."""
    made = []
    for name, _words, tip, key in (*ACTIONS, *VIEW_ACTIONS):
        action = QAction(tip, parent)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda _checked=False, what=name: run(what))
        made.append(action)
    return made

"""The widgets of the Label page in their places, and what they show of an item and of the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dpo_studio.store import Project, prompts
from dpo_studio.ui import theme

from . import statistics
from .dragging import Dragging
from .flags import FlagMenu
from .guideline import GuidelinePanel
from .head import Head
from .history_strip import HistoryStrip
from .item import Item
from .item_stack import ItemStack
from .name_row import NameRow
from .order_bar import OrderBar
from .panels import LinkBanner
from .queue_menus import OrderMenu, PeopleMenu
from .queue_notice import QueueNotice
from .viewing import Viewing
from .writing import NoteRow, WritingPanel

GUIDED_LABELS = 3
_WARNINGS_EVERY = 10
_MARGIN, _BOTTOM, _GAP = 24, 16, 12
_LITTLE = 10  # margins and gap where there is little room
#: Lower than this many lines, what is around the answers gives them room; narrower than this, in pixels, the guideline
#: is beside the first answers only when it is asked for.
_LOW_LINES, _HARDLY_ANY_LINES, _NARROW = 35, 20, 700


class Bench(QWidget):
    """Everything that is seen on the Label page. It decides nothing and writes nothing.

    Args:
        run: does an action of `head.ACTIONS` by its name.

    Attributes:
        guideline_wanted: whether the person asked for the guideline; None leaves it to the first labels.
    """

    def __init__(self, run: Callable[[str], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.head = Head(run)
        self.notice = QueueNotice()
        self.name = NameRow()
        self.stack = ItemStack()
        self.guideline = GuidelinePanel()
        self.link = LinkBanner()
        self.writing = WritingPanel()
        self.note = NoteRow()
        self.order_bar = OrderBar()
        self.history = HistoryStrip()
        self.flags = FlagMenu(self)
        self.order_menu, self.people_menu = OrderMenu(self), PeopleMenu(self)
        self.viewing = Viewing(self.stack, self)
        self.dragging = Dragging(self.stack, self.order_bar.tray, self)
        self.guideline_wanted: bool | None = None
        self._warned_at = -1
        self._warnings: list[str] = []
        self._given_here = 0
        self._is_low, self._is_wide = False, True
        body = QHBoxLayout()
        body.setSpacing(_GAP)
        body.addWidget(self.stack, 1)
        body.addWidget(self.guideline)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _BOTTOM)
        layout.setSpacing(_GAP)
        layout.addWidget(self.head)
        layout.addWidget(self.notice)
        layout.addLayout(body, 1)
        for widget in (self.name, self.link, self.writing, self.note, self.order_bar, self.history):
            layout.addWidget(widget)
        self.stack.link_clicked.connect(self.link.ask)
        theme.notifier().changed.connect(self._on_theme_changed)

    def view_as(self, action: str) -> str:
        """Do one of `viewing.VIEW_ACTIONS`; returns a sentence about what is so now, or ""."""
        return self.viewing.run(action, self.head.buttons["view"])

    def put_above_history(self, widget: QWidget) -> None:
        """Give a line of its own to what another room has to say about the last label."""
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertWidget(layout.indexOf(self.history), widget)

    def forget(self) -> None:
        """Let go of what belongs to a project, for another one."""
        self.stack.forget()
        self.guideline.end()
        self.guideline_wanted, self._warned_at, self._warnings = None, -1, []

    def show_item(self, item: Item, writers: Sequence[str] = ()) -> None:
        """Put an item on screen, at once when it was prepared; what is around it changes now, not while it is read."""
        self.dragging.cancel()
        self.head.show_warnings(self._warnings)
        self._show_guideline(item)
        self.stack.show_item(item)
        self.stack.view.show_writers(writers)
        self.head.buttons["differences"].setChecked(self.stack.view.compares)
        self._show_around(item)
        self.writing.show_unfinished(item.unfinished)
        self.note.show_note(item.note)

    def show_empty(self, project: Project | None) -> None:
        """Show why there is nothing to label."""
        numbers = statistics.summary(project) if project is not None else None
        self.stack.show_empty(
            has_project=project is not None,
            has_prompts=project is not None and prompts.count(project) > 0,
            ready=numbers.ready if numbers else 0,
            skipped=numbers.skipped if numbers else 0,
        )
        self._show_around(None)
        self.note.hide()
        self.guideline.setVisible(self.guideline.is_edited)

    def show_order(self, item: Item | None) -> None:
        """Show how far the order of the item on screen has come."""
        self.stack.view.show_order()
        self.order_bar.show_item(item)

    def show_numbers(self, project: Project | None, item: Item | None) -> None:
        """Read the numbers and the last labels from the store."""
        self.history.refresh(project)
        self.history.mark(item.earlier if item is not None else None)
        if project is None:
            self.head.show_numbers("")
            self.head.show_progress(0, 0)
            self.head.show_warnings([])
            return
        numbers = statistics.summary(project)
        self.head.show_numbers(numbers.text() if numbers.ready else "")
        self.head.show_progress(numbers.done, numbers.ready)
        first = self._warned_at < 0
        if first or abs(numbers.done - self._warned_at) >= _WARNINGS_EVERY:
            self._warned_at = numbers.done
            self._warnings = statistics.warnings(project)
        if first or item is None:
            self.head.show_warnings(self._warnings)
        self._given_here = numbers.given_here
        self.guideline.show_text(project.guideline)
        if first or self.guideline_wanted is not None or item is None:
            self._show_guideline(item)

    def note_given(self) -> None:
        """A label was given: the guideline stands beside the first ones only."""
        self._given_here += 1

    def _show_guideline(self, item: Item | None) -> None:
        shown = self.guideline_wanted
        if shown is None:
            shown = self._given_here < GUIDED_LABELS and self.guideline.has_text and self._is_wide
        shown = (shown and item is not None) or self.guideline.is_edited
        self.guideline.setVisible(shown)
        self.head.buttons["guideline"].setChecked(shown)

    def _show_around(self, item: Item | None) -> None:
        self.writing.hide()
        self.link.hide()
        self.head.set_item_there(item is not None)
        self.history.mark(item.earlier if item is not None else None)
        self.order_bar.show_item(item)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Give the answers room where there is little."""
        lines = self.height() / self.fontMetrics().lineSpacing()
        low, hardly_any = lines < _LOW_LINES, lines < _HARDLY_ANY_LINES
        if hardly_any != self.history.isHidden():
            self.history.setVisible(not hardly_any)
            self.head.set_room(not hardly_any)
        if low != self._is_low:
            self._is_low = low
            layout = self.layout()
            layout.setContentsMargins(*[_LITTLE] * 4 if low else (_MARGIN, _MARGIN, _MARGIN, _BOTTOM))
            layout.setSpacing(_LITTLE // 2 if low else _GAP)
            self.history.set_low(low)
        wide = self.width() >= _NARROW
        if wide != self._is_wide:
            self._is_wide = wide
            self._show_guideline(self.stack.item)

    def _on_theme_changed(self) -> None:
        self._fit()
        self.stack.restyle()
        self.guideline.restyle()

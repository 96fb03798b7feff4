"""Two item views, one on screen and one that holds the next item ready, and the empty page."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QRect, QUrl, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from .item import Item
from .item_view import ItemView
from .panels import EmptyPanel

#: A click that comes this soon after the window became the active one was meant for the window.
ACTIVATING_S = 0.2


class ItemStack(QStackedWidget):
    """Shows one item at a time, at once when it was prepared.

    Signals:
        chosen: (position) an answer was clicked.
        link_clicked: (url) a link was clicked.
    """

    chosen = Signal(int)
    link_clicked = Signal(QUrl)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views = (ItemView(), ItemView())
        self.empty = EmptyPanel()
        self._tokens_shown = False
        self._activated_s = -ACTIVATING_S
        for widget in (*self.views, self.empty):
            self.addWidget(widget)
        for view in self.views:
            view.chosen.connect(self._on_chosen)
            view.link_clicked.connect(self.link_clicked)

    @property
    def view(self) -> ItemView:
        """The view on screen; the first one while the page is empty."""
        return self.views[1] if self.currentWidget() is self.views[1] else self.views[0]

    @property
    def item(self) -> Item | None:
        """The item on screen; None while the page is empty."""
        return None if self.currentWidget() is self.empty else self.view.item

    @property
    def prepared(self) -> Item | None:
        """The item that waits, laid out, in the view that is not on screen."""
        return self._spare().item

    def show_item(self, item: Item) -> None:
        view = self._holding(item)
        if view is None:
            view = self._spare()
            view.show_item(item, tokens=self._tokens_shown)
        view.show_order()
        self.setCurrentWidget(view)

    def show_empty(self, *, has_project: bool, has_prompts: bool, ready: int, skipped: int) -> None:
        """Show why there is nothing to label."""
        self.empty.show_state(has_project=has_project, has_prompts=has_prompts, ready=ready, skipped=skipped)
        self.setCurrentWidget(self.empty)

    def prepare(self, item: Item) -> None:
        """Fill and lay out the view that is not on screen."""
        if self._holding(item) is None:
            spare = self._spare()
            spare.resize(self.size())
            spare.show_item(item, tokens=self._tokens_shown)
            spare.grab(QRect(0, 0, 1, 1))  # lays out what is hidden, which a resize alone would put off

    def forget(self) -> None:
        """Let go of all items, for another project."""
        for view in self.views:
            view.item = None

    def toggle_tokens(self) -> bool:
        """Show the answers' lengths, or hide them; returns whether they show."""
        self._tokens_shown = not self._tokens_shown
        for view in self.views:
            view.show_tokens(self._tokens_shown)
        return self._tokens_shown

    def restyle(self) -> None:
        for view in self.views:
            view.restyle()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.WindowActivate:
            self._activated_s = time.monotonic()
        return super().event(event)

    def _on_chosen(self, position: int) -> None:
        if time.monotonic() - self._activated_s >= ACTIVATING_S:
            self.chosen.emit(position)

    def _holding(self, item: Item) -> ItemView | None:
        return next((view for view in self.views if view.item is item), None)

    def _spare(self) -> ItemView:
        return self.views[1] if self.currentWidget() is self.views[0] else self.views[0]

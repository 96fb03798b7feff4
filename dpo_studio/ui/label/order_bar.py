"""The bar under the answers: the order so far, flags, the last word about what a key did, and saving."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.elided_label import ElidedLabel

from .item import Item
from .order_tray import OrderTray
from .panels import button, label


class OrderBar(QFrame):
    """The order so far, always in sight: a line of words for a pair, chips to drag for more.

    Signals:
        save_wanted: the order as it stands is to be saved.
    """

    save_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "strip")
        self._words = ""
        self._order = label("subheading")
        self._order.setAccessibleName("Order so far")
        self.tray = OrderTray()
        self._marks = label("badge")
        self._notice = ElidedLabel()
        theme.set_role(self._notice, "muted")
        self._notice.setAccessibleName("Message")
        self._notice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.save = button("Save order", role="primary", tip="Enter")
        self.save.clicked.connect(self.save_wanted)
        keeps = self.save.sizePolicy()
        keeps.setRetainSizeWhenHidden(True)
        self.save.setSizePolicy(keeps)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 6, 6)
        layout.setSpacing(12)
        layout.addWidget(self._order)
        layout.addWidget(self.tray)
        layout.addWidget(self._marks)
        layout.addWidget(self._notice, 1)
        layout.addWidget(self.save)

    @property
    def notice(self) -> str:
        return self._notice.text()

    @property
    def order(self) -> str:
        """The order in words."""
        return self._words

    def show_item(self, item: Item | None) -> None:
        """Show the order and the marks of the item as they stand."""
        self.setVisible(item is not None)
        if item is None:
            return
        entry = item.entry
        words = entry.text()
        without_order = entry.is_earlier and item.earlier is not None and item.earlier.kind != "ranking"
        if without_order and item.earlier is not None:
            words = {"skip": "Skipped", "all_bad": "All bad"}.get(item.earlier.kind, words)
        self._words = words or "No order yet"
        self._order.setText(self._words)
        self._order.setVisible(entry.is_pair or without_order)
        theme.set_role(self._order, "subheading" if words else "muted")
        self.tray.setVisible(not entry.is_pair)
        self.tray.show_entry(entry)
        marks = [*item.flags]
        if entry.strength > 1:
            marks.insert(0, "much better")
        self._marks.setText("  ·  ".join(marks))
        self._marks.setVisible(bool(marks))
        begun = bool(entry.buckets) or bool(item.written)
        self.save.setVisible(item.changed and (begun or item.earlier is not None))
        self.save.setText("Save order" if begun else "Save")

    def say(self, text: str, *, warning: bool = False) -> None:
        """Show a sentence beside the order."""
        theme.set_role(self._notice, "warning" if warning else "muted")
        self._notice.setText(text)
        self._notice.setToolTip(text)

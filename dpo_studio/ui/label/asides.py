"""What is written beside a label: a note, flags, an answer of the person's own, the project's guideline."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.ui.context import Context

from .bench import Bench
from .item import Item


class Asides(QObject):
    """Carries what is written in the bench's fields to the item on screen, and the guideline to the project.

    Args:
        item: gives the item on screen, or None.
        give_back: called when the keys belong to labelling again.

    Signals:
        changed: something was written or flagged that is in no label yet.
    """

    changed = Signal()

    def __init__(
        self, context: Context, bench: Bench, item: Callable[[], Item | None], give_back: Callable[[], None]
    ) -> None:
        super().__init__(bench)
        self._context, self._bench = context, bench
        self._item, self._give_back = item, give_back
        bench.flags.changed.connect(self._on_flags)
        bench.writing.used.connect(self._on_written)
        bench.writing.changed.connect(self._on_writing)
        bench.writing.cancelled.connect(self._on_cancelled)
        bench.note.changed.connect(self._on_note)
        bench.note.finished.connect(give_back)
        bench.guideline.saved.connect(self._on_guideline)
        bench.guideline.finished.connect(give_back)

    def begin_writing(self) -> None:
        """Open the editor for the answer the model should have given."""
        item = self._item()
        if item is not None:
            buckets = item.entry.buckets
            best = item.shown[buckets[0][0]].text if buckets else ""
            self._bench.writing.begin(item.unfinished or item.cancelled or item.written or best)

    def ask_flags(self) -> None:
        item = self._item()
        if item is not None:
            self._bench.flags.ask(item.flags, self._bench.head.buttons["flags"])

    def toggle_guideline(self) -> None:
        """Show the guideline or hide it; while it is being changed, go back to it."""
        if self._bench.guideline.is_edited:
            self._bench.guideline.begin()
        else:
            self._bench.guideline_wanted = not self._bench.guideline.isVisibleTo(self._bench)
        self._bench.show_numbers(self._context.project, self._item())

    def leave(self) -> None:
        """The page is left: a guideline that is being changed is kept as far as it is written."""
        self._bench.guideline.save()

    def _on_flags(self, flags: tuple[str, ...]) -> None:
        item = self._item()
        if item is not None:
            item.flags = flags
            self._bench.order_bar.show_item(item)
            self.changed.emit()

    def _on_note(self, text: str) -> None:
        item = self._item()
        if item is not None:
            item.note = text
            self._bench.order_bar.show_item(item)
            self.changed.emit()

    def _on_written(self, text: str) -> None:
        item = self._item()
        if item is not None:
            item.write(text)
            self._bench.show_order(item)
            self.changed.emit()
        self._close_writing()
        if item is not None and item.written:
            self._bench.order_bar.say("Yours is first. Place the others too, or press Enter to save.")

    def _on_writing(self, text: str) -> None:
        item = self._item()
        if item is not None:
            item.unfinished = text
            self.changed.emit()

    def _on_cancelled(self) -> None:
        item = self._item()
        if item is not None and item.unfinished.strip():
            item.cancelled = item.unfinished
            self._bench.order_bar.say("Your text is not used; E brings it back.")
        self._on_writing("")
        self._close_writing()

    def _close_writing(self) -> None:
        self._bench.writing.hide()
        self._give_back()

    def _on_guideline(self, text: str) -> None:
        project = self._context.project
        if project is None:
            return
        try:
            project.set_fact("guideline", text)
        except UserError as error:
            self._context.complain(error)
            return
        self._bench.guideline_wanted = True
        self._bench.guideline.show_text(text)
        self._bench.guideline.end()
        self._context.say("The guideline is saved.")

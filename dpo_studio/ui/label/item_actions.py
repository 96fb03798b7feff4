"""What the buttons of the head do with the item on screen, apart from labelling it."""

from __future__ import annotations

from .asides import Asides
from .bench import Bench
from .item import Item


class ItemActions:
    """Does actions of `head.ACTIONS` by their names."""

    def __init__(self, bench: Bench, asides: Asides) -> None:
        self._bench, self._asides = bench, asides

    def run(self, action: str, item: Item) -> None:
        """Do an action with the item on screen."""
        bench, asides = self._bench, self._asides
        {
            "differences": self._show_difference,
            "lengths": lambda: bench.head.buttons["lengths"].setChecked(bench.stack.toggle_tokens()),
            "write": asides.begin_writing,
            "note": bench.note.begin,
            "flags": asides.ask_flags,
            "sure": lambda: self._next_sureness(item),
            "guideline": asides.toggle_guideline,
        }[action]()

    def _show_difference(self) -> None:
        self._bench.stack.view.next_difference()
        self._bench.head.buttons["differences"].setChecked(self._bench.stack.view.compares)

    def _next_sureness(self, item: Item) -> None:
        item.next_sureness()
        self._bench.head.show_sureness(item.confidence)

"""Going through a list of labels once more: what the bar asks, on the page's session."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import GroupId
from dpo_studio.ui.context import Context

from .bench import Bench
from .item import Item
from .review import ReviewBar
from .session import Session


class Reviewing(QObject):
    """Joins the bar to the page.

    Args:
        session: the page's session now, or None.
        show: puts an item on screen, once what was there is noted.
        leave: goes back to the queue.
    """

    def __init__(
        self,
        context: Context,
        bench: Bench,
        session: Callable[[], Session | None],
        *,
        show: Callable[[Callable[[], Item]], None],
        leave: Callable[[], None],
    ) -> None:
        super().__init__(bench)
        self.bar = ReviewBar()
        self._context, self._session, self._show, self._leave = context, session, show, leave
        bench.layout().insertWidget(1, self.bar)
        context.groups_wanted.connect(self.bar.start)
        self.bar.wanted.connect(self._on_wanted)
        self.bar.ended.connect(self._on_ended)
        self.bar.report_wanted.connect(lambda: context.page_wanted.emit("quality"))

    @property
    def active(self) -> bool:
        """Whether there is a list."""
        return self.bar.current is not None

    def _on_wanted(self, group_id: GroupId) -> None:
        session = self._session()
        if session is None:
            return
        try:
            self._show(lambda: session.visit(group_id))
        except UserError as error:
            self._context.complain(error)

    def _on_ended(self, seen: bool) -> None:
        self._leave()
        if seen:
            self._context.say("That was the last of the list. The queue goes on here.")

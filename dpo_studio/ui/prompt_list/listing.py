"""Keeps a table showing the prompts that a filter finds, without the window ever waiting for the store."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import PromptId
from dpo_studio.store import Project, prompt_search
from dpo_studio.store.prompt_search import PromptFilter
from dpo_studio.ui.context import Context

from .store_thread import Answer, StoreThread
from .table import PromptTable

_LIST, _REFRESH = "list", "refresh"


class Listing(QObject):
    """Reads the ids of what is wanted, a page at a time, in a thread.

    A new filter shows its first page as soon as it is there. After a change in the project the list is read
    whole and put in place of the old one at once, so that nothing jumps.

    Args:
        wanted: which prompts are to be listed, and whether the newest come first.
        selects_first: a list that begins anew has its first prompt, or the one that was current, selected.

    Signals:
        changed: other prompts are listed, or more of them, or all of them now.

    Attributes:
        store: the thread that reads; None while no project is open.
        complete: whether all that the filter finds is listed.
    """

    changed = Signal()

    def __init__(
        self,
        context: Context,
        table: PromptTable,
        wanted: Callable[[], tuple[PromptFilter, bool]] = lambda: (PromptFilter(), False),
        *,
        selects_first: bool = False,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._context, self._table, self._wanted, self._selects_first = context, table, wanted, selects_first
        self.store: StoreThread | None = None
        self.complete = True
        self._others: dict[str, Callable[[Any], None]] = {}

    def open(self, project: Project | None) -> None:
        """List another project's prompts."""
        self.close()
        self._table.rows.begin(project)
        self.complete = True
        if project is not None:
            self.store = StoreThread(project, self)
            self.store.answered.connect(self._on_answered)
            self.store.failed.connect(self._on_failed)
            self.start()
        else:
            self.changed.emit()

    def close(self) -> None:
        """End what is read."""
        if self.store is not None:
            self.store.close()
            self.store.deleteLater()
            self.store = None

    def start(self) -> None:
        """Read the list that is wanted now from its beginning."""
        if self.store is None:
            return
        self.complete = False
        wanted, newest_first = self._wanted()
        self.store.drop(_REFRESH)
        self.store.ask(_LIST, lambda project, send: _in_pages(project, wanted, newest_first, send))
        self.changed.emit()

    def refresh(self) -> None:
        """Something changed in the project: bring the list up to date, where it stands."""
        if self.store is None:
            return
        self._table.rows.forget()
        if not self.complete:
            self.start()
            return
        wanted, newest_first = self._wanted()
        self.store.ask(_REFRESH, lambda project, _send: _whole(project, wanted, newest_first))

    def ask(self, kind: str, work: Callable[[Project], Any], then: Callable[[Any], None]) -> None:
        """Read something else in the thread; `then` gets what was read, unless this kind is asked again before."""
        if self.store is not None:
            self._others[kind] = then
            self.store.ask(kind, lambda project, _send: work(project))

    def _on_answered(self, answer: Answer) -> None:
        if self.sender() is not self.store or self.store is None or not self.store.is_latest(answer):
            return
        if answer.kind == _LIST:
            self._show_page(answer)
        elif answer.kind == _REFRESH:
            self._table.replace(answer.value)
            self.changed.emit()
        else:
            self._others[answer.kind](answer.value)

    def _show_page(self, answer: Answer) -> None:
        if answer.last:
            self.complete = True
        else:
            ids, is_first = answer.value
            if is_first:
                current = self._table.current_id()
                self._table.rows.begin(self._context.project)
                self._table.rows.extend(ids)
                row = None if current is None else self._table.rows.row_of(current)
                if ids and self._selects_first:
                    self._table.selectRow(row or 0)
            else:
                self._table.rows.extend(ids)
        self.changed.emit()

    def _on_failed(self, kind: str, _number: int, error: Exception | None) -> None:
        if error is None:
            return
        if kind == _LIST:
            self.complete = True
            self.changed.emit()
        if not isinstance(error, UserError):
            raise error
        self._context.complain(error)


def _in_pages(
    project: Project, wanted: PromptFilter, newest_first: bool, send: Callable[[tuple[list[PromptId], bool]], None]
) -> None:
    """Send the ids a page at a time, and whether it is the first."""
    is_first = True
    for ids in prompt_search.pages(project, wanted, newest_first=newest_first):
        if ids or is_first:
            send((ids, is_first))
            is_first = False
    if is_first:
        send(([], True))


def _whole(project: Project, wanted: PromptFilter, newest_first: bool) -> array[int]:
    return array("q", itertools.chain.from_iterable(prompt_search.pages(project, wanted, newest_first=newest_first)))

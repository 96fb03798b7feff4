"""Saving the label on screen, and soon what is written about it; where another program holds the project, trying
again until it lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.store.database_errors import BusyError

from .item import Item
from .session import Session

WAITS = "Another program is writing to this project. Your label is saved as soon as it lets go; Esc takes it back."
NOT_SAVED = "Not saved. Enter tries again, Backspace takes the last number back."
NOT_SAVED_KEY = "Not saved. Press the key again."
_AT_ONCE_S, _AGAIN_S, _IN_THE_END_S = 0.1, 0.02, 3.0
_AGAIN_MS = 200
_DRAFTS_MS = 1500


class Saving(QObject):
    """Writes one label at a time. The window is never held up: see `waits`.

    Args:
        session: gives the session, or None.

    Signals:
        saved: (Ranking) it is durable, and the session has moved on.
        waits: it could not be written yet; it is tried again until `saved`, `refused` or `give_up`.
        refused: (error) it cannot be written.
        drafts_refused: (error) notes and answers that are in no label yet cannot be kept.

    Attributes:
        pending: a label waits to be written.
    """

    saved = Signal(object)
    waits = Signal()
    refused = Signal(object)
    drafts_refused = Signal(object)

    def __init__(self, session: Callable[[], Session | None], parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._label: tuple[str, float, Item | None] = ("", 0.0, None)
        self.pending = False
        self._again = QTimer(self, singleShot=True, interval=_AGAIN_MS)
        self._again.timeout.connect(lambda: self._try(_AGAIN_S))
        self._drafts = QTimer(self, singleShot=True, interval=_DRAFTS_MS)
        self._drafts.timeout.connect(self._keep_drafts)

    def save(self, kind: str, seconds: float) -> None:
        """Write the label on screen; arguments as of `Session.save`."""
        session = self._session()
        self._label = (kind, seconds, None if session is None else session.item)
        self._try(_AT_ONCE_S)

    def settle(self) -> None:
        """Write what waits, and the drafts, because the page is left: here another program is waited for."""
        if self.pending:
            self._try(_IN_THE_END_S)
        self._keep_drafts(_IN_THE_END_S)

    def keep_drafts_soon(self) -> None:
        """Keep notes, flags and own answers when nothing was written for a moment, so that a crash loses none."""
        self._drafts.start()

    def give_up(self) -> bool:
        """Do not write what waits; False where nothing does."""
        was, self.pending = self.pending, False
        self._again.stop()
        self._drafts.stop()
        return was

    def _keep_drafts(self, patience: float = _AGAIN_S) -> None:
        self._drafts.stop()
        session = self._session()
        if session is None:
            return
        try:
            with session.project.patience(patience):
                session.stash()
        except BusyError as error:
            if patience == _AGAIN_S:
                self._drafts.start()
            else:
                self.drafts_refused.emit(error)
        except UserError as error:
            self.drafts_refused.emit(error)

    def _try(self, patience: float) -> None:
        session = self._session()
        kind, seconds, item = self._label
        if session is None or session.item is not item:
            self.pending = False
            return
        try:
            with session.project.patience(patience):
                ranking = session.save(kind, seconds=seconds)
        except BusyError:
            if not self.pending:
                self.pending = True
                self.waits.emit()
            self._again.start()
        except UserError as error:
            self.pending = False
            self.refused.emit(error)
        else:
            self.pending = False
            self._again.stop()
            self.saved.emit(ranking)


def not_saved(item: Item | None) -> str:
    """What to do where a label could not be written: an order is there still, a skip is not."""
    return NOT_SAVED if item is not None and item.entry.buckets else NOT_SAVED_KEY

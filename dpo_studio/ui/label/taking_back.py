"""Taking a label back: the last one of whatever day, or only the last step of the one just given."""

from __future__ import annotations

from collections.abc import Callable

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Ranking
from dpo_studio.ui.context import Context

from .session import Session, described

_PATIENCE_S = 1.0  # for another program's writing


class TakingBack:
    """Undoes labels in the session.

    Args:
        session: gives the session, or None.
        shown: called with a sentence once the label's item is the session's again.
    """

    def __init__(self, context: Context, session: Callable[[], Session | None], shown: Callable[[str], None]) -> None:
        self._context, self._session, self._shown = context, session, shown

    def label(self) -> None:
        """Undo the last label."""
        session = self._session()
        if session is not None and self._do(session, session.undo, "Undid: {}. Label it again.") is None:
            self._context.say("There is no label to undo.")

    def last_step(self) -> bool:
        """Backspace right after a label: the number that finished it goes, or Enter. False where it is not that."""
        session = self._session()
        if session is None or not session.can_take_step_back:
            return False
        self._do(session, session.take_last_step_back, "Took back {}. Go on from here.")
        return True

    def _do(self, session: Session, undo: Callable[[], Ranking | None], words: str) -> Ranking | bool | None:
        """Undo and show; False where it could not be written, which is told."""
        try:
            with session.project.patience(_PATIENCE_S):
                undone = undo()
        except UserError as error:
            self._context.complain(error)
            return False
        if undone is not None:
            self._shown(words.format(described(undone)))
        return undone

"""Finishes what an import or a merge that was interrupted left to do, in a child process, while the person goes on.

What was written of a cancelled one is taken back.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject

from dpo_studio.core.errors import UserError

from .context import Context
from .exchange.commands import Commands


class Settling(QObject):
    """Looks at each project that is opened, and at the open one when `context.unsettled` says so."""

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._commands = Commands(self)
        self._at: set[Path] = set()
        context.project_changed.connect(self.begin)
        context.unsettled.connect(self.begin)

    def begin(self) -> None:
        """Have the open project finished, unless there is nothing to do or it is being done."""
        project = self._context.project
        if project is None:
            self._commands.close()  # goes on when the project is opened the next time
            self._at.clear()
        if project is None or project.folder in self._at:
            return
        from dpo_studio.store import settling, staging  # which bring SQLite along

        if settling.is_settled(project):
            return
        folder = project.folder
        self._at.add(folder)
        thread = self._commands.start(["settle", "--", str(folder)])
        thread.answered.connect(lambda answer: self._on_done(folder, cancelled=answer["cancelled"]))
        thread.refused.connect(lambda error: self._on_refused(folder, error))
        thread.start()
        what = "What was written of the cancelled import is being taken back"
        what = what if staging.is_cancelled(folder) else "What was being added to this project is being written"
        self._context.say(f"{what} in the background. You can go on meanwhile.")

    def _on_done(self, folder: Path, *, cancelled: bool) -> None:
        if self._end(folder):
            self._context.say("The cancelled import is gone." if cancelled else "All of it is added now.")
            for signal in ("prompts_changed", "policies_changed", "groups_changed", "rankings_changed"):
                getattr(self._context, signal).emit()

    def _on_refused(self, folder: Path, error: Exception) -> None:
        if self._end(folder):
            self._context.complain(error)
        if not isinstance(error, UserError):
            raise error

    def _end(self, folder: Path) -> bool:
        """It is over; whether that project is still open."""
        self._at.discard(folder)
        return self._context.project is not None and self._context.project.folder == folder

"""Looks through each project that is opened, and makes its backup of the day, while the person goes on."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QThread, Signal

from dpo_studio.core.errors import UserError

from .context import Context

if TYPE_CHECKING:
    from dpo_studio.store import Project

_PATIENCE_MS = 10_000


class CheckThread(QThread):
    """Checks one project (see `store.checking`), over a connection of its own.

    Signals:
        checked: it is whole; with a sentence where its backup could not be written, or "".
        refused: the UserError that says how it is damaged; or another exception, which is a bug.
    """

    checked = Signal(str)
    refused = Signal(object)

    def __init__(self, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project = project
        self._beside: Project | None = None
        self._stopped = False

    def run(self) -> None:
        from dpo_studio.store import checking

        try:
            with self.project.beside() as beside:
                self._beside = beside
                try:
                    warning = checking.check(beside, stop=lambda: self._stopped)
                finally:
                    self._beside = None
        except checking.GivenUp:
            return
        except UserError as error:
            self.refused.emit(error)
        except Exception as error:  # told to the window's thread, where bugs are shown
            error.add_note(traceback.format_exc())
            self.refused.emit(error)
        else:
            self.checked.emit(warning)

    def stop(self) -> None:
        """Give up, and wait for the end of it."""
        self._stopped = True
        beside = self._beside
        if beside is not None:
            beside.interrupt()
        self.wait(_PATIENCE_MS)


class Checking(QObject):
    """Checks the project that is open; one that is damaged is closed again, with the sentence that says why."""

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.thread_: CheckThread | None = None
        context.project_changed.connect(self._on_project_changed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    def close(self) -> None:
        """Give up what is not finished."""
        before, self.thread_ = self.thread_, None
        if before is not None:
            before.stop()
            before.deleteLater()

    def _on_project_changed(self) -> None:
        self.close()
        project = self._context.project
        if project is not None:
            self.thread_ = CheckThread(project, self)
            self.thread_.checked.connect(self._on_checked)
            self.thread_.refused.connect(self._on_refused)
            self.thread_.start(QThread.Priority.LowPriority)

    def _on_checked(self, warning: str) -> None:
        if self.sender() is self.thread_ and warning:
            self._context.say(warning)

    def _on_refused(self, error: Exception) -> None:
        if self.sender() is not self.thread_:
            return
        if not isinstance(error, UserError):
            raise error
        if not self._context.jobs.jobs:
            self._context.open(None)
        self._context.complain(error)

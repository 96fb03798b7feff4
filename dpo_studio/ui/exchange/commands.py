"""Commands of the command line in threads, so that the window waits for none of them."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QObject, QThread, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.jobs.command import CommandProcess

_PATIENCE_MS = 5_000


class CommandThread(QThread):
    """One command, from start to end.

    Signals:
        answered: the object it printed.
        refused: the UserError it gave; or another exception, which is a bug.
        heard: an object that it printed before, when it was started to be followed.
    """

    answered = Signal(object)
    refused = Signal(object)
    heard = Signal(object)

    def __init__(self, arguments: Sequence[str], parent: QObject | None = None, *, told: str | None = None) -> None:
        super().__init__(parent)
        self._process = CommandProcess(arguments, told=told, heard=self.heard.emit)

    def run(self) -> None:
        try:
            answer = self._process.run()
        except UserError as error:
            self.refused.emit(error)
        except Exception as error:
            # Told to the window's thread, where bugs are shown; a thread's own traceback is seen by nobody.
            error.add_note(traceback.format_exc())
            self.refused.emit(error)
        else:
            self.answered.emit(answer)

    def stop(self) -> None:
        self._process.stop()


class Commands(QObject):
    """Runs commands for a page and keeps their threads until they end."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads: list[CommandThread] = []
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    def start(self, arguments: Sequence[str], *, told: str | None = None) -> CommandThread:
        """A thread for the command, which reads `told` on stdin; connect to it, then `start()` it."""
        thread = CommandThread(arguments, self, told=told)
        self._threads.append(thread)
        thread.finished.connect(self._on_finished)
        return thread

    def close(self) -> None:
        """Stop them all and wait until they are gone."""
        for thread in list(self._threads):
            thread.stop()
            thread.wait(_PATIENCE_MS)
        self._threads.clear()

    def _on_finished(self) -> None:
        thread = self.sender()
        if thread in self._threads:
            self._threads.remove(thread)
            thread.deleteLater()

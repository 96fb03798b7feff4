"""Has the report on the labels made by a child process, when it is asked for and no more often than labels change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.ui.exchange.commands import Commands, CommandThread

#: A person who labels changes them every few seconds; the page waits for a pause.
PAUSE_MS = 1_500


class Reader(QObject):
    """The last report on a project, and whether a newer one is on its way.

    Signals:
        changed: any of the attributes is another one.

    Attributes:
        report: what `dpo-studio report --json` said last; None before it did.
        busy: it is being made.
        stale: labels or prompts changed since it was asked for.
        problem: why the last one could not be made, or "".
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.report: Mapping[str, Any] | None = None
        self.stale = True
        self.problem = ""
        self._folder: Path | None = None
        self._commands = Commands(self)
        self._thread: CommandThread | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(PAUSE_MS)
        self._later.timeout.connect(self.read)

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def open(self, folder: Path | None) -> None:
        """Another project, or none: what was read of the one before is forgotten."""
        self._drop()
        self._folder, self.report, self.stale, self.problem = folder, None, True, ""
        self.changed.emit()

    def note_change(self, *, look: bool) -> None:
        """Labels or prompts changed; with `look` somebody is looking, so read them again after a pause."""
        self.stale = True
        if look:
            self._later.start()

    def read(self) -> None:
        """Have the report made now, unless it is being made already."""
        self._later.stop()
        if self._folder is None or self.busy:
            return
        self.stale = False
        thread = self._thread = self._commands.start(["report", "--", str(self._folder)])
        thread.answered.connect(self._on_answered)
        thread.refused.connect(self._on_refused)
        thread.start()
        self.changed.emit()

    def close(self) -> None:
        """End what runs."""
        self._drop()
        self._commands.close()

    def _drop(self) -> None:
        self._later.stop()
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def _on_answered(self, report: Mapping[str, Any]) -> None:
        if self.sender() is self._thread:
            self.report, self.problem = report, ""
            self._on_end()

    def _on_refused(self, error: Exception) -> None:
        if self.sender() is self._thread:
            self.problem = str(error)
            self._on_end()
            if not isinstance(error, UserError):
                raise error

    def _on_end(self) -> None:
        self._thread = None
        self.changed.emit()
        if self.stale:
            self._later.start()

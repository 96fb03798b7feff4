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
STOPPED = "Reading was stopped, so this is not all of it. Read again (F5) for the rest."


class Reader(QObject):
    """The last report on a project, and whether a newer one is on its way.

    Signals:
        changed: any of the attributes is another one.

    The first report of a project is there part by part, as it is made; a later one when it is whole.

    Attributes:
        report: what `dpo-studio report --json` said last; None before it did.
        whole: whether `report` is all of it.
        busy: one is being made.
        progress: how far that is, from 0 to 1, and `doing` what is being done.
        stale: labels or prompts changed since it was asked for.
        problem: why the last one could not be made, or "".
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.report: Mapping[str, Any] | None = None
        self.whole = False
        self.stale = True
        self.problem = ""
        self.progress, self.doing = 0.0, ""
        self._coming: dict[str, Any] = {}
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
        self._folder, self.report, self.whole, self.stale, self.problem = folder, None, False, True, ""
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
        self.progress, self.doing, self.problem, self._coming = 0.0, "", "", {}
        thread = self._thread = self._commands.start(["report", "--follow", "--", str(self._folder)])
        thread.heard.connect(self._on_heard)
        thread.answered.connect(self._on_answered)
        thread.refused.connect(self._on_refused)
        thread.start()
        self.changed.emit()

    def stop(self) -> None:
        """Give up the report that is being made; what was there of it, or the one before, stays."""
        if self.busy:
            self._drop()
            self.stale = True
            self.problem = "" if self.whole else STOPPED
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

    def _on_heard(self, said: Mapping[str, Any]) -> None:
        if self.sender() is not self._thread:
            return
        if "progress" in said:
            self.progress, self.doing = said["progress"], said["doing"]
        else:
            self._coming |= said
            if not self.whole:
                self.report = dict(self._coming)
        self.changed.emit()

    def _on_answered(self, rest: Mapping[str, Any]) -> None:
        if self.sender() is self._thread:
            self.report, self.whole, self.problem = {**self._coming, **rest}, True, ""
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

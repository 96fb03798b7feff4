"""A splitter whose parts are as large as they were left, also in the next window."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from dpo_studio.ui.settings_store import SettingsStore


class KeptSplitter(QSplitter):
    """A splitter that remembers its sizes on this machine.

    Args:
        name: what they are remembered under.
    """

    def __init__(self, name: str, orientation: Qt.Orientation, parent: QWidget | None = None) -> None:
        super().__init__(orientation, parent)
        self.setChildrenCollapsible(False)
        self._name, self._settings = name, SettingsStore()
        self.splitterMoved.connect(self._keep)

    def begin(self, sizes: Sequence[int]) -> None:
        """Divide the room as it was left, or else like this; once its parts are in it."""
        kept = self._settings.splitter(self._name)
        self.setSizes(kept if len(kept) == self.count() else list(sizes))

    def _keep(self) -> None:
        self._settings.keep_splitter(self._name, self.sizes())

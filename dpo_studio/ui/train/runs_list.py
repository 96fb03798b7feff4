"""The list of runs beside the page: a new one on top, then every run with how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from dpo_studio.core.types import RunId
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.plain_tip import plain_tip

NEW = "+ New training"

PADDING = 7

#: A sign and a word for each state; the word is for those who do not see the sign.
STATE_WORDS = {
    "new": ("○", "not started"),
    "waiting": ("○", "waiting its turn"),
    "running": ("●", "running"),
    "paused": ("‖", "paused"),
    "reading": ("…", "reading"),
    "finished": ("✓", "finished"),
    "stopped": ("✓", "stopped early"),
    "failed": ("✕", "failed"),
    "interrupted": ("!", "interrupted"),
}


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A line of the list."""

    run_id: RunId
    name: str
    state: str
    detail: str = ""


class RunsList(QWidget):
    """Runs, newest first.

    Signals:
        chosen: (RunId or None) a run was chosen; None is a new one.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = QLabel("Runs")
        title.setProperty("role", "subheading")
        title.setMinimumHeight(2 * title.fontMetrics().height())  # beside the page's heading
        self._list = QListWidget()
        self._list.setAccessibleName("Training runs")
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._list.currentRowChanged.connect(self._on_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_S)
        layout.addWidget(title)
        layout.addWidget(self._list, 1)
        self._entries: list[RunEntry] = []
        self.show_runs([], None)

    @property
    def count(self) -> int:
        return len(self._entries)

    def show_runs(self, entries: Sequence[RunEntry], chosen: RunId | None) -> None:
        """Show these runs, with one of them (or "new") chosen. Says nothing about a choice."""
        self._list.blockSignals(True)
        ids = [None, *(entry.run_id for entry in entries)]
        if [None, *(entry.run_id for entry in self._entries)] != ids or self._list.count() == 0:
            self._list.clear()
            self._list.addItem(QListWidgetItem(NEW))
            self._list.item(0).setSizeHint(QSize(0, self.fontMetrics().lineSpacing() + 2 * PADDING))
            for _ in entries:
                self._list.addItem(QListWidgetItem())
        self._entries = list(entries)
        for row, entry in enumerate(entries, 1):
            sign, word = STATE_WORDS[entry.state]
            item = self._list.item(row)
            item.setSizeHint(QSize(0, 2 * self.fontMetrics().lineSpacing() + 2 * PADDING))
            detail = entry.detail or word
            item.setText(f"{sign} {entry.name}\n    {detail}")
            item.setToolTip(plain_tip(f"{entry.name}: {word}"))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{entry.name}, {word} {entry.detail}".strip())
        self._list.setCurrentRow(ids.index(chosen) if chosen in ids else 0)
        self._list.blockSignals(False)

    def _on_row(self, row: int) -> None:
        if row >= 0:
            self.chosen.emit(None if row == 0 else self._entries[row - 1].run_id)

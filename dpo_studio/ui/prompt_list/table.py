"""The list of prompts: a table, since a table of a million rows of one height is laid out at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain, filterfalse

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from dpo_studio.core.types import PromptId
from dpo_studio.ui import theme

from .rows import ANSWERS, PROMPT, TAGS, PromptRows

_TITLE_CHARACTERS = 30
#: A selection of more runs of rows than this is held, and not shown row by row: Qt would take too long over it.
_MOST_RUNS = 2_000


class PromptTable(QTableView):
    """The prompts, several or all of which can be selected.

    Signals:
        picked: the selection, or the current prompt, is another one.
        opened: Enter or a double click on a prompt.
    """

    picked = Signal()
    opened = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = PromptRows(self)
        self._held: array[int] | None = None
        self.setModel(self.rows)
        self.setAccessibleName("Prompts")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(PROMPT, QHeaderView.ResizeMode.Stretch)
        for column in (TAGS, ANSWERS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        for one in (header, self.verticalHeader()):
            # To paint a header whose column may be selected whole, Qt asks every row: seconds for a million.
            one.setSelectionModel(QItemSelectionModel(self.rows, one))
        self.selectionModel().selectionChanged.connect(lambda *_: self._on_selected())
        self.selectionModel().currentRowChanged.connect(lambda *_: self.picked.emit())
        self.rows.modelReset.connect(self._on_selected)
        self.doubleClicked.connect(lambda _index: self.opened.emit())
        theme.notifier().changed.connect(self._on_look_changed)
        self._fit()

    # The selection: kept as ranges, since it may be of a million rows

    def selected_count(self) -> int:
        if self._held is not None:
            return len(self._held)
        return sum(bottom - top + 1 for top, bottom in self._ranges())

    def selected_ids(self) -> array[int]:
        """The ids of the selected prompts, in the list's order."""
        if self._held is not None:
            return self._held
        found = array("q")
        for top, bottom in sorted(self._ranges()):
            found.extend(self.rows.ids(top, bottom))
        return found

    def current_id(self) -> PromptId | None:
        """The prompt to read: the one with the focus, or the first that is selected."""
        index = self.currentIndex()
        ranges = self._ranges()
        if index.isValid() and (not ranges or any(top <= index.row() <= bottom for top, bottom in ranges)):
            return self.rows.id_at(index.row())
        return self.rows.id_at(min(ranges)[0]) if ranges else None

    def select(self, prompt_ids: Sequence[int]) -> None:
        """Select these prompts and go to the first; those that are not in the list are left out."""
        wanted = array("q", self.rows.in_order(prompt_ids))
        runs = self.rows.runs_of(wanted, at_most=_MOST_RUNS)
        if runs is None:
            self._hold(wanted)
        else:
            self._select(runs)
        first = next((row for row in map(self.rows.row_of, wanted) if row is not None), None)
        if first is not None:
            self.go_to(first)

    def clearSelection(self) -> None:
        had, self._held = self._held, None
        super().clearSelection()
        if had is not None:
            self.picked.emit()

    def _select(self, runs: Iterable[tuple[int, int]]) -> None:
        selection = QItemSelection()
        for top, bottom in runs:
            selection.select(self.rows.index(top, PROMPT), self.rows.index(bottom, ANSWERS))
        self.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _hold(self, wanted: array[int]) -> None:
        """Have these selected without showing which they are."""
        super().clearSelection()
        gone = set(wanted).difference(self.rows.ids(0, self.rows.rowCount()))
        self._held = array("q", filterfalse(gone.__contains__, wanted)) if gone else wanted
        self.picked.emit()

    def _on_selected(self) -> None:
        """What a person selects takes the place of what was held."""
        self._held = None
        self.picked.emit()

    def show_row(self, prompt_id: int) -> None:
        """Scroll so that a prompt can be seen, without selecting it."""
        row = self.rows.row_of(prompt_id)
        if row is not None:
            self.scrollTo(self.rows.index(row, PROMPT))

    def go_to(self, row: int) -> None:
        """Make a row the current one, without selecting it or anything else."""
        index = self.rows.index(row, PROMPT)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self.scrollTo(index)

    def remove(self, gone: Iterable[PromptId]) -> None:
        """Take prompts out of the list; the one that comes after them is the current one then."""
        first = self.currentIndex().row()
        top = self.rowAt(0)
        self.clearSelection()
        self.rows.remove(gone)
        if self.rows.rowCount():
            row = max(0, min(first, self.rows.rowCount() - 1))
            self.scrollTo(self.rows.index(max(0, min(top, self.rows.rowCount() - 1)), 0), self.ScrollHint.PositionAtTop)
            self.selectRow(row)

    def replace(self, ids: array[int]) -> None:
        """Show another list; the selection, the current prompt and the place stay where they are in it too."""
        if self.rows.begins(ids):
            self.rows.forget()
            self.rows.extend(ids[self.rows.rowCount() :])
            return
        held, kept = self._held, [self.rows.ids(*one) for one in sorted(self._ranges())]
        current, top = self.current_id(), self.rowAt(0)
        top_id = self.rows.id_at(top) if top >= 0 else None
        self.rows.replace(ids)
        runs = [self.rows.runs_of(part, at_most=_MOST_RUNS) for part in kept]
        known = [run for part in runs if part is not None for run in part]
        if held is None and None not in runs and len(known) <= _MOST_RUNS:
            self._select(known)
        else:
            self._hold(array("q", chain.from_iterable(kept)) if held is None else held)
        row = None if current is None else self.rows.row_of(current)
        if row is not None:
            self.selectionModel().setCurrentIndex(
                self.rows.index(row, PROMPT), QItemSelectionModel.SelectionFlag.NoUpdate
            )
        row = None if top_id is None else self.rows.row_of(top_id)
        if row is not None:
            self.scrollTo(self.rows.index(row, PROMPT), self.ScrollHint.PositionAtTop)

    # Events of Qt

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        ):
            self.opened.emit()
        elif event.matches(QKeySequence.StandardKey.Copy):
            event.ignore()  # the page copies whole prompts
        else:
            super().keyPressEvent(event)

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Home and End go to the first and the last prompt: a row is one thing here, and has no cells to go along."""
        last = self.rows.rowCount() - 1
        if last >= 0 and action == QAbstractItemView.CursorAction.MoveHome:
            return self.rows.index(0, PROMPT)
        if last >= 0 and action == QAbstractItemView.CursorAction.MoveEnd:
            return self.rows.index(last, PROMPT)
        return super().moveCursor(action, modifiers)

    def selectAll(self) -> None:
        """All rows as one range: Qt's own goes through them one by one."""
        last = self.rows.rowCount() - 1
        if last >= 0:
            whole = QItemSelection(self.rows.index(0, PROMPT), self.rows.index(last, ANSWERS))
            self.selectionModel().select(whole, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        left = self.viewport().width() - self._tags_width - self.columnWidth(ANSWERS)
        self.setColumnHidden(TAGS, left < self.fontMetrics().averageCharWidth() * _TITLE_CHARACTERS)

    def _ranges(self) -> list[tuple[int, int]]:
        return [(part.top(), part.bottom()) for part in self.selectionModel().selection() if part.left() == PROMPT]

    def _on_look_changed(self) -> None:
        self.rows.repaint()
        self._fit()

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        self.verticalHeader().setDefaultSectionSize(metrics.height() + 14)
        self._tags_width = metrics.horizontalAdvance("explanation, held out") + 16  # a hidden column says 0
        self.setColumnWidth(TAGS, self._tags_width)
        self.setColumnWidth(ANSWERS, metrics.horizontalAdvance("waiting 8 of 8") + 24)

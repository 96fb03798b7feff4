"""The list of prompts and how far each has come. One table for many thousands, no widget per row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from dpo_studio.core.types import Prompt, PromptId
from dpo_studio.store.prompt_states import PromptState
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.dots import Dots

PROMPT, TAGS, ANSWERS = range(3)
_HEADERS = ("Prompt", "Tags", "Answers")
_NONE = PromptState()
_TITLE_CHARACTERS = 30


def words_for(state: PromptState) -> str:
    """A prompt's state in words."""
    if not state.groups:
        return "no answers"
    if state.unfinished:
        return f"waiting {state.have} of {state.size}"
    return "ready" if state.labelled < state.ready else "labelled"


class PromptModel(QAbstractTableModel):
    """Prompts as rows: a dot and the title, tags, and the state of the answers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.prompts: list[Prompt] = []
        self._states: dict[PromptId, PromptState] = {}
        self._refused: dict[PromptId, str] = {}
        self._writing: frozenset[PromptId] = frozenset()
        self._paused = False
        self._rows: dict[PromptId, int] = {}
        self._dots = Dots()

    def fill(self, prompts: Sequence[Prompt], states: Mapping[PromptId, PromptState]) -> None:
        """Show these prompts; the selection is kept when they are the ones shown already."""
        if [p.id for p in prompts] == [p.id for p in self.prompts]:
            self._states = dict(states)
            self.repaint_states()
            return
        self.beginResetModel()
        self.prompts = list(prompts)
        self._states = dict(states)
        self._rows = {prompt.id: row for row, prompt in enumerate(self.prompts)}
        self.endResetModel()

    def set_state(self, prompt_id: PromptId, state: PromptState) -> None:
        """One prompt has come further."""
        self._states[prompt_id] = state
        self._row_changed(prompt_id)

    def set_writing(self, prompt_ids: Collection[PromptId], *, paused: bool = False) -> None:
        """The prompts that are answered now, or are held in the middle of it."""
        before, was_paused = self._writing, self._paused
        self._writing, self._paused = frozenset(prompt_ids), paused
        for prompt_id in before | self._writing if paused != was_paused else before ^ self._writing:
            self._row_changed(prompt_id)

    def set_refused(self, reasons: Mapping[PromptId, str]) -> None:
        """Prompts that could not be answered, with the reasons."""
        self._refused = dict(reasons)
        self.repaint_states()

    def repaint_states(self) -> None:
        """Colours or states are others now."""
        self._dots.clear()
        if self.prompts:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.prompts) - 1, ANSWERS))

    def row_of(self, prompt_id: PromptId) -> int | None:
        return self._rows.get(prompt_id)

    def words(self, prompt: Prompt) -> str:
        """What the list says about a prompt's answers."""
        if prompt.id in self._writing:
            return "paused" if self._paused else "writing…"
        return "refused" if prompt.id in self._refused else words_for(self._states.get(prompt.id, _NONE))

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.prompts)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole):
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole):
        prompt, column = self.prompts[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if column == PROMPT:
                return prompt.title
            return ", ".join(tags_of(prompt)) if column == TAGS else self.words(prompt)
        if role == Qt.ItemDataRole.DecorationRole and column == PROMPT:
            return self._dots.get(self._colour(self.words(prompt)), filled=self.words(prompt) != "no answers")
        if role == Qt.ItemDataRole.ForegroundRole and column != PROMPT:
            return QColor(theme.current().muted)
        if role == Qt.ItemDataRole.ToolTipRole:
            if column == ANSWERS:
                return self._refused.get(prompt.id)
            return _conversation(prompt) if column == PROMPT else None
        return None

    def _row_changed(self, prompt_id: PromptId) -> None:
        row = self._rows.get(prompt_id)
        if row is not None:
            self.dataChanged.emit(self.index(row, 0), self.index(row, ANSWERS))

    @staticmethod
    def _colour(words: str) -> str:
        look = theme.current()
        known = {"no answers": look.outline, "ready": look.accent, "labelled": look.good, "refused": look.bad}
        return known.get(words, look.warn)


class PromptTable(QTableView):
    """The prompts, several of which can be selected.

    Signals:
        picked: the ids of the selected prompts, in the list's order, and the current one or None.
    """

    picked = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.prompt_model = PromptModel(self)
        self.setModel(self.prompt_model)
        self.setAccessibleName("Prompts")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.hide()
        header.setSectionResizeMode(PROMPT, QHeaderView.ResizeMode.Stretch)
        for column in (TAGS, ANSWERS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        self.selectionModel().selectionChanged.connect(lambda *_: self._announce())
        self.prompt_model.modelReset.connect(self._announce)
        theme.notifier().changed.connect(self._on_look_changed)
        self._tagged = False
        self._fit()

    def fill(self, prompts: Sequence[Prompt], states: Mapping[PromptId, PromptState]) -> None:
        """Show these prompts; the selection stays with those that are still there."""
        kept = self.selected_ids()
        self.prompt_model.fill(prompts, states)
        if kept and not self.selectionModel().hasSelection():
            self.select(kept)
        self._tagged = any(tags_of(prompt) for prompt in prompts)
        self._make_room()

    def selected_ids(self) -> list[PromptId]:
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.prompt_model.prompts[row].id for row in rows]

    def current_id(self) -> PromptId | None:
        """The prompt whose answers are to be shown: the last one selected."""
        index = self.currentIndex()
        if index.isValid() and self.selectionModel().isRowSelected(index.row(), QModelIndex()):
            return self.prompt_model.prompts[index.row()].id
        selected = self.selected_ids()
        return selected[-1] if selected else None

    def select(self, prompt_ids: Sequence[PromptId]) -> None:
        """Select these prompts and go to the first."""
        selection = self.selectionModel()
        selection.clearSelection()
        rows = [row for row in map(self.prompt_model.row_of, prompt_ids) if row is not None]
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row in rows:
            selection.select(self.prompt_model.index(row, 0), flags)
        if rows:
            selection.setCurrentIndex(self.prompt_model.index(rows[0], 0), QItemSelectionModel.SelectionFlag.NoUpdate)
            self.scrollTo(self.prompt_model.index(rows[0], 0))

    def show_row(self, prompt_id: PromptId) -> None:
        """Scroll so that a prompt can be seen, without selecting it."""
        row = self.prompt_model.row_of(prompt_id)
        if row is not None:
            self.scrollTo(self.prompt_model.index(row, 0))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """Show tags where there are any and the titles can still be read."""
        left = self.viewport().width() - self._tags_width - self.columnWidth(ANSWERS)
        wanted = self.fontMetrics().averageCharWidth() * _TITLE_CHARACTERS
        self.setColumnHidden(TAGS, not self._tagged or left < wanted)

    def _announce(self) -> None:
        self.picked.emit(self.selected_ids(), self.current_id())

    def _on_look_changed(self) -> None:
        self.prompt_model.repaint_states()
        self._fit()

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        self.verticalHeader().setDefaultSectionSize(metrics.height() + 14)
        self._tags_width = metrics.horizontalAdvance("explanation") + 16  # a hidden column says 0
        self.setColumnWidth(TAGS, self._tags_width)
        self.setColumnWidth(ANSWERS, metrics.horizontalAdvance("waiting 8 of 8") + 12)


def tags_of(prompt: Prompt) -> tuple[str, ...]:
    """The tags to show; prompts kept for measuring say so."""
    return (*prompt.tags, "held out") if prompt.held_out else prompt.tags


def _conversation(prompt: Prompt) -> str:
    text = "\n\n".join(f"{message.role}: {message.content}" for message in prompt.messages)
    return text if len(text) < 1200 else text[:1200] + "…"

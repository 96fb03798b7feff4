"""The rows of the list: ids by the hundred thousand, and what is shown of them read when they come into sight."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import filterfalse, pairwise

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QWidget

from dpo_studio.core.types import PromptId
from dpo_studio.store import Project, prompt_search
from dpo_studio.store.prompt_search import PromptRow
from dpo_studio.ui import theme
from dpo_studio.ui.widgets.dots import Dots
from dpo_studio.ui.widgets.plain_tip import plain_tip

PROMPT, TAGS, ANSWERS = range(3)
HEADERS = ("Prompt", "Tags", "Answers")
#: So many rows are read at once, and so many are kept.
_BLOCK, _KEPT = 64, 4_096
#: Runs of rows are looked for while there are no more than so many other prompts between two of them on average.
_APART = 20

Index = QModelIndex | QPersistentModelIndex
#: What is said of a prompt in place of how far it has come, and more of it as a tip.
Remark = tuple[str, str]


def words_for(row: PromptRow) -> str:
    """How far a prompt has come, in words."""
    state = row.state
    if not state.groups:
        return "no answers"
    if state.unfinished:
        return f"waiting {state.have} of {state.size}"
    return "ready" if state.labelled < state.ready else "labelled"


def tags_for(row: PromptRow) -> str:
    """The tags of a row; prompts kept for measuring say so."""
    return ", ".join((*row.tags, "held out") if row.held_out else row.tags)


class PromptRows(QAbstractTableModel):
    """Prompts as rows. All ids are known, so the scroll bar is true; texts are read a block at a time.

    Reading a block takes a millisecond or two, whichever block it is and however many there are.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._ids = array("q")
        self._known: dict[int, PromptRow] = {}
        self._remarks: Mapping[PromptId, Remark] = {}
        self._dots = Dots()

    # What is shown

    def begin(self, project: Project | None) -> None:
        """Show nothing, to be filled by `extend`."""
        self.beginResetModel()
        self._project = project
        self._ids = array("q")
        self._known.clear()
        self.endResetModel()

    def extend(self, ids: Iterable[PromptId]) -> None:
        """These come after the ones that are shown."""
        more = array("q", ids)
        if more:
            self.beginInsertRows(QModelIndex(), len(self._ids), len(self._ids) + len(more) - 1)
            self._ids.extend(more)
            self.endInsertRows()

    def begins(self, ids: array[int]) -> bool:
        """Whether these begin with exactly those that are shown, in this order."""
        return memoryview(ids)[: len(self._ids)] == memoryview(self._ids)

    def replace(self, ids: array[int]) -> None:
        """Show these in place of the ones that are shown."""
        self.beginResetModel()
        self._ids = ids
        self._known.clear()
        self.endResetModel()

    def remove(self, gone: Iterable[PromptId]) -> None:
        """Take prompts out of the list."""
        ordered = self.in_order(gone)
        runs = self.runs_of(ordered, at_most=1)
        if runs is None:
            lost = set(ordered)
            self.replace(array("q", filterfalse(lost.__contains__, self._ids)))
        for first, last in runs or ():
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._ids[first : last + 1]
            self.endRemoveRows()

    def forget(self) -> None:
        """What is shown of the prompts is otherwise now: read it again when it is painted."""
        self._known.clear()
        self.repaint()

    def forget_one(self, prompt_id: PromptId) -> None:
        """One prompt has come further."""
        self._known.pop(prompt_id, None)
        self._repaint_one(prompt_id)

    def remark(self, remarks: Mapping[PromptId, Remark]) -> None:
        """Say something else of these prompts than how far they have come; of all others, that again."""
        before, self._remarks = self._remarks, dict(remarks)
        for prompt_id in before.keys() | self._remarks.keys():
            if before.get(prompt_id) != self._remarks.get(prompt_id):
                self._repaint_one(prompt_id)

    def repaint(self) -> None:
        """Colours are others now."""
        self._dots.clear()
        if self._ids:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._ids) - 1, ANSWERS))

    def id_at(self, row: int) -> PromptId:
        return PromptId(self._ids[row])

    def ids(self, first: int, last: int) -> array[int]:
        """The ids of the rows from `first` to `last`, both included."""
        return self._ids[first : last + 1]

    def row_of(self, prompt_id: int) -> int | None:
        """Where a prompt is in the list."""
        row = self._row_from(prompt_id)
        return row if row < len(self._ids) and self._ids[row] == prompt_id else None

    def runs_of(self, wanted: Sequence[int], *, at_most: int) -> list[tuple[int, int]] | None:
        """First and last rows of the runs in which these prompts stand; those that are not in the list are left out.

        None where they are scattered over more than `at_most` runs. Quick however many they are.

        Args:
            wanted: in the list's order.
        """
        if not len(wanted):
            return []
        begin, end = self._row_from(wanted[0]), self._row_from(wanted[-1])
        end += end < len(self._ids) and self._ids[end] == wanted[-1]
        between = self._ids[begin:end]
        if between == array("q", wanted):
            return [(begin, end - 1)]
        if len(wanted) <= at_most:
            rows = [row for row in map(self.row_of, wanted) if row is not None]
            breaks = [place for place in range(1, len(rows)) if rows[place] != rows[place - 1] + 1]
            return [(rows[first], rows[last - 1]) for first, last in pairwise([0, *breaks, len(rows)]) if last > first]
        if len(between) - len(wanted) >= at_most * _APART:
            return None
        others = set(between).difference(wanted)
        if len(others) >= at_most * _APART:
            return None
        runs, first = [], begin
        for row in sorted(row for row in map(self.row_of, others) if row is not None):
            runs += [(first, row - 1)] if row > first else []
            first = row + 1
        runs += [(first, end - 1)] if end > first else []
        return runs if len(runs) <= at_most else None

    def in_order(self, ids: Iterable[int]) -> Sequence[int]:
        """Some ids in the list's order; few of them each once, many have to be so already.

        An array of what stands in the list one after the other is returned at once.
        """
        if isinstance(ids, array) and ids and self._ids[self._row_from(ids[0]) :][: len(ids)] == ids:
            return ids
        values = list(ids)
        return sorted(set(values) if len(values) <= _KEPT else values, reverse=self._falls)

    @property
    def _falls(self) -> bool:
        """Whether ids fall through the list; else they rise. So they are looked up, not searched for."""
        return len(self._ids) > 1 and self._ids[0] > self._ids[-1]

    def _row_from(self, prompt_id: int) -> int:
        """The first row of a prompt that stands where this one does, or would, or after it."""
        if self._falls:
            return bisect_left(self._ids, -prompt_id, key=lambda one: -one)
        return bisect_left(self._ids, prompt_id)

    def row(self, number: int) -> PromptRow | None:
        """What a row shows; None where the prompt is gone by now."""
        wanted = self._ids[number]
        if wanted not in self._known and self._project is not None:
            if len(self._known) > _KEPT:
                self._known.clear()
            start = number - number % _BLOCK
            block = [PromptId(one) for one in self._ids[start : start + _BLOCK] if one not in self._known]
            self._known.update(prompt_search.rows(self._project, block))
        return self._known.get(wanted)

    def words(self, number: int) -> str:
        """How far the prompt of a row has come, or what is said in place of that."""
        row, remark = self.row(number), self._remarks.get(self.id_at(number))
        return remark[0] if remark is not None else words_for(row) if row is not None else ""

    # What Qt asks

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._ids)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole):
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole):
        if role not in _ROLES:
            return None
        row, column = self.row(index.row()), index.column()
        if row is None:
            return "no longer here" if role == Qt.ItemDataRole.DisplayRole and column == PROMPT else None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if column == PROMPT:
                return row.title + (f"  ·  {row.turns} turns" if row.turns > 1 else "")
            return tags_for(row) if column == TAGS else self.words(index.row())
        if role == Qt.ItemDataRole.DecorationRole and column == PROMPT:
            return self._dot(self.words(index.row()))
        if role == Qt.ItemDataRole.ForegroundRole and column != PROMPT:
            return QColor(theme.current().muted)
        if role == Qt.ItemDataRole.ToolTipRole and column == TAGS:
            return plain_tip(tags_for(row))
        if role == Qt.ItemDataRole.ToolTipRole and column == ANSWERS:
            return plain_tip(self._remarks.get(row.id, ("", ""))[1]) or None
        return None

    def _repaint_one(self, prompt_id: PromptId) -> None:
        row = self.row_of(prompt_id)
        if row is not None:
            self.dataChanged.emit(self.index(row, 0), self.index(row, ANSWERS))

    def _dot(self, words: str) -> QIcon:
        look = theme.current()
        known = {"no answers": look.outline, "ready": look.accent, "labelled": look.good, "refused": look.bad}
        return self._dots.get(known.get(words, look.warn), filled=words != "no answers")


_ROLES = (
    Qt.ItemDataRole.DisplayRole,
    Qt.ItemDataRole.AccessibleTextRole,
    Qt.ItemDataRole.DecorationRole,
    Qt.ItemDataRole.ForegroundRole,
    Qt.ItemDataRole.ToolTipRole,
)

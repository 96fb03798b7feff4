"""The first rows of a source as they stand, each column under what it is taken for, which is changed in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QComboBox, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from dpo_studio.core.column_meanings import JOINT
from dpo_studio.ui.widgets.plain_tip import plain_tip

#: What a column can be, in plain words.
MEANINGS: Mapping[str, str] = {
    "prompt": "Prompt",
    "input": "Text it is about",
    "messages": "Conversation",
    "system": "System prompt",
    "tags": "Tags",
    "completion": "Answer",
    "completions": "Answers",
    "chosen": "Better answer",
    "rejected": "Worse answer",
    "ranks": "Ranks",
    "group": "Comparison",
    "annotator": "Who judged",
    "annotator_kind": "Person or judge",
    "strength": "How much better",
    "note": "Note",
    "flags": "Flags",
    "confidence": "How sure",
    "held_out": "Held out",
    "finish_reasons": "How answers ended",
}
_NOT_USED = "Not used"
#: Columns past this are shown, and can be mapped in the terminal only.
_MOST_MAPPED = 40
_WIDEST_CHARACTERS, _LEAST_CHARACTERS = 36, 16


class ImportTable(QTableWidget):
    """Columns with a choice above each.

    Signals:
        mapped: a person said what a column is.
    """

    mapped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Columns of the source, and what each is")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.choices: list[QComboBox] = []
        self._columns: list[str] = []
        self._can_be: list[str] = []
        self._lists: list[list[str]] = []

    def show_source(
        self,
        columns: Sequence[str],
        cells: Sequence[Sequence[str]],
        can_be: Sequence[str],
        meanings: Mapping[str, str],
    ) -> None:
        """Show the first rows, with what each column is taken for.

        Args:
            can_be: the meanings that there are.
            meanings: the columns by meaning, as guessed or said.
        """
        same = list(columns) == self._columns and list(can_be) == self._can_be
        self._columns, self._can_be = list(columns), list(can_be)
        if not same:
            self._build()
        parts = {meaning: [name] if name in self._columns else name.split(JOINT) for meaning, name in meanings.items()}
        self._lists = [names for names in parts.values() if len(names) > 1]
        said = {name: meaning for meaning, names in parts.items() for name in names}
        for name, choice in zip(self._columns, self.choices, strict=False):
            choice.setCurrentIndex(max(choice.findData(said.get(name, "")), 0))
        self.setRowCount(1 + len(cells))
        for row, texts in enumerate(cells, start=1):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(" ".join(text.split()))
                item.setToolTip(plain_tip(text[:1000]))
                self.setItem(row, column, item)
        if not same:
            self._fit()

    def mapping(self) -> dict[str, str]:
        """The column of each meaning, "" where no column is it; several that are one list are joined."""
        found: dict[str, list[str]] = {meaning: [] for meaning in self._can_be}
        for name, choice in zip(self._columns, self.choices, strict=False):
            if choice.currentData():
                found[choice.currentData()].append(name)
        places = {name: place for names in self._lists for place, name in enumerate(names)}
        return {
            meaning: JOINT.join(sorted(names, key=lambda name: places.get(name, 0))) for meaning, names in found.items()
        }

    def _build(self) -> None:
        self.clear()
        self.choices = []
        self.setColumnCount(len(self._columns))
        self.setRowCount(1)
        self.setHorizontalHeaderLabels(self._columns)
        for column, name in enumerate(self._columns[:_MOST_MAPPED]):
            choice = QComboBox()
            choice.setAccessibleName(f"What the column {name} is")
            choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            choice.addItem(_NOT_USED, "")
            for meaning in self._can_be:
                choice.addItem(MEANINGS.get(meaning, meaning), meaning)
            choice.activated.connect(lambda _index, column=column: self._on_chosen(column))
            self.choices.append(choice)
            self.setCellWidget(0, column, choice)

    def _on_chosen(self, column: int) -> None:
        """A meaning has one column, or one list of them: what had it before has none now."""
        meaning, name = self.choices[column].currentData(), self._columns[column]
        beside = next((names for names in self._lists if name in names), [])
        for other, choice in zip(self._columns, self.choices, strict=False):
            if meaning and other != name and choice.currentData() == meaning and other not in beside:
                choice.setCurrentIndex(0)
        self.mapped.emit()

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        for row in range(self.rowCount()):
            self.setRowHeight(row, metrics.height() + (22 if row == 0 else 12))
        self.resizeColumnsToContents()
        least, widest = (metrics.averageCharWidth() * count for count in (_LEAST_CHARACTERS, _WIDEST_CHARACTERS))
        for column in range(self.columnCount()):
            wanted = self.columnWidth(column)
            choice = self.choices[column] if column < len(self.choices) else None
            own = choice.sizeHint().width() + 8 if choice is not None else 0
            self.setColumnWidth(column, min(max(wanted, least, own), max(widest, own)))
        rows = sum(self.rowHeight(row) for row in range(self.rowCount()))
        self.setFixedHeight(rows + self.horizontalHeader().sizeHint().height() + 22)

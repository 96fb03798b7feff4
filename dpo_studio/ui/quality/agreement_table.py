"""Who agrees with whom: a table of annotators, tinted by kappa; a cell leads to where the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QHeaderView, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from dpo_studio.ui import theme
from dpo_studio.ui.widgets.plain_tip import plain_tip

from .evidence import Evidence

SENTENCE = (
    "Cohen's kappa of each two annotators: how far they judge pairs alike beyond chance. 0 is chance, 1 is always."
    " Open a cell to see where they differ."
)


class AgreementTable(QFrame):
    """A card with the table.

    Signals:
        wanted: (Evidence) the comparisons on which two annotators differ were asked for.
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._pairs: Sequence[Mapping[str, Any]] = ()
        title = QLabel("Agreement between annotators")
        title.setProperty("role", "subheading")
        sentence = QLabel(SENTENCE)
        sentence.setProperty("role", "muted")
        sentence.setWordWrap(True)
        self.table = QTableWidget()
        self.table.setAccessibleName("Agreement between annotators")
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.cellActivated.connect(self._on_opened)
        self.table.cellClicked.connect(self._on_opened)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        layout.setSpacing(4)
        layout.addWidget(title)
        layout.addWidget(sentence)
        layout.addWidget(self.table)
        layout.addStretch(1)
        theme.notifier().changed.connect(self._fill)

    def show_pairs(self, pairs: Sequence[Mapping[str, Any]]) -> None:
        """Show the kappas of these pairs of annotators."""
        self._pairs = pairs
        self._fill()

    def _fill(self) -> None:
        names = sorted({name for pair in self._pairs for name in pair["annotators"]})
        self.table.setRowCount(len(names))
        self.table.setColumnCount(len(names))
        self.table.setHorizontalHeaderLabels(names)
        self.table.setVerticalHeaderLabels(names)
        place = {name: number for number, name in enumerate(names)}
        for number in range(len(names)):
            self.table.setItem(number, number, _cell("", ""))
        for pair in self._pairs:
            first, second = pair["annotators"]
            words = _words(pair)
            for row, column in ((place[first], place[second]), (place[second], place[first])):
                cell = _cell(_text(pair), words)
                if pair["kappa"] is not None:
                    cell.setBackground(_tint(pair["kappa"]))
                self.table.setItem(row, column, cell)
        height = self.table.horizontalHeader().sizeHint().height() + 4
        height += sum(self.table.rowHeight(number) for number in range(min(len(names), 8)))
        self.table.setFixedHeight(height + 8)

    def _on_opened(self, row: int, column: int) -> None:
        names = {
            header.text()
            for header in (self.table.horizontalHeaderItem(column), self.table.verticalHeaderItem(row))
            if header is not None
        }
        for pair in self._pairs:
            if set(pair["annotators"]) == names and pair["groups"]:
                first, second = pair["annotators"]
                self.wanted.emit(Evidence(f"{first} and {second} differ", tuple(pair["groups"])))


def _cell(text: str, words: str) -> QTableWidgetItem:
    cell = QTableWidgetItem(text)
    cell.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
    cell.setToolTip(plain_tip(words))
    cell.setData(Qt.ItemDataRole.AccessibleTextRole, words)
    return cell


def _text(pair: Mapping[str, Any]) -> str:
    return "–" if pair["kappa"] is None else f"{pair['kappa']:.2f}"


def _words(pair: Mapping[str, Any]) -> str:
    alike = f"{' and '.join(pair['annotators'])}: {pair['same']:,} of {pair['pairs']:,} pairs judged alike"
    if pair["kappa"] is None:
        return f"{alike}; too few for kappa"
    low, high = pair["kappa_interval"]
    return f"{alike}; kappa {pair['kappa']:.2f}, 95% interval {low:.2f} to {high:.2f}"


def _tint(kappa: float) -> QColor:
    """The colour of bad for none, of good for full agreement, faint, so that the number stays readable on it."""
    look = theme.current()
    colour = QColor(look.good if kappa >= 0.4 else look.bad)
    colour.setAlphaF(0.08 + 0.27 * min(1.0, abs(kappa - 0.4) / 0.6))
    return colour

"""Whose rankings are taken: people's alone, or a judge's too. Not there where no judge has ranked anything."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from dpo_studio.store.rankings import ALL_JUDGES
from dpo_studio.ui import theme

_LONGEST_NAME = 28


class JudgesChoice(QWidget):
    """A label and a list; `value` is what `rankings.labelled` takes as `judges`.

    Signals:
        changed: another choice.
    """

    changed = Signal()

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QComboBox()
        self.box.setAccessibleName(title)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.box.setMinimumContentsLength(_LONGEST_NAME)
        self.box.setToolTip("A judge's ranking is taken for comparisons that no person has judged")
        label = QLabel(title)
        label.setBuddy(self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_M)
        row.addWidget(label)
        row.addWidget(self.box)
        row.addStretch(1)
        self.show_judges({})
        self.box.currentIndexChanged.connect(self.changed)

    @property
    def value(self) -> str:
        """An empty text for people alone, a judge's name, or ALL_JUDGES."""
        return str(self.box.currentData())

    def show_judges(self, judges: Mapping[str, int]) -> None:
        """Offer these judges, with how many groups each has ranked. A choice that is gone becomes people's alone."""
        before = self.box.currentData()
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItem("people's labels only", "")
        if len(judges) > 1:
            self.box.addItem("people's, and every judge's where there is none", ALL_JUDGES)
        for name, number in judges.items():
            short = name if len(name) <= 2 * _LONGEST_NAME else f"{name[: 2 * _LONGEST_NAME]}…"
            self.box.addItem(f"people's, and {short} ({number:,})", name)
        self.box.setCurrentIndex(max(self.box.findData(before), 0))
        self.box.blockSignals(False)
        self.setVisible(bool(judges))
        if before is not None and before != self.box.currentData():
            self.changed.emit()

"""Prompts that are alike, set by set, with the whole text of the one that is marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core.types import Prompt, PromptId
from dpo_studio.store import Project, prompts
from dpo_studio.ui import theme

from .evidence import Evidence

#: Sets that are read at once; "More" reads the next ones.
AT_ONCE = 200


class PromptSets(QWidget):
    """Shows sets of prompts, the first one of each with those like it below.

    Signals:
        closed: back to the report.
        mend_wanted: what the button offers for these sets is to be done.

    Attributes:
        sets: what is shown, by id; some of them may have gone.
    """

    closed = Signal()
    mend_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self.sets: Sequence[Sequence[PromptId]] = ()
        self._read = 0
        self._build()

    def show_sets(self, project: Project, behind: Evidence, *, mend: str = "", means: str = "") -> None:
        """List these sets of prompts.

        Args:
            mend, means: the text of a button for all of them, and what it does; none without a text.
        """
        self._project = project
        self.sets = [[PromptId(one) for one in ids] for ids in behind.prompts]
        self._read = 0
        self.sentence.setText(behind.sentence)
        self.mend.setText(mend)
        self.mend.setToolTip(means)
        self.mend.setAccessibleDescription(means)
        self.mend.setVisible(bool(mend))
        self.tree.clear()
        self.read_more()
        if self.tree.topLevelItemCount():
            self.tree.setCurrentItem(self.tree.topLevelItem(0))

    def read_more(self) -> None:
        """Add the next sets to the list."""
        assert self._project is not None
        sets = self.sets[self._read : self._read + AT_ONCE]
        self._read += len(sets)
        found = prompts.get_many(self._project, [one for ids in sets for one in ids])
        for ids in sets:
            members = [found[one] for one in ids if one in found]
            if not members:
                continue
            top = _item(members[0])
            self.tree.addTopLevelItem(top)
            for member in members[1:]:
                top.addChild(_item(member))
            top.setExpanded(True)
        left = len(self.sets) - self._read
        self.more.setVisible(left > 0)
        self.more.setText(f"Show more ({left:,} left)")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _build(self) -> None:
        back = QPushButton("Back to the report")
        back.setAccessibleName("Back to the report")
        back.clicked.connect(self.closed)
        self.sentence = QLabel()
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setProperty("role", "subheading")
        self.sentence.setWordWrap(True)
        self.mend = QPushButton()
        self.mend.clicked.connect(self.mend_wanted)
        self.more = QPushButton()
        self.more.setProperty("role", "link")
        self.more.clicked.connect(self.read_more)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Prompts that are alike")
        self.tree.setHeaderLabels(["Prompt", "From", "Used for"])
        self.tree.setUniformRowHeights(True)
        self.tree.setAllColumnsShowFocus(True)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.currentItemChanged.connect(self._show_text)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("The whole prompt")
        list_side = QWidget()
        column = QVBoxLayout(list_side)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree, 1)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(list_side)
        splitter.addWidget(self.text)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_M)
        top.addWidget(back, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.sentence, 1)
        top.addWidget(self.mend, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(top)
        layout.addWidget(splitter, 1)
        self.setFocusProxy(self.tree)

    def _show_text(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            prompt: Prompt = item.data(0, Qt.ItemDataRole.UserRole)
            self.text.setPlainText("\n\n".join(f"{one.role}: {one.content}" for one in prompt.messages))


def _item(prompt: Prompt) -> QTreeWidgetItem:
    item = QTreeWidgetItem([prompt.title, prompt.source, "held out" if prompt.held_out else "training"])
    item.setToolTip(0, prompt.title)
    item.setData(0, Qt.ItemDataRole.UserRole, prompt)
    return item

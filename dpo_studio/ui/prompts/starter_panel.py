"""The starter set: prompts by theme to begin with, of which one takes what suits."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem, QWidget

from dpo_studio.core import starter_prompts
from dpo_studio.core.types import Conversation
from dpo_studio.ui import theme

from .panel import Panel, counted

_CONVERSATION, _TAGS, _KNOWN = (Qt.ItemDataRole.UserRole + number for number in range(3))


class StarterPanel(Panel):
    """Themes with their prompts; Space ticks a theme or one of its prompts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Starter prompts", parent)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Starter prompts by theme")
        self.tree.setHeaderHidden(True)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setUniformRowHeights(True)
        self.tree.setStyleSheet("QTreeView::item { padding: 4px 0; }")
        self.body.addWidget(self.tree, 1)
        for subject in starter_prompts.themes():
            parent_item = QTreeWidgetItem([f"{subject.name}  ·  {subject.about}"])
            flags = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsAutoTristate
            parent_item.setFlags(parent_item.flags() | flags)
            parent_item.setCheckState(0, Qt.CheckState.Unchecked)
            self.tree.addTopLevelItem(parent_item)
            for conversation in subject.prompts:
                item = QTreeWidgetItem([_line(conversation)])
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(0, Qt.CheckState.Unchecked)
                item.setData(0, _CONVERSATION, conversation)
                item.setData(0, _TAGS, (subject.tag,))
                item.setToolTip(0, "\n\n".join(f"{m.role}: {m.content}" for m in conversation))
                parent_item.addChild(item)
        self.tree.itemChanged.connect(lambda *_: self._count())
        self._count()

    @property
    def source(self) -> str:
        return "starter set"

    def rows(self) -> list[tuple[Conversation, tuple[str, ...]]]:
        return [
            (item.data(0, _CONVERSATION), item.data(0, _TAGS))
            for item in self._leaves()
            if item.checkState(0) == Qt.CheckState.Checked and not item.data(0, _KNOWN)
        ]

    def every_row(self) -> list[Conversation]:
        """All prompts of the set, ticked or not, in the order of the list."""
        return [item.data(0, _CONVERSATION) for item in self._leaves()]

    def begin(self) -> None:
        if self.tree.currentItem() is None:
            self.tree.setCurrentItem(self.tree.topLevelItem(0))
        self.tree.setFocus()
        self.check_wanted.emit()

    def done(self) -> None:
        for number in range(self.tree.topLevelItemCount()):
            self.tree.topLevelItem(number).setCheckState(0, Qt.CheckState.Unchecked)

    def show_known(self, known: set[int], alike: str = "") -> None:
        """Of `every_row()`, those that are in the project already."""
        muted, usual = QColor(theme.current().muted), QColor(theme.current().text)
        self.tree.blockSignals(True)
        for place, item in enumerate(self._leaves()):
            item.setData(0, _KNOWN, place in known)
            words = _line(item.data(0, _CONVERSATION))
            item.setText(0, f"{words}  ·  in the project already" if place in known else words)
            item.setForeground(0, muted if place in known else usual)
        self.tree.blockSignals(False)
        self.tree.viewport().update()
        self._count()

    def _leaves(self) -> list[QTreeWidgetItem]:
        parents = [self.tree.topLevelItem(number) for number in range(self.tree.topLevelItemCount())]
        return [parent.child(number) for parent in parents for number in range(parent.childCount())]

    def _count(self) -> None:
        count = len(self.rows())
        self.accept_button.setText(f"Add {counted(count)}" if count else "Add prompts")
        self.accept_button.setEnabled(count > 0)
        self.say("" if count else "Tick the themes, or single prompts, that suit your project.")


def _line(conversation: Conversation) -> str:
    turns = sum(message.role != "system" for message in conversation)
    beyond = f"  ·  {turns} turns" if turns > 1 else ""
    beyond += "  ·  system prompt" if conversation[0].role == "system" else ""
    return " ".join(conversation[-1].content.split()) + beyond

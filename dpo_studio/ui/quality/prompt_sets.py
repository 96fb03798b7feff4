"""Prompts that are alike, set by set, with the whole text of the one that is marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QTreeWidgetItem, QWidget

from dpo_studio.core.types import Prompt, PromptId
from dpo_studio.store import Project, prompts

from .evidence import Evidence
from .evidence_list import EvidenceList, row


class PromptSets(EvidenceList):
    """Shows sets of prompts, the first one of each with those like it below.

    Signals:
        mend_wanted: what the button offers for these sets is to be done.
        wanted: (ids, sentence) these prompts are to be listed on Prompts.

    Attributes:
        sets: what is shown, by id; some of them may have gone.
    """

    mend_wanted = Signal()
    wanted = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.mend = QPushButton()
        self.listing = QPushButton("Open all of them in Prompts")
        super().__init__(
            name="Prompts that are alike",
            headers=("Prompt", "From", "Used for"),
            text_name="The whole prompt",
            buttons=[self.mend, self.listing],
            parent=parent,
        )
        self.mend.clicked.connect(self.mend_wanted)
        self.listing.clicked.connect(self.open_all)
        self._project: Project | None = None
        self.sets: Sequence[Sequence[PromptId]] = ()

    def show_sets(self, project: Project, behind: Evidence, *, mend: str = "", means: str = "") -> None:
        """List these sets of prompts.

        Args:
            mend, means: the text of a button for all of them, and what it does; none without a text.
        """
        self._project = project
        self.sets = [[PromptId(one) for one in ids] for ids in behind.prompts]
        self.mend.setText(mend)
        self.mend.setToolTip(means)
        self.mend.setAccessibleDescription(means)
        self.mend.setVisible(bool(mend))
        self.show_all(behind.sentence, self.sets)

    def add_rows(self, some: Sequence[Sequence[PromptId]]) -> None:
        assert self._project is not None
        found = prompts.get_many(self._project, [one for ids in some for one in ids])
        for ids in some:
            members = [found[one] for one in ids if one in found]
            if members:
                top = _item(members[0])
                self.tree.addTopLevelItem(top)
                top.addChildren([_item(member) for member in members[1:]])
                top.setExpanded(True)

    def text_of_row(self, data: Prompt) -> str:
        return "\n\n".join(f"{one.role}: {one.content}" for one in data.messages)

    def open_all(self) -> None:
        """List all of them on Prompts."""
        self.wanted.emit([one for ids in self.sets for one in ids], self.sentence.text())

    def open_marked(self) -> None:
        """List the set of the marked one on Prompts."""
        if self.marked is not None:
            ids = next(ids for ids in self.sets if self.marked.id in ids)
            self.wanted.emit(list(ids), "These prompts are nearly the same")


def _item(prompt: Prompt) -> QTreeWidgetItem:
    return row([prompt.title, prompt.source, "held out" if prompt.held_out else "training"], prompt)

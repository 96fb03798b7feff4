"""The labels behind a warning, the answers of the one that is marked, and the ways into Label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QTreeWidgetItem, QWidget

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.local_day import local_day
from dpo_studio.core.types import CompletionId, Group, GroupId, Ranking
from dpo_studio.store import Project, completions, rankings
from dpo_studio.ui.label.session import described

from .evidence import Evidence
from .evidence_list import EvidenceList, row

_HEADERS = ("Prompt", "Label", "By", "Seconds", "Day")


class LabelList(EvidenceList):
    """Shows the labels of some groups.

    Signals:
        wanted: (ids, sentence) go through these groups in Label, the first of them first.
    """

    wanted = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.through = QPushButton()
        self.through.setProperty("role", "primary")
        super().__init__(
            name="Labels",
            headers=_HEADERS,
            text_name="Prompt and answers, the best first",
            buttons=[self.through],
            parent=parent,
        )
        self.tree.setRootIsDecorated(False)
        self.through.clicked.connect(self.go_through)
        self._project: Project | None = None
        self._ids: Sequence[GroupId] = ()
        self._own: Sequence[GroupId] = ()
        self._only: frozenset[int] = frozenset()
        self._groups: dict[GroupId, Group] = {}

    def show_labels(self, project: Project, behind: Evidence, own: Sequence[int] = ()) -> None:
        """List the labels that are meant, where they stand still.

        Args:
            own: the groups of those that are the person's own, where there are others' too.
        """
        self._project, self._ids = project, [GroupId(one) for one in behind.groups]
        self._own = [GroupId(one) for one in own]
        self._only = frozenset(behind.rankings)
        self._groups = {}
        number, whose = len(self._own or self._ids), "your" if self._own else "the"
        self.through.setText("Look at it in Label" if number == 1 else f"Go through {whose} {number:,} in Label")
        self.through.setEnabled(number > 0)
        self.show_all(behind.sentence, self._ids)

    def add_rows(self, some: Sequence[GroupId]) -> None:
        assert self._project is not None
        self._groups.update({group.id: group for group in completions.get_groups(self._project, some)})
        for ranking in rankings.of_groups(self._project, some):
            if not self._only or ranking.id in self._only:
                self.tree.addTopLevelItem(_item(self._groups[ranking.group_id], ranking))

    def text_of_row(self, data: Ranking) -> str:
        return text_of(self._groups[data.group_id], data)

    def go_through(self) -> None:
        """The person's own of them in Label, or else all of them, from the first."""
        self.wanted.emit(list(self._own or self._ids), self.sentence.text())

    def open_marked(self) -> None:
        """The marked one in Label, and those after it."""
        if self.marked is not None:
            group_id = self.marked.group_id
            ids = self._own if group_id in self._own else self._ids
            place = ids.index(group_id)
            self.wanted.emit([*ids[place:], *ids[:place]], self.sentence.text())


def text_of(group: Group, ranking: Ranking) -> str:
    """The prompt's last turn, then the answers from best to worst with their ranks and lengths."""
    places = _places(ranking.ranks)
    parts = [group.prompt.messages[-1].content]
    for completion in sorted(group.completions, key=lambda one: places.get(one.id, len(places) + 1)):
        rank = ranking.ranks.get(completion.id)
        head = "not ranked" if rank is None else f"rank {rank}"
        parts.append(f"— {head}, {len(completion.text):,} characters —\n{completion.text}")
    if ranking.note:
        parts.append(f"Note: {ranking.note}")
    return "\n\n".join(parts)


def _places(ranks: Mapping[CompletionId, int | None]) -> dict[CompletionId, int]:
    """Each completion's place from the best on; ties share one, the unranked stand last."""
    keys = list(ranks)
    buckets = weak_orders.buckets([ranks[key] for key in keys])
    return {keys[position]: place for place, bucket in enumerate(buckets) for position in bucket}


def _item(group: Group, ranking: Ranking) -> QTreeWidgetItem:
    by = f"{ranking.annotator} (judge)" if ranking.annotator_kind == "judge" else ranking.annotator
    seconds = "" if ranking.seconds is None else f"{ranking.seconds:.1f}"
    item = row([group.prompt.title, described(ranking), by, seconds, local_day(ranking.created)], ranking)
    item.setTextAlignment(3, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item

"""The labels behind a warning: a list, the answers of the one that is marked, and the ways into Label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.types import CompletionId, Group, GroupId, Ranking
from dpo_studio.store import Project, completions, rankings
from dpo_studio.ui import theme
from dpo_studio.ui.label.session import described

from .evidence import Evidence

#: Groups that are read at once; "More" reads the next ones.
AT_ONCE = 200
_HEADERS = ("Prompt", "Label", "By", "Seconds", "Day")


class LabelList(QWidget):
    """Shows the labels of some groups.

    Signals:
        closed: back to the report.
        wanted: (ids, sentence) go through these groups in Label, the first of them first.
    """

    closed = Signal()
    wanted = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._ids: Sequence[GroupId] = ()
        self._read = 0
        self._own: Sequence[GroupId] = ()
        self._only: frozenset[int] = frozenset()
        self._groups: dict[GroupId, Group] = {}
        self._build()

    def show_labels(self, project: Project, behind: Evidence, own: Sequence[int] = ()) -> None:
        """List the labels that are meant, where they stand still.

        Args:
            own: the groups of those that are the person's own, where there are others' too.
        """
        self._own = [GroupId(one) for one in own]
        self._project, self._ids, self._read = project, [GroupId(one) for one in behind.groups], 0
        self._only = frozenset(behind.rankings)
        self._groups = {}
        self.sentence.setText(behind.sentence)
        self.tree.clear()
        self.read_more()
        if self.tree.topLevelItemCount():
            self.tree.setCurrentItem(self.tree.topLevelItem(0))
        else:
            self.answers.setPlainText("")

    def read_more(self) -> None:
        """Add the next of them to the list."""
        assert self._project is not None
        ids = self._ids[self._read : self._read + AT_ONCE]
        self._read += len(ids)
        self._groups.update({group.id: group for group in completions.get_groups(self._project, ids)})
        for ranking in rankings.of_groups(self._project, ids):
            if self._only and ranking.id not in self._only:
                continue
            self.tree.addTopLevelItem(_item(self._groups[ranking.group_id], ranking))
        left = len(self._ids) - self._read
        self.more.setVisible(left > 0)
        self.more.setText(f"Show more ({left:,} left)")
        number, whose = len(self._own or self._ids), "your" if self._own else "the"
        self.through.setText("Look at it in Label" if number == 1 else f"Go through {whose} {number:,} in Label")
        self.through.setEnabled(number > 0)

    def go_through(self) -> None:
        """The person's own of them in Label, or else all of them, from the first."""
        self.wanted.emit(list(self._own or self._ids), self.sentence.text())

    def open_marked(self) -> None:
        """The marked one in Label, and those after it."""
        item = self.tree.currentItem()
        if item is not None:
            group_id = item.data(0, Qt.ItemDataRole.UserRole).group_id
            ids = self._own if group_id in self._own else self._ids
            place = ids.index(group_id)
            self.wanted.emit([*ids[place:], *ids[:place]], self.sentence.text())

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
        self.through = QPushButton()
        self.through.setProperty("role", "primary")
        self.through.clicked.connect(self.go_through)
        self.more = QPushButton()
        self.more.setProperty("role", "link")
        self.more.clicked.connect(self.read_more)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Labels")
        self.tree.setHeaderLabels(_HEADERS)
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setAllColumnsShowFocus(True)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.currentItemChanged.connect(self._show_answers)
        self.tree.itemActivated.connect(lambda _item, _column: self.open_marked())
        self.answers = QPlainTextEdit()
        self.answers.setReadOnly(True)
        self.answers.setTabChangesFocus(True)
        self.answers.setAccessibleName("Prompt and answers, the best first")
        list_side = QWidget()
        column = QVBoxLayout(list_side)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree, 1)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(list_side)
        splitter.addWidget(self.answers)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_M)
        top.addWidget(back, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.sentence, 1)
        top.addWidget(self.through, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_L)
        layout.setSpacing(theme.SPACE_M)
        layout.addLayout(top)
        layout.addWidget(splitter, 1)
        self.setFocusProxy(self.tree)

    def _show_answers(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            ranking = item.data(0, Qt.ItemDataRole.UserRole)
            self.answers.setPlainText(text_of(self._groups[ranking.group_id], ranking))


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
    item = QTreeWidgetItem([group.prompt.title, described(ranking), by, seconds, ranking.created[:10]])
    item.setTextAlignment(3, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setToolTip(0, group.prompt.title)
    item.setData(0, Qt.ItemDataRole.UserRole, ranking)
    return item

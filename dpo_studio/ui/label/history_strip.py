"""The strip of the last labels: one small button each, newest first, as many as fit."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from dpo_studio.core.types import Group, GroupId, Policy, Ranking
from dpo_studio.store import Project, completions, policies, rankings

from . import writers
from .session import described

_MOST, _LEAST_WIDTH, _CHARACTERS, _GAP, _PADDING = 14, 160, 18, 4, 4


class HistoryStrip(QFrame):
    """What was labelled last.

    Signals:
        wanted: (Ranking) a label was clicked, to be seen and changed.
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "strip")
        self.setAccessibleName("Last labels")
        self._title = QLabel("Last labels")
        self._title.setProperty("role", "muted")
        self._none = QLabel("Your labels appear here; click one to see it again and change it.")
        self._none.setProperty("role", "muted")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, _PADDING, _PADDING, _PADDING)
        layout.setSpacing(_GAP)
        layout.addWidget(self._title)
        layout.addSpacing(8)
        layout.addWidget(self._none)
        self.buttons: list[QPushButton] = []
        for number in range(_MOST):
            button = QPushButton()
            button.setProperty("role", "ghost")
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _checked, place=number: self._on_clicked(place))
            button.hide()
            layout.addWidget(button)
            self.buttons.append(button)
        layout.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.rankings: list[Ranking] = []
        self._is_low = False
        self._groups: dict[GroupId, Group] = {}

    def refresh(self, project: Project | None) -> None:
        """Read the last labels from the store."""
        self.rankings = rankings.recent(project, limit=_MOST) if project is not None else []
        if project is not None:
            self._read_groups(project)
            names = {policy.id: policy for policy in policies.all_policies(project)}
            for button, ranking in zip(self.buttons, self.rankings, strict=False):
                self._fill(button, ranking, self._groups.get(ranking.group_id), names)
        self._show_what_fits()

    def mark(self, ranking: Ranking | None) -> None:
        """Show which label is on screen again."""
        for button, shown in zip(self.buttons, self.rankings, strict=False):
            button.setChecked(ranking is not None and shown.id == ranking.id)

    def set_low(self, low: bool) -> None:
        """Tell the orders alone, where there is little room; which prompt each is of is in its tool tip."""
        self._is_low = low
        for button in self.buttons:
            order, _, rest = button.text().partition("\n")
            button.setText(order if low else f"{order}\n{rest or button.property('title') or ''}")
        self._show_what_fits()

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_what_fits()

    def _show_what_fits(self) -> None:
        self._none.setVisible(not self.rankings)
        lines = 1 if self._is_low else 2
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 2 * _PADDING + 22)
        room = self.width() - self._title.sizeHint().width() - 26
        width = self._button_width()
        fits = min(len(self.rankings), max(1, room // (width + _GAP)))
        for number, button in enumerate(self.buttons):
            button.setFixedWidth(width)
            button.setVisible(number < fits)

    def _button_width(self) -> int:
        return max(_LEAST_WIDTH, _CHARACTERS * self.fontMetrics().averageCharWidth())

    def _read_groups(self, project: Project) -> None:
        wanted = [ranking.group_id for ranking in self.rankings]
        missing = [group_id for group_id in wanted if group_id not in self._groups]
        self._groups.update({group.id: group for group in completions.get_groups(project, missing)})
        self._groups = {group_id: self._groups[group_id] for group_id in wanted if group_id in self._groups}

    def _fill(self, button: QPushButton, ranking: Ranking, group: Group | None, names: dict[int, Policy]) -> None:
        words = described(ranking)
        title = "" if group is None else group.prompt.title
        room = self._button_width() - 26
        elided = button.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, room)
        order = button.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, room)
        elided, order = elided.replace("&", "&&"), order.replace("&", "&&")
        button.setProperty("title", elided)
        button.setText(order if self._is_low else f"{order}\n{elided}")
        button.setAccessibleName(f"Label {words} on {title}")
        button.setToolTip(_facts(ranking, group, names))

    def _on_clicked(self, place: int) -> None:
        if place < len(self.rankings):
            self.wanted.emit(self.rankings[place])


def _facts(ranking: Ranking, group: Group | None, names: dict[int, Policy]) -> str:
    """What is told about a label once it is given: the words, the time, and which model wrote what."""
    lines = [described(ranking) + ("  (much better)" if ranking.strength > 1 else "")]
    if ranking.seconds is not None:
        lines.append(f"{ranking.seconds:.1f} s")
    if ranking.flags:
        lines.append(", ".join(ranking.flags))
    if ranking.note:
        lines.append(f"Note: {ranking.note}")
    by_id = {completion.id: completion for completion in group.completions} if group else {}
    for number, completion_id in enumerate(ranking.presented, 1):
        completion = by_id.get(completion_id)
        if completion is not None:
            lines.append(f"{number}: {writers.described(completion, names)}")
    return "\n".join(lines)

"""Merging another copy of the open project: which folder, whose labels, and what came of it.

The merge itself is the command `merge` in a child process, a job of the window: all or nothing, and the other copy is
only read.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.jobs.command import CommandRefused

from . import theme
from .context import Context
from .exchange.commands import Commands
from .merge_job import MergeJob
from .overlay import Overlay


class Merging(QObject):
    """What the action "Merge another copy…" does.

    Args:
        action: in the menu; enabled while a project is open and nothing is being merged.
        window: what dialogs and the question about names belong to.
    """

    def __init__(self, context: Context, action: QAction, window: QWidget) -> None:
        super().__init__(window)
        self._context, self._action, self._window = context, action, window
        self.commands = Commands(self)
        self.question: NameQuestion | None = None
        self._other = Path()
        self._into: Path | None = None
        action.triggered.connect(lambda _checked=False: self.ask())

    def ask(self) -> None:
        """Let the person choose the other copy's folder."""
        project = self._context.project
        if project is None or self._into is not None:
            return
        start = str(project.folder.parent)
        name = QFileDialog.getExistingDirectory(self._window, "The other copy of this project", start)
        if name:
            self.merge(Path(name))

    def merge(self, other: Path, *, other_name: str = "") -> None:
        """Merge a folder into the open project.

        Args:
            other_name: who the other copy's annotator is here; "" keeps the name, and asks where both have one name.
        """
        project = self._context.project
        if project is None or self._into is not None:
            return
        self._other, self._into = other, project.folder
        self._action.setEnabled(False)
        job = MergeJob(self.commands, project.folder, other, other_name)
        job.ended.connect(lambda: self._on_ended(job))
        self._context.say(f"Merging {other}… You can go on labelling.")
        self._context.jobs.submit(job)

    def _on_ended(self, job: MergeJob) -> None:
        from dpo_studio.store.merging import Merged

        if not self._is_over():
            return
        context, error = self._context, job.problem
        if job.answer is not None:
            for news in (
                context.prompts_changed,
                context.policies_changed,
                context.groups_changed,
                context.rankings_changed,
            ):
                news.emit()
            context.say(Merged(**job.answer).sentence())
        elif self._is_decided():
            context.unsettled.emit()
            if job.cancelled:
                context.say("It was too late to stop: what is new is being written in the background.")
        elif job.cancelled:
            context.say("Merging was stopped: nothing was merged.")
        elif isinstance(error, CommandRefused) and "annotator" in error.more:
            self._ask_whose(str(error.more["annotator"]))
        elif isinstance(error, UserError):
            context.complain(error)
        elif error is not None:
            raise error

    def _is_over(self) -> bool:
        """Note that the merge has ended; whether its project is still the one that is open."""
        project, into = self._context.project, self._into
        self._into = None
        self._action.setEnabled(project is not None)
        return project is not None and project.folder == into

    def _is_decided(self) -> bool:
        """Whether the merge ended while it was written, so that the rest of it is still to come."""
        from dpo_studio.store.settling import is_settled

        assert self._context.project is not None
        return not is_settled(self._context.project)

    def _ask_whose(self, name: str) -> None:
        if self.question is None:
            parent = self._window.centralWidget() if hasattr(self._window, "centralWidget") else self._window
            self.question = NameQuestion(parent)
            self.question.answered.connect(lambda who: self.merge(self._other, other_name=who))
        self.question.ask(name, self._other)


class NameQuestion(Overlay):
    """Whose labels the other copy's are, where both copies label under one name.

    Signals:
        answered: (name) who made them.
    """

    answered = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._name = ""
        self.setAccessibleName("Whose labels are these?")
        heading = QLabel("Whose labels are these?")
        heading.setProperty("role", "heading")
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.field = QLineEdit()
        self.field.setAccessibleName("Name of the person who labelled in the other copy")
        self.field.setPlaceholderText("their name")
        self.field.textChanged.connect(self._on_text)
        self.merge_button = QPushButton("Merge under this name")
        self.merge_button.setProperty("role", "primary")
        self.mine_button = QPushButton("They are mine too")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Esc")
        self.merge_button.clicked.connect(self._on_merge)
        self.field.returnPressed.connect(self._on_merge)
        self.mine_button.clicked.connect(lambda: self._answer(self._name))
        self.cancel_button.clicked.connect(self.close_overlay)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_M)
        row.addWidget(self.cancel_button)
        row.addStretch(1)
        row.addWidget(self.mine_button)
        row.addWidget(self.merge_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        column.setSpacing(theme.SPACE_M)
        for widget in (heading, self.told, self.field):
            column.addWidget(widget)
        column.addLayout(row)

    def ask(self, name: str, other: Path) -> None:
        """Ask whose the labels in the other folder are, which both copies have under this name."""
        self._name = name
        self.told.setText(
            f"Both copies hold labels by “{name}”. If another person made those in {other}, give their name, and each"
            " of you is told apart from now on. If they are yours as well, the later label on a comparison counts."
        )
        self.field.clear()
        self._on_text("")
        self.open(self.field)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return  # the field's own; Enter must not reach the page
        super().keyPressEvent(event)

    def _on_focus_changed(self, _before: QWidget | None, _after: QWidget | None) -> None:
        """Stay: a question that goes at a click beside it would leave the merge undone without a word."""

    def _on_text(self, text: str) -> None:
        self.merge_button.setEnabled(bool(text.strip()) and text.strip() != self._name)

    def _on_merge(self) -> None:
        if self.merge_button.isEnabled():
            self._answer(self.field.text().strip())

    def _answer(self, name: str) -> None:
        self.close_overlay()
        self.answered.emit(name)

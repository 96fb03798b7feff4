"""The Quality page: what the labels are worth, and the way from each warning to the labels behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence, QShowEvent
from PySide6.QtWidgets import QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core import report_words as wording
from dpo_studio.core.errors import UserError
from dpo_studio.store import annotators, rankings
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.first_step import first_step
from dpo_studio.ui.page import KeyHelp, Page

from .evidence import Evidence
from .label_list import LabelList
from .mending import ARCHIVE, TRAINING, Mending
from .prompt_sets import PromptSets
from .reader import Reader
from .report_view import ReportView

#: What an empty page says, and the text and the page of its button.
NO_PROJECT = ("Open a project to see what its labels are worth.", "", "")
NOTHING_YET = "There is nothing to look at yet: "


class QualityPage(Page):
    """The page of the rail. The report is made by a child process, when the page is looked at and labels changed."""

    name = "quality"
    title = "Quality"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self.reader = Reader(self)
        self.reader.changed.connect(self._show_reader)
        self._shown: object = None
        self._read_at = ""
        self._mending: Mending | None = None
        self._offer = ARCHIVE
        context.project_changed.connect(self._on_project_changed)
        for signal in (context.rankings_changed, context.groups_changed, context.prompts_changed):
            signal.connect(self._on_rows_changed)
        self._open()

    # What the window asks

    def build(self) -> None:
        self.view = ReportView()
        self.view.read_asked.connect(self.reader.read)
        self.view.stop_asked.connect(self.reader.stop)
        self.view.wanted.connect(self.show_evidence)
        self.view.label_asked.connect(lambda: self.context.page_wanted.emit("label"))
        self.labels = LabelList()
        self.labels.closed.connect(self.show_report)
        self.labels.wanted.connect(self._go_to_label)
        self.sets = PromptSets()
        self.sets.closed.connect(self.show_report)
        self.sets.mend_wanted.connect(self._mend)
        self.sets.wanted.connect(self._go_to_prompts)
        self._build_empty()
        self._stack = QStackedWidget()
        for widget in (self.empty, self.view, self.labels, self.sets):
            self._stack.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self._make_actions()
        self.show_report()
        self._show_reader()

    def badge(self) -> str:
        report = self.reader.report
        number = len(report.get("findings", ())) if report is not None else 0
        return "" if not number else "1 warning" if number == 1 else f"{number} warnings"

    def key_help(self) -> list[KeyHelp]:
        return [
            KeyHelp("F5", "Read the labels again now"),
            KeyHelp("Enter", "In a list: open the marked one in Label, and then those after it; prompts in Prompts"),
            KeyHelp("Esc", "From a list back to the report"),
            KeyHelp("Ctrl+Z", "Take back what was done to prompts here"),
        ]

    def actions_for_palette(self) -> list[QAction]:
        return list(self._actions)

    def shut_down(self) -> None:
        """The window is closed: end what runs."""
        self.reader.close()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.built:
            self._look()

    # What a person does

    def show_report(self) -> None:
        """The report, from wherever."""
        empty = self._empty_state()
        if empty is not None:
            self.empty_label.setText(empty[0])
            self.empty_button.setText(empty[1])
            self.empty_button.setVisible(bool(empty[1]))
            self.empty_button.setProperty("page", empty[2])
        self._stack.setCurrentWidget(self.view if empty is None else self.empty)

    def show_evidence(self, behind: Evidence) -> None:
        """List the labels or the prompts behind a warning or a number."""
        project = self.context.project
        if project is None:
            return
        shown = self.labels if behind.groups else self.sets
        if behind.groups:
            own = behind.groups_of(project.annotator, self.reader.report) if self.reader.report is not None else ()
            self.labels.show_labels(project, behind, own)
        else:
            self._offer = TRAINING if behind.reading == "across" else ARCHIVE
            self.sets.show_sets(project, behind, mend=self._offer.text, means=self._offer.means)
        self._stack.setCurrentWidget(shown)
        shown.setFocus()

    def undo(self) -> None:
        """Take back what was done to prompts here."""
        self._change(lambda: self._mending.undo() if self._mending is not None else "")

    def _mend(self) -> None:
        """Do what the button of the sets offers."""
        mending = self._mending
        if mending is not None and self._change(lambda: mending.do(self._offer, self.sets.sets)):
            self.show_report()

    def _change(self, change: Callable[[], str]) -> bool:
        """Change prompts and say what was done; whether it worked."""
        try:
            done = change()
        except UserError as error:
            self.context.complain(error)
            return False
        if done:
            self.context.prompts_changed.emit()
        self.context.say(done or "There is nothing to undo on Quality; labels are undone on Label.")
        return True

    def _go_to_label(self, group_ids: Sequence[int], sentence: str) -> None:
        self.context.page_wanted.emit("label")
        self.context.groups_wanted.emit(list(group_ids), sentence)

    def _go_to_prompts(self, prompt_ids: Sequence[int], sentence: str) -> None:
        self.context.page_wanted.emit("prompts")
        self.context.prompts_wanted.emit(list(prompt_ids), sentence)

    def _show_first(self) -> None:
        """What is behind the first warning."""
        findings = self.reader.report.get("findings", ()) if self.reader.report is not None else ()
        for finding in findings:
            if finding["groups"] or finding["prompts"]:
                return self.show_evidence(Evidence.of(finding))
        return self.context.say("No warning has anything to show.")

    # News

    def _on_project_changed(self) -> None:
        self._open()
        if self.built:
            self.show_report()
            if self.isVisible():
                self._look()

    def _on_rows_changed(self) -> None:
        self.reader.note_change(look=self.built and self.isVisible())
        if self.built and self._stack.currentWidget() is self.empty:
            self.show_report()

    def _open(self) -> None:
        project = self.context.project
        self._mending = Mending(project) if project is not None else None
        self.reader.open(project.folder if project is not None else None)

    def _look(self) -> None:
        if self.reader.stale and self._empty_state() is None:
            self.reader.read()

    def _show_reader(self) -> None:
        report = self.reader.report
        if report is not self._shown:
            self._shown, self._read_at = report, f"{datetime.now():%H:%M}"
            if self.built and report is not None:
                self.view.show_report(report)
            self.badge_changed.emit()
        if self.built:
            self.view.show_state(
                self._state(), busy=self.reader.busy, problem=self.reader.problem, progress=self.reader.progress
            )

    def _state(self) -> str:
        """What was read and when, and what is being read."""
        reader = self.reader
        read = [] if reader.report is None else [wording.headline(reader.report)]
        if reader.whole:
            read.append(f"read at {self._read_at}")
        if reader.busy:
            read.append(f"{reader.doing}…" if reader.doing else "reading the labels…")
        said = ", ".join(read)
        return said[:1].upper() + said[1:]

    def _empty_state(self) -> tuple[str, str, str] | None:
        project = self.context.project
        if project is None:
            return NO_PROJECT
        words, button, page = first_step(project)
        if page == "label" or annotators.with_labels(project) or rankings.judge_names(project):
            return None
        return f"{NOTHING_YET}{words}", button, page

    # Building

    def _build_empty(self) -> None:
        self.empty = QWidget()
        heading = QLabel("Quality")
        heading.setProperty("role", "heading")
        self.empty_label = QLabel()
        self.empty_label.setProperty("role", "subheading")
        self.empty_label.setWordWrap(True)
        self.empty_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty_button = QPushButton()
        self.empty_button.setProperty("role", "primary")
        self.empty_button.clicked.connect(lambda: self.context.page_wanted.emit(self.empty_button.property("page")))
        layout = QVBoxLayout(self.empty)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL)
        layout.setSpacing(theme.SPACE_L)
        layout.addWidget(heading)
        layout.addStretch(1)
        layout.addWidget(self.empty_label)
        layout.addWidget(self.empty_button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(1)

    def _make_actions(self) -> None:
        self._actions = []
        for text, does, key in (
            ("Read the labels again", self.reader.read, "F5"),
            ("Stop reading the labels", self.reader.stop, ""),
            ("Show what is behind the first warning", self._show_first, ""),
            ("Back to the report", self.show_report, ""),
        ):
            action = QAction(text, self)
            if key:
                action.setShortcut(QKeySequence(key))
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(lambda _=False, does=does: does())
            self.addAction(action)
            self._actions.append(action)

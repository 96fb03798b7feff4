"""Export: what leaves the project, in which format, where to, and a look at it before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QAction, QDesktopServices, QKeySequence, QShowEvent
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Run
from dpo_studio.store import rankings, runs
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.first_step import first_step
from dpo_studio.ui.page import KeyHelp, Page

from .commands import Commands, CommandThread
from .form import ExportForm

_WEIGHTS = "adapter_model.safetensors"
_PREVIEW_DELAY_MS = 150


class ExportPage(Page):
    """The page of the rail. Previews and exports are made by a child process, one preview at a time."""

    name = "export"
    title = "Export"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self.commands = Commands(self)
        self._preview_thread: CommandThread | None = None
        self._export_thread: CommandThread | None = None
        self._stale = True
        self._written: Path | None = None
        self._preview_later = QTimer(self)
        self._preview_later.setSingleShot(True)
        self._preview_later.setInterval(_PREVIEW_DELAY_MS)
        self._preview_later.timeout.connect(self._start_preview)
        context.project_changed.connect(self._on_project_changed)
        for signal in (
            context.rankings_changed,
            context.groups_changed,
            context.runs_changed,
            context.policies_changed,
        ):
            signal.connect(self._on_rows_changed)
        context.run_wanted.connect(self._on_run_wanted)

    def build(self) -> None:
        self.form = ExportForm()
        self.form.changed.connect(self._on_choice_changed)
        self.form.browse_wanted.connect(self._on_browse)
        self.form.export_wanted.connect(self.export)
        self.form.open_wanted.connect(self._on_open_folder)
        self._export_action = QAction("Export", self)
        self._export_action.setShortcut(QKeySequence("Ctrl+Return"))
        self._export_action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._export_action.triggered.connect(self.export)
        self.addAction(self._export_action)
        self._stack = QStackedWidget()
        self._empty = self._build_empty()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self._refresh()

    def key_help(self) -> list[KeyHelp]:
        return [
            KeyHelp("Ctrl+Enter", "Export"),
            KeyHelp("← →", "On the cards: another kind of export"),
        ]

    def actions_for_palette(self) -> list[QAction]:
        return [self._export_action] if self.built else []

    def leave(self) -> None:
        """A preview that is on its way is let go; an export goes on."""
        self._drop_preview()
        self._stale = True

    def shut_down(self) -> None:
        """The window is closed: end what runs."""
        self.commands.close()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.built and self._stale:
            self._refresh()

    def export(self) -> None:
        """Write what is chosen to the folder that is named."""
        project = self.context.project
        if project is None or self._export_thread is not None or self._stack.currentWidget() is not self.form:
            return
        target = self.form.destination()
        if target is None:
            self.form.show_problem("Name the folder to write to.")
            return
        self._written = None
        self.form.show_busy(f"Writing {target}…")
        thread = self.commands.start(["export", *self.form.arguments(), "--", str(project.folder), str(target)])
        thread.answered.connect(self._on_exported)
        thread.refused.connect(self._on_export_refused)
        self._export_thread = thread
        thread.start()

    # What happens

    def _on_exported(self, answer: Mapping[str, Any]) -> None:
        self._export_thread = None
        self._written = Path(answer["folder"])
        rows = sum(answer.get("rows", {}).values())
        what = f"{rows:,} rows" if rows else f"the {answer.get('kind', 'adapter')} of {answer.get('run')}"
        sentence = f"Wrote {what} and a card to {self._written}."
        self.form.show_done(sentence)
        if not self.isVisible():
            self.context.say(sentence)

    def _on_run_wanted(self, page: str, run: Run) -> None:
        if page == self.name and self.built:
            self._refresh()
            self.form.choose_run(run.uuid)

    def _on_export_refused(self, error: Exception) -> None:
        self._export_thread = None
        self.form.show_problem(str(error))
        if not isinstance(error, UserError):
            raise error

    def _on_previewed(self, answer: Mapping[str, Any]) -> None:
        if self.sender() is self._preview_thread:
            self._preview_thread = None
            self.form.preview.show_answer(answer)

    def _on_preview_refused(self, error: Exception) -> None:
        if self.sender() is self._preview_thread:
            self._preview_thread = None
            self.form.preview.say(str(error))
            if not isinstance(error, UserError):
                raise error

    def _on_choice_changed(self) -> None:
        project = self.context.project
        if project is not None:
            self.form.propose(project.folder)
        self._preview_later.start()

    def _on_project_changed(self) -> None:
        self._drop_preview()
        if self.built:
            self.form.forget()
        self._on_rows_changed()

    def _on_rows_changed(self) -> None:
        self._stale = True
        if self.built and self.isVisible():
            self._refresh()

    def _on_browse(self) -> None:
        start = self.form.destination()
        chosen = QFileDialog.getExistingDirectory(self, "The folder to put the export in", str(start and start.parent))
        if chosen:
            self.form.put_into(Path(chosen))

    def _on_open_folder(self) -> None:
        if self._written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written)))

    # What is shown

    def _refresh(self) -> None:
        self._stale = False
        project = self.context.project
        ranked = rankings.counts(project).rankings if project is not None else 0
        with_result = _runs_with_result(self.context)
        judges = rankings.judge_names(project) if project is not None else {}
        if project is None or not (ranked or with_result or judges or rankings.all_current(project, kind="ranking")):
            self._show_first_step()
            return
        self._stack.setCurrentWidget(self.form)
        self.form.set_judges(judges)
        self.form.set_runs([(run.uuid, run.name, is_adapter) for run, is_adapter in reversed(with_result)])
        self._on_choice_changed()

    def _show_first_step(self) -> None:
        """Say what comes before there is anything to export."""
        project = self.context.project
        if project is not None:
            words, button, page = first_step(project)
            self._empty_sentence.setText(f"There is nothing to export yet: {words}")
            self._empty_button.setText(button)
            self._empty_button.setAccessibleName(button)
            self._empty_button.setProperty("page", page)
        self._stack.setCurrentWidget(self._empty)

    def _start_preview(self) -> None:
        self._drop_preview()
        project = self.context.project
        if project is None:
            return
        arguments = ["export", "--preview", *self.form.arguments(), "--", str(project.folder)]
        thread = self.commands.start(arguments)
        thread.answered.connect(self._on_previewed)
        thread.refused.connect(self._on_preview_refused)
        self._preview_thread = thread
        thread.start()

    def _drop_preview(self) -> None:
        self._preview_later.stop()
        if self._preview_thread is not None:
            self._preview_thread.stop()
            self._preview_thread = None

    def _build_empty(self) -> QWidget:
        page = QWidget()
        heading = QLabel("Export")
        heading.setProperty("role", "heading")
        sentence = self._empty_sentence = QLabel()
        sentence.setProperty("role", "subheading")
        sentence.setWordWrap(True)
        sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        button = self._empty_button = QPushButton()
        button.setAccessibleName("What to do first")
        button.setProperty("role", "primary")
        button.clicked.connect(lambda: self.context.page_wanted.emit(button.property("page")))
        layout = QVBoxLayout(page)
        layout.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL)
        layout.setSpacing(theme.SPACE_L)
        layout.addWidget(heading)
        layout.addStretch(1)
        layout.addWidget(sentence)
        layout.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(1)
        return page


def _runs_with_result(context: Context) -> list[tuple[Run, bool]]:
    """The runs that left something, and whether that is an adapter (else a whole model)."""
    project = context.project
    if project is None:
        return []
    found = []
    for run in runs.all_runs(project):
        folder = project.folder / run.folder
        if (folder / "adapter" / _WEIGHTS).is_file():
            found.append((run, True))
        elif (folder / "model" / "config.json").is_file():
            found.append((run, False))
    return found

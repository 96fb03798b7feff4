"""Prompts: find, read, add, tag and put away what models are asked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QGuiApplication, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import PromptId
from dpo_studio.store import prompt_edits, prompt_search, prompt_states, prompts
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.page import KeyHelp, Page
from dpo_studio.ui.prompt_list.listing import Listing

from .actions import KEY_HELP, Actions
from .adding import Adding
from .changes import Changes, Done
from .panel import counted
from .reading import plain_text
from .work_view import EmptyView, WorkView

#: Of so many selected prompts the tags are looked at.
MOST_LOOKED_AT = 2_000


class PromptsPage(Page):
    """The page of the rail. Whatever may take longer than a frame is read and written in threads."""

    name = "prompts"
    title = "Prompts"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self._stale = False
        self._own_news = False
        self._wanted_row: int | None = None
        self._read_later = QTimer(self)
        self._read_later.setSingleShot(True)
        self._read_later.setInterval(0)
        self._read_later.timeout.connect(self._show_current)
        context.project_changed.connect(self._on_project_changed)
        context.prompts_changed.connect(self._on_prompts_changed)
        context.prompts_wanted.connect(self.show_prompts)
        context.adding_wanted.connect(self._on_adding_wanted)
        for signal in (context.groups_changed, context.rankings_changed):
            signal.connect(self._on_states_changed)

    # What the window asks for

    def badge(self) -> str:
        """How many prompts there are, those that are archived left out."""
        project = self.context.project
        count = prompt_search.totals(project)[0] if project is not None else 0
        return f"{count:,}" if count else ""

    def key_help(self) -> list[KeyHelp]:
        return list(KEY_HELP)

    def actions_for_palette(self) -> list[QAction]:
        return self.actions_of_page.all() if self.built else []

    def build(self) -> None:
        self.empty, self.work = EmptyView(), WorkView()
        self.bar, self.table, self.reading, self.tags = (
            self.work.bar,
            self.work.table,
            self.work.reading,
            self.work.tags,
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self.work)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme.SPACE_XL] * 4)
        layout.addWidget(self.stack, 1)
        self.listing = Listing(
            self.context,
            self.table,
            lambda: (self.bar.wanted(), self.bar.newest_first),
            selects_first=True,
            parent=self,
        )
        self.changes = Changes(self.context, self)
        self.adding = Adding(self.context, self.stack, self.listing, self.changes, self)
        self.actions_of_page = Actions(self)
        self.setAcceptDrops(True)
        self._connect()
        self._on_project_changed()

    def _connect(self) -> None:
        self.listing.changed.connect(self._on_list_changed)
        self.bar.changed.connect(self.listing.start)
        self.bar.names_wanted.connect(self._ask_names)
        self.changes.done.connect(self._on_done)
        self.changes.refused.connect(self._on_refused)
        self.changes.busy_changed.connect(self._show_count)
        self.adding.closed.connect(self._show_list)
        self.table.picked.connect(self._on_picked)
        self.table.opened.connect(self.edit)
        self.bar.down_wanted.connect(self.table.setFocus)
        self.work.nothing_button.clicked.connect(self._on_nothing_button)
        self.work.generate_button.clicked.connect(self.generate)
        self.work.tags_button.clicked.connect(self.edit_tags)
        self.work.archive_button.clicked.connect(self.archive)
        self.reading.edit_wanted.connect(self.edit)
        self.reading.archive_wanted.connect(self.archive)
        self.reading.tags_wanted.connect(self.edit_tags)
        self.reading.answers_wanted.connect(self.generate)
        self.tags.changed.connect(self._on_tags_changed)
        self.tags.closed.connect(self.table.setFocus)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.built and self._stale:
            self._stale = False
            self.listing.refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.context.project is not None and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self.adding.import_from(paths[0])
        if len(paths) > 1:
            self.context.say(f"One at a time: of the {len(paths)} that were dropped this is the first.")

    def leave(self) -> None:
        """What is written in the editor and not added yet is kept."""
        self.adding.stay()
        try:
            self.adding.keep_draft()
        except UserError as error:
            self.context.complain(error)

    def shut_down(self) -> None:
        """The window is closed: end what is read, finish what is written."""
        if self.built:
            self.adding.forget()
            self.listing.close()
            self.changes.close()

    def undo(self) -> None:
        """Ctrl+Z: take the last change of prompts back."""
        if not self.built or not self.changes.undo():
            self.context.say("There is no change of prompts to undo.")

    # What a person does

    def accept_or_generate(self) -> None:
        """Ctrl+Enter: what the primary button in sight does."""
        panel = self.adding.panel
        if panel is not None:
            panel.accept()
        else:
            self.generate()

    def generate(self) -> None:
        """Hand the selected prompts to Generate."""
        ids = self.table.selected_ids()
        if not len(ids) or self.bar.wanted().archived:
            return
        self.context.page_wanted.emit("generate")
        self.context.prompts_chosen.emit(ids)

    def edit(self) -> None:
        """Change the text of the prompt that is read."""
        project, current = self.context.project, self.table.current_id()
        if project is not None and current is not None and self.stack.currentWidget() is self.work:
            try:
                self.adding.edit(prompts.get(project, current))
            except UserError as error:
                self.context.complain(error)

    def archive(self) -> None:
        """Put the selected prompts out of the way, or back."""
        ids = self.table.selected_ids()
        if len(ids) and self.stack.currentWidget() is self.work:
            self.changes.archive(ids, not self.bar.wanted().archived)

    def edit_tags(self) -> None:
        """Show the tags of the selected prompts."""
        if self.stack.currentWidget() is self.work and self.table.selected_count():
            self.tags.begin()
            self._show_tags()

    def copy(self) -> None:
        """Copy the prompt that is read."""
        if self.reading.messages:
            QGuiApplication.clipboard().setText(plain_text(self.reading.messages))
            self.context.say("Copied.")

    def search(self) -> None:
        if self.stack.currentWidget() is not self.empty:
            self._show_list()
            self.bar.focus_field()

    def show_archived(self) -> None:
        self._show_list()
        self.bar.show_archived(not self.bar.wanted().archived)

    def show_prompts(self, prompt_ids: Sequence[int], why: str) -> None:
        """List these prompts and no others until the person asks for all again; `why` is a sentence about them."""
        if self.context.project is not None:
            self.ensure_built()
            self._show_list()
            self.bar.show_only(prompt_ids, why)
            self.table.setFocus()

    def step_back(self) -> None:
        """Esc: the panel closes; else the filters are cleared."""
        if self.adding.panel is not None:
            self.adding.close()
        elif self.tags.isVisible():
            self.tags.hide()
            self.table.setFocus()
        elif self.bar.wanted().narrows or self.bar.wanted().archived:
            self.bar.clear()

    # What happened

    def _on_adding_wanted(self, way: str, source: str, back_to: str) -> None:
        """Another page wants prompts to be added."""
        if self.context.project is None:
            return
        self.ensure_built()
        self.context.page_wanted.emit(self.name)
        self.adding.begin(way, source, back_to=back_to)

    def _on_done(self, done: Done, number: int) -> None:
        if done.sentence:
            self.context.say(done.sentence)
        archived = self.bar.wanted().archived
        gone = done.came if archived else done.gone
        if len(gone):
            self.table.remove(gone)
        self.adding.on_done(number, done.came)
        self._own_news = True
        try:
            self.context.prompts_changed.emit()
            if len(done.gone) or len(done.came):
                self.context.groups_changed.emit()  # what waits in Label is of prompts that are not archived
        finally:
            self._own_news = False
        self._wanted_row = done.came[0] if len(done.came) else None
        self.listing.refresh()
        self._show_tags()

    def _on_refused(self, sentence: str, number: int) -> None:
        if not self.adding.on_refused(sentence, number):
            self.context.message.emit(sentence, "error")

    def _on_tags_changed(self, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        ids = self.table.selected_ids()
        try:
            add = tuple(prompt_edits.clean_tags(add))
        except UserError as error:
            self.context.complain(error)
            return
        if len(ids):
            self.changes.tag(ids, add=add, remove=remove)

    def _on_nothing_button(self) -> None:
        self.bar.clear()
        self.table.setFocus()

    def _on_project_changed(self) -> None:
        self.badge_changed.emit()
        if not self.built:
            return
        self.tags.hide()
        self.adding.forget()
        self.changes.open(self.context.project)
        self.bar.blockSignals(True)
        self.bar.clear()
        self.bar.blockSignals(False)
        self.listing.open(self.context.project)
        self._show_list()

    def _on_prompts_changed(self) -> None:
        self.badge_changed.emit()
        if not self.built or self._own_news:
            return
        if self.isVisible():
            self.listing.refresh()
        else:
            self._stale = True

    def _on_states_changed(self) -> None:
        if self._own_news:
            return
        if self.built and self.isVisible():
            if self.bar.wanted().progress:
                self.listing.refresh()
            else:
                self.table.rows.forget()
                self._read_later.start()
        else:
            self._stale = True

    def _on_list_changed(self) -> None:
        if self._wanted_row is not None and self.listing.complete:
            row, self._wanted_row = self.table.rows.row_of(self._wanted_row), None
            if row is not None:
                self.table.selectRow(row)
        if self.stack.currentWidget() in (self.empty, self.work):
            self._show_list()
        self._show_count()
        self._on_picked()

    # What is shown

    def _ask_names(self) -> None:
        self.listing.ask(
            "names",
            lambda project: (prompt_search.all_tags(project), prompt_search.all_sources(project)),
            lambda names: self.bar.show_names(*names),
        )

    def _show_list(self) -> None:
        project = self.context.project
        none_at_all = project is None or not any(prompt_search.totals(project))
        panel = self.adding.panel
        self.stack.setCurrentWidget(self.empty if none_at_all else self.work)
        if panel is not None or none_at_all:
            (self.empty.add_button if none_at_all else self.table).setFocus()

    def _show_count(self, busy: str = "") -> None:
        count, selected = self.table.rows.rowCount(), self.table.selected_count()
        wanted, complete = self.bar.wanted(), self.listing.complete
        words = counted(count) if complete else f"{count:,} prompts and more…" if count else "Looking…"
        if wanted.archived:
            words += ", archived"
        if selected > 1:
            words += f"  ·  {selected:,} selected"
        self.work.count.setText(busy or words)
        empty = complete and not count
        sentence = "No prompt is archived." if wanted == type(wanted)(archived=True) else "No prompt matches this."
        if empty and not wanted.narrows and not wanted.archived:
            sentence = "All prompts are archived."
        button = "Show the others" if wanted.archived and not wanted.narrows else "Clear the search"
        self.work.say_nothing_found(sentence if empty else "", button)
        self.work.nothing_button.setVisible(wanted.narrows or wanted.archived)

    def _on_picked(self) -> None:
        self._read_later.start()
        selected, archived = self.table.selected_count(), self.bar.wanted().archived
        self.work.show_selected(selected, archived=archived)
        self.work.generate_button.setEnabled(selected > 0 and not archived)
        self.work.generate_button.setText(
            f"Generate answers for {counted(selected)}" if selected > 1 else "Generate answers"
        )
        self._show_count()

    def _show_current(self) -> None:
        project, current = self.context.project, self.table.current_id()
        selected = self.table.selected_count()
        if project is None or current is None:
            self.reading.show_sentence("Choose a prompt to read it.")
        else:
            try:
                prompt = prompts.get(project, current)
            except UserError:
                self.reading.show_sentence("This prompt is no longer here.")
            else:
                self.reading.show_prompt(prompt, prompt_states.by_prompt(project, current).get(current, _NOTHING))
        self.reading.show_several(selected)
        self._show_tags()

    def _show_tags(self) -> None:
        if not self.tags.isVisible():
            return
        ids = self.table.selected_ids()
        first = [PromptId(one) for one in ids[:MOST_LOOKED_AT]]
        self.listing.ask(
            "tags",
            lambda project: (prompt_edits.tags_of(project, first), prompt_search.all_tags(project)),
            lambda found: self.tags.show_tags(len(ids), *found),
        )


_NOTHING = prompt_states.PromptState()

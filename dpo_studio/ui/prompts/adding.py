"""How prompts come in: which panel is shown, what of it is in the project already, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QStackedWidget

from dpo_studio.core.types import Conversation, Prompt
from dpo_studio.store import Project, prompt_edits, prompt_search, prompts
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompt_list.listing import Listing

from .changes import Changes
from .import_panel import ImportPanel
from .importing import Importing
from .panel import Panel
from .paste_panel import PastePanel
from .starter_panel import StarterPanel
from .write_panel import EditPanel, WritePanel

_P = TypeVar("_P", bound=Panel)


class Adding(QObject):
    """The panels over the list. Each is made when it is first wanted.

    Signals:
        closed: the list is wanted again.
    """

    closed = Signal()

    def __init__(
        self, context: Context, stack: QStackedWidget, listing: Listing, changes: Changes, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._context, self._stack, self._listing, self._changes = context, stack, listing, changes
        self._made: dict[type[Panel], Panel] = {}
        self._waits_for: tuple[int, Panel] | None = None
        self._importing: Importing | None = None
        self._back_to = ""
        self._brought: list[int] = []

    @property
    def panel(self) -> Panel | None:
        """The panel that is shown."""
        shown = self._stack.currentWidget()
        return shown if isinstance(shown, Panel) else None

    def begin(self, way: str, source: str = "", *, back_to: str = "") -> None:
        """Show a panel by its name, as `Context.adding_wanted` has them, for another page to go back to."""
        self._back_to, self._brought = back_to, []
        ways = {"write": self.write, "paste": self.paste, "starters": self.starters}
        if way in ways:
            ways[way]()
        else:
            self.import_from(source)

    def close(self) -> None:
        """The panel is done with: the list is shown, or the page that wanted prompts, with those that came."""
        back_to, self._back_to = self._back_to, ""
        self.closed.emit()
        if back_to:
            self._context.page_wanted.emit(back_to)
            self._choose(self._brought)

    def stay(self) -> None:
        """A person went elsewhere: nothing is gone back to."""
        self._back_to = ""

    def write(self) -> None:
        """Write one prompt, going on with what was begun."""
        self._show(self._get(WritePanel))

    def paste(self) -> None:
        """Look at what is on the clipboard."""
        panel = self._get(PastePanel)
        panel.begin_with(QGuiApplication.clipboard().text())
        self._show(panel)

    def starters(self) -> None:
        """Choose among the prompts that come with the app."""
        self._show(self._get(StarterPanel))

    def import_from(self, source: str = "") -> None:
        """Look at a file, a folder or a data set; without one, ask which."""
        panel = self._get(ImportPanel)
        self._show(panel)
        if source:
            panel.look_at(source)

    def edit(self, prompt: Prompt) -> None:
        """Change a prompt's text."""
        project = self._context.project
        if project is not None:
            panel = self._get(EditPanel)
            panel.show_prompt(prompt, was_asked=prompt_edits.was_asked(project, prompt.id))
            self._show(panel)

    def on_done(self, number: int, came: Sequence[int]) -> None:
        """A change is in the project: if it is what a panel waits for, the panel is done with.

        Args:
            came: the prompts that it brought.
        """
        panel = self._awaited(number)
        if panel is None:
            return
        panel.done()
        self._brought += came
        if isinstance(panel, WritePanel) and panel.again.isChecked():
            panel.begin()
        else:
            self.close()

    def on_refused(self, sentence: str, number: int) -> bool:
        """A change was not made; whether a panel said why, with everything still in it."""
        panel = self._awaited(number)
        if panel is None:
            return False
        panel.begin()
        panel.say(sentence, "error")
        return True

    def _awaited(self, number: int) -> Panel | None:
        if self._waits_for is None or self._waits_for[0] != number:
            return None
        panel = self._waits_for[1]
        self._waits_for = None
        panel.setEnabled(True)
        return panel

    def keep_draft(self) -> None:
        """What is written and not added yet is there again when the project is opened the next time."""
        project = self._context.project
        for panel in self._made.values():
            if project is not None and panel.draft_fact and panel.draft() != project.fact(panel.draft_fact):
                project.set_fact(panel.draft_fact, panel.draft())

    def forget(self) -> None:
        """Another project is open: its panels begin afresh."""
        if self._importing is not None:
            self._importing.close()
            self._importing = None
        for panel in self._made.values():
            self._stack.removeWidget(panel)
            panel.deleteLater()
        self._made.clear()
        self._waits_for = None

    def _get(self, kind: type[_P]) -> _P:
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = kind()
            self._stack.addWidget(made)
            made.closed.connect(self.close)
            if isinstance(made, ImportPanel):
                self._importing = Importing(self._context, made, self)
                self._importing.done.connect(self._on_imported)
                self._importing.brought.connect(self._changes.keep_import)
            else:
                made.accepted.connect(self._on_accepted)
            made.check_wanted.connect(self._on_check_wanted)
            project = self._context.project
            if made.draft_fact and project is not None:
                made.restore(project.fact(made.draft_fact))
        assert isinstance(made, kind)
        return made

    def _show(self, panel: Panel) -> None:
        self._stack.setCurrentWidget(panel)
        panel.begin()

    def _on_imported(self, before: int) -> None:
        if self._back_to:  # they may be many: the page that wants them hears of them when they are found
            self._listing.ask("brought", lambda project: prompt_search.after(project, before), self._choose)
        self.close()

    def _choose(self, brought: Sequence[int]) -> None:
        if len(brought):
            self._context.prompts_chosen.emit(brought)

    def _on_accepted(self) -> None:
        panel = self.sender()
        if not isinstance(panel, Panel) or self._waits_for is not None:
            return
        panel.setEnabled(False)
        if isinstance(panel, EditPanel):
            assert panel.prompt is not None
            number = self._changes.rewrite(panel.prompt.id, panel.conversation.messages())
        else:
            number = self._changes.add(panel.rows(), panel.source)
        self._waits_for = (number, panel)

    def _on_check_wanted(self) -> None:
        panel = self.sender()
        if not isinstance(panel, Panel):
            return
        if isinstance(panel, StarterPanel):
            conversations = panel.every_row()
        else:
            conversations = [conversation for conversation, _ in panel.rows()]
        if conversations:
            self._listing.ask(
                f"known-{type(panel).__name__}",
                lambda project: _known(project, conversations),
                lambda found: panel.show_known(*found),
            )


def _known(project: Project, conversations: list[Conversation]) -> tuple[set[int], str]:
    """The places of those that are prompts already, and a double's title where there is only one to look for."""
    known = set(prompts.there_already(project, conversations))
    double = prompt_search.alike(project, conversations[0]) if len(conversations) == 1 and not known else None
    return known, double.title if double is not None else ""

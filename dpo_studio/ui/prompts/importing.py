"""Imports of the Import panel: looked at and done by the command `import` in a child process, which the window awaits
no more than anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, prompt_search, staging
from dpo_studio.store.settling import is_settled
from dpo_studio.ui.context import Context
from dpo_studio.ui.exchange.commands import Commands, CommandThread

from .import_panel import NOUNS, ImportPanel
from .panel import counted


class Importing(QObject):
    """Runs one look or one import at a time; a newer look takes the place of the one before.

    Signals:
        done: it is in the project; new prompts of it come after this id.
        brought: the ids of the prompts of an import of nothing else: [first, last] of those that follow one another.
    """

    done = Signal(int)
    brought = Signal(object)

    def __init__(self, context: Context, panel: ImportPanel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context, self._panel = context, panel
        self._commands = Commands(self)
        self._look: CommandThread | None = None
        self._import: CommandThread | None = None
        self._project: Project | None = None
        self._before = 0
        panel.look_wanted.connect(self.look)
        panel.accepted.connect(self.run)
        panel.stop_wanted.connect(self.stop)

    def look(self) -> None:
        """Ask what would come of an import as it is chosen now."""
        project = self._context.project
        if project is None or self._import is not None:
            return
        self.give_up()
        panel = self._panel
        panel.show_busy(f"Looking at {panel.looked_at}…")
        place = ["--", str(project.folder), panel.looked_at]
        self._look = self._commands.start(["import", "--preview", "--follow", *panel.arguments(), *place])
        self._look.heard.connect(self._on_heard)
        self._look.answered.connect(self._on_seen)
        self._look.refused.connect(self._on_not_seen)
        self._look.start()

    def run(self) -> None:
        """Import what was looked at: all of it, or nothing."""
        project = self._context.project
        if project is None or self._import is not None:
            return
        self.give_up()
        panel, self._project, self._before = self._panel, project, prompt_search.last(project)
        panel.show_busy(f"Importing {panel.looked_at}…")
        panel.set_busy(True)
        expected = ["--follow", "--expected", str(panel.answer.get("total", 0))]
        place = ["--", str(project.folder), panel.looked_at]
        self._import = self._commands.start(["import", *expected, *panel.final_arguments(), *place])
        self._import.heard.connect(self._on_heard)
        self._import.answered.connect(self._on_imported)
        self._import.refused.connect(self._on_not_imported)
        self._import.start()

    def give_up(self) -> None:
        """Stop looking."""
        look, self._look = self._look, None
        if look is not None:
            look.stop()

    def stop(self) -> None:
        """Stop looking, and an import, of which nothing is kept then."""
        if self._look is not None:
            self.give_up()
            self._panel.say("")
        if self._import is None or self._project is None:
            return
        try:
            staging.cancel(self._project.folder)
        except UserError as error:
            self._context.complain(error)
            return
        self._panel.show_cancelling()
        self._import.stop()

    def close(self) -> None:
        """The window or the project is closed: end what runs. What is written already is finished the next time."""
        self.give_up()
        self._commands.close()
        self._import = None

    def _on_seen(self, answer: Mapping[str, Any]) -> None:
        if self.sender() is self._look:
            self._look = None
            self._panel.show_answer(answer)

    def _on_not_seen(self, error: Exception) -> None:
        if self.sender() is self._look:
            self._look = None
            self._tell(error)

    def _on_heard(self, said: Mapping[str, Any]) -> None:
        if self.sender() in (self._look, self._import) and "doing" in said:
            self._panel.show_progress(said["doing"], said["progress"])

    def _on_imported(self, answer: Mapping[str, Any]) -> None:
        if not self._end():
            return
        self._panel.done()
        self._context.say(imported_sentence(answer))
        for signal in (self._context.prompts_changed, self._context.groups_changed, self._context.rankings_changed):
            signal.emit()
        if answer.get("ids"):
            self.brought.emit(answer["ids"])
        self.done.emit(self._before)

    def _on_not_imported(self, error: Exception) -> None:
        if not self._end():
            return
        unsettled = self._project is not None and not is_settled(self._project)
        if unsettled:
            self._context.unsettled.emit()  # what is left is taken back where it was cancelled, else finished
        if self._panel.is_cancelling:
            self._panel.show_cancelled()
        elif unsettled:
            self._panel.done()
            self._context.say("The import was interrupted. All rows were read: they are written in the background.")
            self.done.emit(self._before)
        else:
            self._tell(error)

    def _end(self) -> bool:
        """The import is over; whether its project is still the one that is open."""
        if self.sender() is not self._import:
            return False
        self._import = None
        self._panel.set_busy(False)
        return self._project is self._context.project

    def _tell(self, error: Exception) -> None:
        self._panel.show_problem(str(error))
        if not isinstance(error, UserError):
            raise error


def imported_sentence(answer: Mapping[str, Any]) -> str:
    """What an import did."""
    count, kind = answer["imported"], answer["format"]
    noun = NOUNS.get(kind, "row")
    what = f"{count:,} groups of answers" if noun == "group of answers" and count != 1 else counted(count, noun)
    said = [f"{what} imported"]
    there = answer["duplicates"]
    said += [f"{there:,} {'was' if there == 1 else 'were'} here already"] if there else []
    said += [f"{len(answer['refused']):,} left out"] if answer["refused"] else []
    return "; ".join(said) + "."

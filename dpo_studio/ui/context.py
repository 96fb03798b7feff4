"""What every page is given: the open project, the jobs, and the news of what changed."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from dpo_studio.store import Project

from .job_board import JobBoard


class Context(QObject):
    """Shared by the window's pages. Pages announce changes here and refresh on others' announcements.

    Signals:
        project_changed: another project was opened, or it was closed (`project` is None).
        prompts_changed, groups_changed, rankings_changed, policies_changed, runs_changed: rows of
            these were written; read them again from the store.
        message: (text, level) a sentence for the person, shown in the window without blocking;
            level is "info" or "error".
        page_wanted: the name of the page to go to.
    """

    project_changed = Signal()
    prompts_changed = Signal()
    groups_changed = Signal()
    rankings_changed = Signal()
    policies_changed = Signal()
    runs_changed = Signal()
    message = Signal(str, str)
    page_wanted = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.jobs = JobBoard(self)

    def open(self, project: Project | None) -> None:
        """Show another project; the one before is closed."""
        if self.project is not None and self.project is not project:
            self.project.close()
        self.project = project
        self.project_changed.emit()

    def say(self, text: str) -> None:
        self.message.emit(text, "info")

    def complain(self, error: Exception) -> None:
        """Show a UserError's sentence."""
        self.message.emit(str(error), "error")

"""What every page is given: the open project, the jobs, and the news of what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from .job_board import JobBoard

if TYPE_CHECKING:  # the store brings sqlite-utils along: not before a project is opened
    from dpo_studio.store import Project


class Context(QObject):
    """Shared by the window's pages. Pages announce changes here and refresh on others' announcements.

    Signals:
        project_changed: another project was opened, or it was closed (`project` is None).
        prompts_changed, groups_changed, rankings_changed, policies_changed, runs_changed: rows of
            these were written; read them again from the store.
        message: (text, level) a sentence for the person, shown in the window without blocking;
            level is "info" or "error".
        page_wanted: the name of the page to go to.
        run_wanted: (page, run) the page, which is shown by now, is to offer what this run made.
        groups_wanted: (ids, sentence) Label is to go through these groups, for the reason the sentence gives.
        unsettled: an import or a merge of the open project is to be finished, see `settling`.
        prompts_wanted: (ids, sentence) Prompts is to list these prompts, for the reason the sentence gives.
        prompts_chosen: the ids of prompts to be answered, for the page that asks models.
        adding_wanted: (way, source, page) prompts are to be added by "write", "paste", "starters" or "import" (from
            this source, or "" to ask which); then that page is to be shown again, with the new ones chosen.
        device_changed: `device` is another one.

    Attributes:
        project: the open project, or None.
        jobs: what runs and what waits.
        device: what models run on, as the last worker said ("CPU bf16"); empty before one did.
    """

    project_changed = Signal()
    prompts_changed = Signal()
    groups_changed = Signal()
    rankings_changed = Signal()
    policies_changed = Signal()
    runs_changed = Signal()
    message = Signal(str, str)
    page_wanted = Signal(str)
    run_wanted = Signal(str, object)
    groups_wanted = Signal(object, str)
    unsettled = Signal()
    prompts_wanted = Signal(object, str)
    prompts_chosen = Signal(object)
    adding_wanted = Signal(str, str, str)
    device_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.jobs = JobBoard(self)
        self.device = ""

    def open(self, project: Project | None) -> None:
        """Show another project; the one before is closed once nothing shows it any more."""
        before, self.project = self.project, project
        self.project_changed.emit()
        if before is not None and before is not project:
            before.close()

    def say(self, text: str) -> None:
        self.message.emit(text, "info")

    def tell_device(self, device: str, dtype: str) -> None:
        """Note what a worker loaded its model on, for the status bar."""
        short = {"bfloat16": "bf16", "float32": "fp32", "float16": "fp16"}
        name = device.upper() if device in ("cpu", "mps") or device.startswith("cuda") else device
        text = f"{name} {short.get(dtype.removeprefix('torch.'), dtype)}".strip()
        if text != self.device:
            self.device = text
            self.device_changed.emit()

    def complain(self, error: Exception) -> None:
        """Show a UserError's sentence."""
        self.message.emit(str(error), "error")

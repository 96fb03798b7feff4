"""Generation as the window runs it: requests become groups and a job, finished answers go into the project.

No widgets. Everything that is written is written in the window's thread.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Group, Policy, PromptId
from dpo_studio.store import Project, completions, policies, requests
from dpo_studio.ui.context import Context

from .asking import Asked, Asking, Source, Wish
from .job import GenerationJob
from .progress import Candidate
from .thread import ModelProcess, TokenBurst

ANNOUNCE_MS = 400
#: So many groups are answered by one command.
_AT_ONCE = 64
_PLAIN_FACT = "plain_models"
_PLAIN = "no chat format of its own: “### User:” and “### Assistant:” stand between the turns"


class Answering(QObject):
    """Runs one generation at a time.

    Attributes:
        job: the generation that runs or waits its turn, or None.
        problem: (sentence, details) of what ended the last one early; empty when nothing did.
        refused: by prompt, why it could not be answered; known until the next generation.
        announces: whether the news of changed groups that goes round just now is of answers being written.

    Signals:
        changed: the job moved on.
        active_changed: `job` is another one, or none.
        text_added: a TokenBurst of an answer that is being written.
        answer_kept: a CompletionFinished that is in the project now.
        group_ended: a group's id; it is ready or was refused.
    """

    changed = Signal()
    active_changed = Signal()
    text_added = Signal(object)
    answer_kept = Signal(object)
    group_ended = Signal(int)

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._project: Project | None = None
        self._loaded: str | None = None
        self._plain: set[str] = set()
        self._prompt_of: dict[int, PromptId] = {}
        self.job: GenerationJob | None = None
        self.problem: tuple[str, str] = ("", "")
        self.refused: dict[PromptId, str] = {}
        self.announces = False
        self._source: Source | None = None
        self._asking = Asking(self)
        self._asking.came.connect(self._on_came)
        self._asking.failed.connect(self._on_asking_failed)
        self._asking.stopped.connect(self._on_stopped)
        self._asking.left.connect(self._on_left)
        self._asking.open(context.project)
        self.process = ModelProcess(parent=self)
        self.process.events_received.connect(self._on_events)
        self.process.worker_ended.connect(self._on_worker_ended)
        self._announce = QTimer(self)
        self._announce.setSingleShot(True)
        self._announce.setInterval(ANNOUNCE_MS)
        self._announce.timeout.connect(self._announce_now)
        context.project_changed.connect(self._on_project_changed)

    def generate(self, wish: Wish) -> None:
        """Ask for answers. They are in the queue, durably, before the first is written.

        Raises:
            UserError: answers are being written already.
        """
        self._opened()
        self._start(self._asking.ask(wish))

    def generate_with(self, wish: Wish, base: str, *, on_known: Callable[[Policy], None] = lambda policy: None) -> None:
        """As `generate`, with a model that a person named: it joins the project once it could be loaded.

        Args:
            wish: its policies are those that take turns with the model.
            on_known: told the policy that it became.
        """
        project = self._opened()
        known = requests.find_base(project, base)
        if known is not None:
            on_known(known)
            self.generate(replace(wish, policies=[known, *wish.policies]))
            return

        def ask() -> Source:
            policy = requests.policy_for(project, base)
            self._context.policies_changed.emit()
            on_known(policy)
            return self._asking.ask(replace(wish, policies=[policy, *wish.policies]))

        if self._loaded == base:
            self._start(ask())
        else:
            self._start(None, load=commands.Load(base), on_loaded=lambda: self._take_from(ask()))

    def go_on(self) -> None:
        """Ask for what every unfinished group misses.

        Raises:
            UserError: answers are being written already.
        """
        self._opened()
        self._start(self._asking.go_on())

    def take_out_of_queue(self, *, at_least: int) -> None:
        """Stop waiting for unfinished groups with this many answers; see store.prompt_states.

        Raises:
            UserError: answers are being written.
        """
        self._opened()
        self.problem = ("", "")
        self._asking.leave_queue(at_least=at_least)

    def forget_problem(self) -> None:
        """What went wrong last is told no more."""
        if any(self.problem):
            self.problem = ("", "")
            self.changed.emit()

    def cancel(self) -> None:
        """End the job; finished answers are kept."""
        if self.job is not None:
            self._context.jobs.cancel(self.job)
        self.changed.emit()

    def toggle_pause(self) -> None:
        """Hold the job with what is being written, or let it go on."""
        job = self.job
        if job is not None and job.paused:
            job.resume()
        elif job is not None:
            job.pause()

    def prompt_of(self, group: int) -> PromptId | None:
        """The prompt of a group of this job."""
        return self._prompt_of.get(group)

    def live(self, group: int) -> dict[int, Candidate]:
        """The answers of a group that are being written, by candidate."""
        if self.job is None:
            return {}
        found = self.job.progress_of.live
        return {candidate: known for (of, candidate), known in found.items() if of == group}

    @property
    def current_group(self) -> int | None:
        """The group that is written now."""
        return self.job.progress_of.current if self.job is not None else None

    @property
    def written_now(self) -> set[PromptId]:
        """The prompts that have an answer in the middle of being written."""
        groups = self.job.progress_of.written_now if self.job is not None else ()
        return {self._prompt_of[group] for group in groups if group in self._prompt_of}

    def _opened(self) -> Project:
        project = self._context.project
        if project is None:
            raise UserError("No project is open.", "Open one first.")
        if self.job is not None:
            raise UserError("Answers are being written already.", "Wait for them, or cancel first.")
        return project

    def _start(
        self, source: Source | None, *, load: commands.Load | None = None, on_loaded: Callable[[], None] = lambda: None
    ) -> None:
        self._project = self._context.project
        self.problem = ("", "")
        self.refused.clear()
        self._prompt_of.clear()
        self.process.log_folder = self._log_folder()
        job = GenerationJob(self._more, send=self.process.send, kill=self.process.kill, load=load, on_loaded=on_loaded)
        self.job = job
        self._take_from(source)
        job.changed.connect(self.changed)
        job.ended.connect(self._on_job_ended)
        self._context.jobs.submit(job)
        self._announce.start()
        self.active_changed.emit()

    def _take_from(self, source: Source | None) -> None:
        """The job answers what comes from there."""
        self._source = source
        self._on_came()

    def _more(self) -> list[commands.Generate]:
        """What the job is to do next: never so much that reading it would be felt."""
        project, source = self._project, self._source
        if project is None or source is None or project is not self._context.project:
            return []
        work: list[commands.Generate] = []
        while not work and (taken := source.take(project, _AT_ONCE)):
            groups = completions.get_groups(project, taken)
            self._prompt_of.update({group.id: group.prompt.id for group in groups})
            work = requests.commands_for(project, groups)
        self._note_plain_templates({command.base for command in work})
        return work

    def _on_came(self) -> None:
        """More is written into the project, or all of it."""
        job, source = self.job, self._source
        if job is not None and source is not None:
            job.may_come, job.progress_of.planned = source.is_open, source.answers
            try:
                job.came()
            except UserError as error:
                self._on_asking_failed(str(error))
        if job is None or isinstance(source, Asked):
            self._announce_soon()

    def _on_asking_failed(self, sentence: str) -> None:
        job = self.job
        if job is None:
            self._context.message.emit(sentence, "error")
            return
        job.problem = (sentence, "")
        self._context.jobs.cancel(job)

    def _on_stopped(self, prompts: int) -> None:
        count = "1 prompt was" if prompts == 1 else f"{prompts:,} prompts were"
        self._context.say(f"{count} not asked any more; Generate asks them.")

    def _on_left(self) -> None:
        self._context.groups_changed.emit()
        self.active_changed.emit()

    def _log_folder(self) -> Path:
        assert self._project is not None
        folder = self._project.folder / "runs"
        return folder if folder.is_dir() else Path(tempfile.gettempdir())

    def _on_events(self, batch: list[events.Event]) -> None:
        for event in batch:
            self.on_event(event)

    def on_event(self, event: events.Event) -> None:
        """Take in what the model process says."""
        if isinstance(event, events.ModelLoaded):
            self._loaded = event.base if event.adapter is None else None
            self._context.tell_device(event.device, event.dtype)
            if event.plain_template:
                self._plain.add(event.base)
                self._note_plain_templates([event.base])
        elif isinstance(event, events.Failed):
            self._loaded = None
        job = self.job
        if job is None or not job.owns(event):
            return
        if self._project is None or self._project is not self._context.project:
            job.handle(event)
            return
        try:
            if isinstance(event, events.CompletionFinished):
                completions.record(self._project, event)
            job.handle(event)
        except UserError as error:
            job.problem = (str(error), "")
            job.cancel()
            return
        if isinstance(event, events.CompletionFinished):
            self.answer_kept.emit(event)
        elif isinstance(event, TokenBurst):
            self.text_added.emit(event)
        elif isinstance(event, events.GroupFinished):
            self._end_group(event.group)
        elif isinstance(event, events.GroupRefused):
            prompt = self._prompt_of.get(event.group)
            if prompt is not None:
                self.refused[prompt] = f"{event.message} {event.hint}".strip()
            self._end_group(event.group)
        elif isinstance(event, events.Notice):
            self._context.say(event.message)

    def _note_plain_templates(self, bases: Iterable[str]) -> None:
        """Keep which models have no chat format of their own, so that their answers can be read with that in mind."""
        project = self._context.project
        known = plain_models(project) if project is not None else ()
        new = [base for base in bases if base in self._plain and base not in known]
        if project is not None and new:
            project.set_fact(_PLAIN_FACT, json.dumps([*known, *new]))

    def _end_group(self, group: int) -> None:
        self.group_ended.emit(group)
        self._announce_soon()

    def _announce_soon(self) -> None:
        if not self._announce.isActive():
            self._announce.start()

    def _announce_now(self) -> None:
        self.announces = self.job is not None
        try:
            self._context.groups_changed.emit()
        finally:
            self.announces = False

    def _on_worker_ended(self, sentence: str, details: str) -> None:
        self._loaded = None
        if self.job is not None:
            self.job.worker_ended(f"{sentence} Finished answers are kept; Continue goes on.", details)

    def _on_job_ended(self) -> None:
        job, self.job = self.job, None
        if job is not None and self._project is self._context.project:
            self.problem = job.problem
        self._source = None
        self._asking.stop()
        self._announce.stop()
        self._context.groups_changed.emit()
        self.active_changed.emit()

    def close(self) -> None:
        """The window is closed: nothing more is written."""
        self._asking.open(None)

    def _on_project_changed(self) -> None:
        self._asking.open(self._context.project)
        self.refused.clear()
        self.problem = ("", "")
        if self.job is not None:
            self._context.jobs.cancel(self.job)
        self._prompt_of = {}


def plain_models(project: Project) -> tuple[str, ...]:
    """The model references that were found to have no chat template."""
    try:
        return tuple(map(str, json.loads(project.fact(_PLAIN_FACT, "[]"))))
    except (TypeError, ValueError):
        return ()


def about_model(project: Project, group: Group) -> str:
    """Which model answers a group, and what is to be known of it."""
    if group.policy_id is None:
        return "imported"
    asked = [policies.get(project, policy_id) for policy_id in requests.policy_ids(group)]
    names = sorted(policy.name for policy in asked)  # in an order that does not tell whose an answer is
    plain = {policies.model_reference(project, policy) for policy in asked} & set(plain_models(project))
    return " and ".join(names) + (f"  ·  {_PLAIN}" if plain else "")

"""Judges on the Label page: the form, the job, the line under the answers, and the actions for all of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.judges import Judge, plain
from dpo_studio.core.types import Policy, PolicyId, Ranking
from dpo_studio.store import Project, judgements, policies, requests
from dpo_studio.ui.context import Context

from . import opinions
from .form import JudgeForm
from .job import JudgeJob
from .line import JudgeLine

FORM_FACT = "judge_form"
_COUNT_DELAY_MS = 150


class JudgeDesk(QObject):
    """Asks judges and shows what they say once the person has labelled. It writes no label of a person's.

    Args:
        page: what the form lies over, and whose keys start it.
        give_back: called when the keys belong to labelling again.
        place: puts the line where it belongs on the page.

    Attributes:
        line: what a judge says of the last label.
        actions: for the palette.
    """

    def __init__(
        self, context: Context, page: QWidget, give_back: Callable[[], None], *, place: Callable[[QWidget], None]
    ) -> None:
        super().__init__(page)
        self._context, self._page, self._give_back = context, page, give_back
        self._form: JudgeForm | None = None
        self.line = JudgeLine()
        place(self.line)
        self.job: JudgeJob | None = None
        self.ask = QAction("Ask a judge…", page)
        self.ask.setShortcut(QKeySequence("Ctrl+J"))
        self.ask.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.ask.triggered.connect(self.open_form)
        page.addAction(self.ask)
        self.show_it = QAction("Show what the judge says after each label", page)
        self.show_it.setCheckable(True)
        self.show_it.setChecked(True)
        self.show_it.triggered.connect(self._on_show_it)
        self.stop = QAction("Stop the judge", page)
        self.stop.triggered.connect(self.cancel)
        self.actions = [self.ask, self.show_it, self.stop]
        self._count = QTimer(self, singleShot=True, interval=_COUNT_DELAY_MS)
        self._count.timeout.connect(self._show_waiting)
        context.project_changed.connect(self.forget)
        self.forget()

    @property
    def form(self) -> JudgeForm:
        """The form, made when it is first wanted."""
        if self._form is None:
            self._form = JudgeForm(self._page)
            self._form.start_asked.connect(self.start)
            self._form.changed.connect(self._count.start)
            self._form.left.connect(self._on_left)
        return self._form

    # What the page says.

    def forget(self) -> None:
        """Another project is open, or none; or the label on screen is to be given again."""
        project = self._context.project
        self.stop.setEnabled(self.job is not None)
        shown = project is not None and opinions.wanted(project)
        self.show_it.setChecked(shown)
        known = opinions.judges(project) if project is not None and shown else {}
        if known:
            self.line.wait(known)
            self.line.show_agreement(opinions.agreement(project) if project is not None else None)
        else:
            self.line.hide()

    def labelled(self, label: Ranking | None) -> None:
        """A person has given this label: show what the judge says of it. None where one was taken back."""
        project = self._context.project
        if project is None or label is None:
            self.forget()
            return
        if not self.show_it.isChecked():
            return
        known = opinions.judges(project)
        if not known:
            self.line.hide()
            return
        verdict = opinions.of(project, label)
        if verdict is None or not any(said == "" for said in known.values()):
            self.line.wait(known)
        else:
            self.line.show_verdict(verdict)
        self.line.show_agreement(opinions.agreement(project))

    # What a person does.

    def open_form(self) -> None:
        """Show the form with what was chosen last."""
        project = self._context.project
        if project is None:
            return
        form = self.form
        form.model.show_policies(requests.known_policies(project))
        try:
            kept = json.loads(project.fact(FORM_FACT, "{}"))
        except ValueError:
            kept = {}
        form.show_choice(kept if isinstance(kept, dict) else {})
        form.principles.setPlainText(judgements.principles(project))
        self._show_waiting()
        form.open(form.kinds.checkedButton())

    def start(self) -> None:
        """Start the judge that the form describes."""
        project, form = self._context.project, self.form
        if project is None:
            return
        if self.job is not None:
            form.show_problem("A judge is at work already. Stop it in the bar below, or wait for its end.")
            return
        try:
            self._keep(project)
            judge = self.judge(project).validate()
            todo = judgements.waiting(project, judge, limit=form.limit.value() or None)
            if not todo:
                raise UserError(*judgements.why_nothing(project, judge))
        except UserError as error:
            form.show_problem(str(error))
            return
        job = self.job = JudgeJob(project, judge, todo)
        self.stop.setEnabled(True)
        job.ended.connect(lambda: self._on_ended(job))
        form.close_overlay()
        self._context.jobs.submit(job)

    def cancel(self) -> None:
        if self.job is not None:
            self._context.jobs.cancel(self.job)

    def shut_down(self) -> None:
        """The window is closed: end what the form asks of servers."""
        if self._form is not None:
            self._form.model.server_row.close_commands()

    def judge(self, project: Project) -> Judge:
        """The judge that the form describes, not yet checked.

        Raises:
            UserError: the model that is named cannot be used.
        """
        form = self.form
        if form.kind == "rules":
            return Judge("rules", rules=form.rules.chosen())
        principles, named = plain(form.principles.toPlainText()), form.model.named
        if named is not None:
            base = requests.model_reference(named)
            return Judge("model", base=base, model_name=requests.name_of(base), principles=principles)
        policy = _policy(project, form.model.policy_id)
        if policy is None:
            base = requests.STARTER
            return Judge("model", base=base, model_name=requests.name_of(base), principles=principles)
        return Judge(
            "model",
            base=policies.model_reference(project, policy),
            adapter=requests.adapter_path(project, policy),
            model_name=policy.name,
            principles=principles,
        )

    # Inside.

    def _keep(self, project: Project) -> None:
        """Keep what the form says in the project."""
        project.set_fact(FORM_FACT, json.dumps(self.form.choice()))
        written = plain(self.form.principles.toPlainText())
        if written != plain(judgements.principles(project)):
            project.set_fact(judgements.PRINCIPLES_FACT, written)

    def _on_left(self) -> None:
        project = self._context.project
        if project is not None:
            try:
                self._keep(project)
            except UserError as error:
                self._context.complain(error)
        self._give_back()

    def _show_waiting(self) -> None:
        project, form = self._context.project, self.form
        if project is None:
            return
        try:
            judge = self.judge(project).validate()
        except UserError:
            form.waiting.setText("")
            return
        number = judgements.count_waiting(project, judge)
        wait = "1 comparison waits for it" if number == 1 else f"{number:,} comparisons wait for it"
        form.waiting.setText(
            f"{wait}, but it goes by the order of the answers" if judgements.by_order(project, judge.name) else wait
        )

    def _on_show_it(self, wanted: bool) -> None:
        project = self._context.project
        if project is not None:
            try:
                opinions.set_wanted(project, wanted)
            except UserError as error:
                self._context.complain(error)
            self.forget()

    def _on_ended(self, job: JudgeJob) -> None:
        self.job = None
        sentence, details = job.problem
        if sentence and not details:
            self._context.message.emit(sentence, "error")
        elif not sentence and (job.done or not job.cancelled):
            self._context.message.emit(job.sentence(), "error" if job.by_order else "info")
        self.forget()
        self._context.rankings_changed.emit()
        if details:
            raise RuntimeError(f"{sentence}\n{details}")  # a bug: shown with what can be copied


def _policy(project: Project, policy_id: int | None) -> Policy | None:
    return None if policy_id is None else policies.get(project, PolicyId(policy_id))

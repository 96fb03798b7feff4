"""What comes next and for whom: joins the menus, the notice, the name's row and scoring to the session."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from dpo_studio.core.errors import UserError
from dpo_studio.store import annotators, scores
from dpo_studio.ui.context import Context
from dpo_studio.ui.exchange.commands import Commands
from dpo_studio.ui.settings_store import SettingsStore

from .bench import Bench
from .name_row import FIRST, OTHER, login_name
from .queue_notice import NO_DISPUTE
from .scoring import ScoringJob
from .session import Session
from .upcoming import ORDERS


class Queueing(QObject):
    """The order of the queue and the person it is for.

    Args:
        session: gives the session, or None.
        changed: called when something else comes next.
        begin: called when another person labels from now on.
        give_back: called when the keys belong to labelling again.
    """

    def __init__(
        self,
        context: Context,
        bench: Bench,
        session: Callable[[], Session | None],
        *,
        changed: Callable[[], None],
        begin: Callable[[], None],
        give_back: Callable[[], None],
    ) -> None:
        super().__init__(bench)
        self._context, self._bench, self._session = context, bench, session
        self._changed, self._begin, self._give_back = changed, begin, give_back
        self._kept: Callable[[], None] | None = None
        self.job: ScoringJob | None = None
        self._commands = Commands(self)
        bench.order_menu.order_chosen.connect(self.choose_order)
        bench.order_menu.share_chosen.connect(self._on_share)
        bench.people_menu.chosen.connect(self._on_named)
        bench.people_menu.other_wanted.connect(lambda: bench.name.ask(OTHER, ""))
        bench.name.named.connect(self._on_named)
        bench.name.cancelled.connect(self._on_name_cancelled)
        bench.notice.wanted.connect(self._on_wanted)
        context.policies_changed.connect(self._on_models_changed)
        context.runs_changed.connect(self._on_models_changed)
        context.project_changed.connect(self._on_project_changed)

    # Who labels.

    def recognise(self) -> None:
        """Label under this machine's name in a project where nobody labelled before."""
        project, name = self._context.project, SettingsStore().annotator
        if project is not None and name and not annotators.is_known(project):
            try:
                annotators.take_over(project, name)
            except UserError as error:
                self._context.complain(error)

    def must_ask(self, then: Callable[[], None]) -> bool:
        """Whether the first label of a person has to wait for their name; `then` gives it once that is known."""
        project, session = self._context.project, self._session()
        if project is not None and session is not None and annotators.named_elsewhere(project):
            session.label_as(project.annotator)
            self.refresh()
        if project is None or annotators.is_known(project) or SettingsStore().annotator:
            return False
        self._kept = then
        self._bench.name.ask(FIRST, login_name())
        return True

    def ask_people(self) -> None:
        project = self._context.project
        if project is not None:
            names = annotators.people(project)
            mine = SettingsStore().annotator
            if mine and mine not in names:
                names.append(mine)
            self._bench.people_menu.ask(names, project.annotator, self._bench.head.buttons["annotator"])

    def _on_named(self, name: str) -> None:
        project, session = self._context.project, self._session()
        if project is None or session is None:
            return
        before = project.annotator
        try:
            session.stash()
            name = annotators.take_over(project, name)
        except UserError as error:
            self._context.complain(error)
            return
        settings = SettingsStore()
        if not settings.annotator:
            settings.annotator = name
            settings.save()
        self._bench.name.hide()
        kept, self._kept = self._kept, None
        if kept is not None:
            session.label_as(name)
            self.refresh()
        elif name != before:
            self._begin()
            self._context.rankings_changed.emit()
        self._give_back()
        if kept is not None:
            kept()

    def _on_name_cancelled(self) -> None:
        if self._kept is not None:
            self._kept = None
            self._bench.order_bar.say("Not saved yet: give the label again and say who you are.", warning=True)
        self._give_back()

    # What comes next.

    def ask_order(self) -> None:
        session = self._session()
        if session is not None:
            self._bench.order_menu.ask(session.upcoming_groups.choice, self._bench.head.buttons["order"])

    def choose_order(self, name: str) -> None:
        """Take an order of `upcoming.ORDERS`."""
        self._choose(lambda session: session.choose(order=name))

    def refresh(self) -> None:
        """Show the order, the person and what stands in the way of the order."""
        project, session, notice = self._context.project, self._session(), self._bench.notice
        if project is None or session is None:
            notice.say("")
            self._bench.head.show_queue("", "")
            return
        order = session.upcoming_groups.choice.order
        self._bench.head.show_queue(dict(ORDERS)[order], session.annotator)
        if order == "informative":
            policy = scores.current_policy(project)
            progress = None if policy is None else scores.progress(project, session.annotator, policy.id)
            if progress is not None and not progress.waiting:
                notice.say("")
            else:
                notice.show_scores(policy, progress, self.job)
        elif order == "disputed" and not session.upcoming_groups.is_ordered:
            notice.say(NO_DISPUTE, "random")
        else:
            notice.say("")

    def _on_models_changed(self) -> None:
        """Another model may be the current one; what comes next goes by its scores then."""
        session = self._session()
        if session is not None and session.upcoming_groups.is_outdated:
            session.order_again()
            self._changed()
        self.refresh()

    def _on_share(self, percent: int) -> None:
        self._choose(lambda session: session.choose(repeats=percent))

    def _choose(self, take: Callable[[Session], None]) -> None:
        session = self._session()
        if session is None:
            return
        try:
            take(session)
        except UserError as error:
            self._context.complain(error)
            return
        self.refresh()
        self._changed()

    def _on_wanted(self, what: str) -> None:
        if what == "random":
            self.choose_order("random")
        elif what == "score":
            self.score()
        elif self.job is not None:
            self._context.jobs.cancel(self.job)
        self._give_back()

    def score(self) -> None:
        """Have what waits scored under the current policy, after the jobs before."""
        project = self._context.project
        policy = None if project is None else scores.current_policy(project)
        if project is None or policy is None or self.job is not None:
            return
        job = self.job = ScoringJob(project, policy, self._commands)
        job.changed.connect(self.refresh)
        job.ended.connect(self._on_scored)
        self._context.jobs.submit(job)
        self.refresh()

    def _on_scored(self) -> None:
        job, session = self.job, self._session()
        assert job is not None
        self.job = None
        if session is not None and session.upcoming_groups.choice.order == "informative":
            session.order_again()
            self._changed()
        self.refresh()
        if isinstance(job.problem, UserError):
            self._context.complain(job.problem)
        elif job.problem is not None:
            raise job.problem

    def _on_project_changed(self) -> None:
        self._kept = None
        self._bench.name.hide()
        if self.job is not None:
            self._context.jobs.cancel(self.job)

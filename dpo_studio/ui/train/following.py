"""The runs of the open project as the window follows them: feeds, jobs, how each stands, and adoption.

Nothing here is seen. Live runs are followed from the moment their project opens, before the page was ever shown;
closing the project or the window leaves training on.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Policy, Run, RunId
from dpo_studio.store import policies, runs
from dpo_studio.ui.context import Context

from . import standing
from .estimates import Measured
from .feed import RunFeed
from .job import TrainingJob
from .runs_list import RunEntry


class RunFollower(QObject):
    """All runs of the project, oldest first, and what is known of each.

    Signals:
        changed: a run came, moved on, or stands otherwise.
        feed_updated: (RunId) a run that is followed said something.
        run_over: (RunFeed) a run's worker has ended, and its `outcome` says how.
        job_ended: (RunId) a run's turn is over.
    """

    changed = Signal()
    feed_updated = Signal(object)
    run_over = Signal(object)
    job_ended = Signal(object)

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.runs: list[Run] = []
        self.feeds: dict[RunId, RunFeed] = {}
        self.jobs: dict[RunId, TrainingJob] = {}
        self._standings: dict[int, standing.Standing] = {}

    # -- the project -----------------------------------------------------------------------------

    def open_project(self) -> None:
        """Let go of the runs before, look at those of `context.project`, and follow the ones that live."""
        self._let_go()
        self._standings = {}
        self.look()

    def look(self) -> None:
        """Look at the runs anew: adopt what ended without us, follow what was started elsewhere."""
        self._read()
        for run in list(self.runs):
            now = self._standings.get(run.id)
            if now is not None and now.done is not None:
                self._adopt(run.id, now.done.adapter, now.done.best_step)
            elif now is not None and now.outcome.kept:
                self._adopt(run.id, now.outcome.kept)
            if now is not None and now.outcome.state == "running" and run.id not in self.feeds:
                self.follow(run, start_worker=False)
        self.changed.emit()

    def _read(self) -> None:
        """Read the rows anew, and how those runs stand that could have moved without us."""
        project = self.context.project
        self.runs = [] if project is None else runs.all_runs(project)
        for run in self.runs:
            known = self._standings.get(run.id)
            settled = known is not None and known.outcome.state in ("finished", "stopped")
            if project is not None and run.id not in self.feeds and not settled:
                self._standings[run.id] = standing.of(project.folder / run.folder)

    def run(self, run_id: RunId | None) -> Run | None:
        """The run of this id, as the database has it."""
        found = next((run for run in self.runs if run.id == run_id), None)
        if found is None and run_id is not None and self.context.project is not None:
            self._read()
            found = next((run for run in self.runs if run.id == run_id), None)
        return found

    def measured(self) -> list[Measured]:
        """What the finished runs took."""
        project = self.context.project
        known: dict[int, Policy] = {p.id: p for p in policies.all_policies(project)} if project else {}
        return standing.measured(self.runs, known, self._standings)

    # -- following -------------------------------------------------------------------------------

    def follow(self, run: Run, *, start_worker: bool) -> None:
        """Queue a run as a job: with its worker still to start, or living already."""
        old = self.feeds.pop(run.id, None)
        if old is not None:
            old.detach()
        feed = self._new_feed(run, start_worker=start_worker, lives=True)
        job = TrainingJob(feed)
        self.jobs[run.id] = job
        job.changed.connect(self.changed)
        # A bound method, which Qt holds weakly: a lambda would make the job own whatever owns the job.
        job.ended.connect(self._on_any_job_ended)
        self.context.jobs.submit(job)
        self.changed.emit()

    def feed(self, run: Run) -> RunFeed:
        """The run's feed; an old run is read when it is first asked for."""
        feed = self.feeds.get(run.id)
        if feed is None:
            feed = self._new_feed(run)
            feed.begin()
        return feed

    def waits(self, run_id: RunId) -> bool:
        """Whether a run waits for the accelerator."""
        return run_id in self.jobs and self.jobs[run_id].state == "waiting"

    def live_run(self) -> RunId | None:
        """The run that trains or waits to, if there is one."""
        return next(iter(self.jobs), None)

    def entries(self) -> list[RunEntry]:
        """The lines of the list, newest run first."""
        return [self._entry(run) for run in reversed(self.runs)]

    def badge(self) -> str:
        """What the rail shows."""
        for run_id, job in self.jobs.items():
            feed = self.feeds[run_id]
            if job.state != "running":
                continue
            if not feed.record.steps:
                return "● running"
            return f"{'‖' if feed.asked == 'pause' else '●'} {feed.record.step}/{feed.record.steps}"
        return "queued" if self.jobs else ""

    # -- inside ----------------------------------------------------------------------------------

    def _let_go(self) -> None:
        jobs, feeds = list(self.jobs.values()), list(self.feeds.values())
        self.feeds, self.jobs = {}, {}
        for feed in feeds:
            feed.detach()
        # Those that wait leave the queue first, or the end of the running one would start them.
        for job in sorted(jobs, key=lambda job: job.state != "waiting"):
            job.finish()

    def _new_feed(self, run: Run, *, start_worker: bool = False, lives: bool = False) -> RunFeed:
        assert self.context.project is not None
        folder = self.context.project.folder / run.folder
        feed = RunFeed(run.id, run.name, folder, start_worker=start_worker, lives=lives)
        feed.updated.connect(self._on_updated)
        feed.ended.connect(self._on_ended)
        self.feeds[run.id] = feed
        return feed

    def _on_updated(self, run_id: RunId) -> None:
        feed = self.feeds.get(run_id)
        if feed is None:
            return
        if feed.live and feed.record.started is not None:
            self.context.tell_device(feed.record.started.device, feed.record.started.dtype)
        if feed.record.done is not None:
            self._adopt(run_id, feed.record.done.adapter, feed.record.done.best_step)
        elif feed.outcome is not None and feed.outcome.kept:
            self._adopt(run_id, feed.outcome.kept)
        self.feed_updated.emit(run_id)

    def _on_ended(self, run_id: RunId) -> None:
        feed = self.feeds.get(run_id)
        if feed is None or feed.outcome is None:
            return
        parameters = feed.record.started.parameters if feed.record.started else 0
        done = feed.record.done if feed.outcome.state in ("finished", "stopped") else None
        self._standings[run_id] = standing.Standing(feed.outcome, done, parameters)
        self.changed.emit()

    def _on_any_job_ended(self) -> None:
        for run_id in [run_id for run_id, job in self.jobs.items() if job.state == "ended"]:
            self._on_job_ended(run_id)

    def _on_job_ended(self, run_id: RunId) -> None:
        del self.jobs[run_id]
        feed = self.feeds.get(run_id)
        if feed is not None and feed.outcome is not None:
            self.run_over.emit(feed)
        elif feed is not None and not feed.begun:
            # Taken out of the queue: it is read as what it is, a run that never started.
            del self.feeds[run_id]
            run = self.run(run_id)
            if run is not None:
                self.feed(run)
        self.job_ended.emit(run_id)
        self.changed.emit()

    def _adopt(self, run_id: RunId, adapter: str, best_step: int = 0) -> None:
        """Make the run's adapter a policy, the first time it is seen."""
        project, run = self.context.project, self.run(run_id)
        if project is None or run is None or run.result_policy_id is not None or not adapter:
            return
        if not (project.folder / run.folder / adapter).is_dir():
            return
        try:
            runs.adopt(project, run, adapter, best_step=best_step)
        except UserError as error:
            self.context.complain(error)
            return
        self.runs = runs.all_runs(project)
        self.context.policies_changed.emit()

    def _entry(self, run: Run) -> RunEntry:
        feed, now = self.feeds.get(run.id), self._standings.get(run.id)
        if self.waits(run.id):
            return RunEntry(run.id, run.name, "waiting")
        if run.id in self.jobs and feed is not None and feed.live:
            state = "paused" if feed.asked == "pause" else "running"
            steps = f"step {feed.record.step} of {feed.record.steps}" if feed.record.steps else ""
            return RunEntry(run.id, run.name, state, steps)
        if feed is not None and feed.outcome is not None:
            return RunEntry(run.id, run.name, feed.outcome.state)
        return RunEntry(run.id, run.name, now.outcome.state if now else "new")

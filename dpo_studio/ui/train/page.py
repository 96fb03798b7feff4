"""The Train page: the list of runs, the form of a new one, and the view of one, joined to the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import PolicyId, Run, RunId
from dpo_studio.store import policies, rankings, runs
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.first_step import first_step
from dpo_studio.ui.page import KeyHelp, Page
from dpo_studio.ui.settings_store import SettingsStore
from dpo_studio.ui.widgets.kept_splitter import KeptSplitter

from . import slower, wording
from .feed import RunFeed
from .following import RunFollower
from .measuring import Measuring
from .runs_list import RunsList
from .setup_view import SetupView

if TYPE_CHECKING:
    from .run_view import RunView

LIST_WIDTH = 210


class TrainPage(Page):
    """Set up a run, watch it, read what it did, go on with it."""

    name = "train"
    title = "Train"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self.follower = RunFollower(context, self)
        self.follower.changed.connect(self._on_follower_changed)
        self.follower.feed_updated.connect(self._on_feed_updated)
        self.follower.run_over.connect(self._on_run_over)
        self.follower.job_ended.connect(self._on_data_changed)
        self._settings = SettingsStore()
        self._shown: RunId | None = None
        self._overlays: list[RunId] = []
        self._data_is_old = True
        context.project_changed.connect(self._on_project_changed)
        context.rankings_changed.connect(self._on_data_changed)
        context.groups_changed.connect(self._on_data_changed)
        context.prompts_changed.connect(self._on_data_changed)
        context.policies_changed.connect(self._on_policies_changed)
        context.runs_changed.connect(self._on_runs_changed)
        if context.project is not None:
            self.follower.open_project()

    # -- what the window asks --------------------------------------------------------------------

    def build(self) -> None:
        self.list = RunsList()
        self.list.chosen.connect(self.show_run)
        self.setup = SetupView()
        self.setup.train_asked.connect(self.train)
        self.setup.page_wanted.connect(self.context.page_wanted)
        self.setup.judges.changed.connect(self._show_data)
        self.measuring = Measuring(self.context, self.setup, self)
        self.view: RunView | None = None
        self.stack = QStackedWidget()
        self.stack.addWidget(self.setup)
        self._side = QWidget()
        self._side.setMinimumWidth(150)
        side_layout = QVBoxLayout(self._side)
        side_layout.setContentsMargins(theme.SPACE_L, theme.SPACE_XL, 0, theme.SPACE_L)
        side_layout.addWidget(self.list)
        splitter = KeptSplitter("train", Qt.Orientation.Horizontal)
        splitter.addWidget(self._side)
        splitter.addWidget(self.stack)
        splitter.setStretchFactor(1, 1)
        splitter.begin([LIST_WIDTH, 900])
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        self._make_actions()
        self._show_policies()
        self._show_data()
        self._show_last()

    def badge(self) -> str:
        return self.follower.badge()

    def key_help(self) -> list[KeyHelp]:
        return [
            KeyHelp("Ctrl+Enter", "Train with the settings shown, or resume the run shown"),
            KeyHelp("Ctrl+Shift+P", "Pause the run, or let it go on"),
            KeyHelp("Ctrl+Shift+T", "New training"),
            KeyHelp("← →", "In the curves: read the values step by step; Esc ends that"),
            KeyHelp("Ctrl+Shift+R", "In the curves: the whole run in view again"),
        ]

    def actions_for_palette(self) -> list[QAction]:
        return list(self._actions)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self.built:
            return
        self.follower.look()
        if self._data_is_old:
            self._show_data()

    # -- what a person does ----------------------------------------------------------------------

    def train(self) -> Run | None:
        """Make a run of what the form says and queue it."""
        project, policy_id = self.context.project, self.setup.policy_id()
        if project is None or policy_id is None:
            return None
        try:
            run = runs.create(
                project,
                policies.get(project, policy_id),
                self.setup.settings(),
                judges=self.setup.judges.value,
            )
        except UserError as error:
            self.context.complain(error)
            return None
        self.measuring.cancel()
        self.follower.follow(run, start_worker=True)
        self.context.runs_changed.emit()
        self.show_run(run.id)
        return run

    def resume(self) -> None:
        """Start the worker of the run shown again; it goes on from its last checkpoint."""
        run = self.follower.run(self._shown)
        if run is not None and run.id not in self.follower.jobs:
            self.measuring.cancel()
            self.follower.follow(run, start_worker=True)
            self.show_run(run.id)
            self._run_view().pause_button.setFocus()  # Resume, which had it, is gone

    def train_slower(self) -> None:
        """Show the form with the settings of the run shown and a lower learning rate, for its numbers ran away."""
        run = self.follower.run(self._shown)
        if run is not None:
            self._show_policies(run.policy_id)
            self.setup.take(slower.settings_after(run), slower.reason(run))
            self.show_run(None)
            self.setup.train_button.setFocus()

    def show_run(self, run_id: RunId | None) -> None:
        """Show a run, or the form of a new one, and remember it for the next window."""
        run = self.follower.run(run_id)
        self._settings.shown_run = "" if run is None else run.uuid
        self._show(run)

    def _show_last(self) -> None:
        """Show what trains, or else what was shown last."""
        live, last = self.follower.live_run(), self._settings.shown_run
        kept = next((run for run in self.follower.runs if run.uuid == last), None)
        self._show(kept if live is None else self.follower.run(live))

    def _show(self, run: Run | None) -> None:
        self._shown = run.id if run is not None else None
        self._overlays = []
        if run is None:
            self.stack.setCurrentWidget(self.setup)
        else:
            view = self._run_view()
            view.show_run(run, self.follower.feed(run), waiting=self.follower.waits(run.id))
            others = [other for other in self.follower.runs if other.id != run.id]
            view.curves.set_choices([(other.id, other.name, False) for other in others])
            view.curves.show_overlays([])
            self.stack.setCurrentWidget(view)
        self._show_list()

    # -- news ------------------------------------------------------------------------------------

    def _on_project_changed(self) -> None:
        self._shown, self._overlays = None, []
        self.follower.open_project()
        if self.built:
            self._show_policies()
            self._show_data()
            self._show_last()

    def _on_follower_changed(self) -> None:
        self.badge_changed.emit()
        if not self.built:
            return
        self._show_list()
        run = self.follower.run(self._shown)
        if self.view is None or run is None:
            return
        feed = self.follower.feed(run)
        if feed is not self.view.feed:
            self.view.show_run(run, feed, waiting=self.follower.waits(run.id))
        else:
            self.view.show_waiting(self.follower.waits(run.id))

    def _on_feed_updated(self, run_id: RunId) -> None:
        if self.built and run_id in self._overlays:
            self._show_overlays()

    def _on_run_over(self, feed: RunFeed) -> None:
        """Say how the run ended, unless the person looks at it, where the same sentence stands."""
        if feed.outcome is None or (self._shown == feed.run_id and self.isVisible() and self.isActiveWindow()):
            return
        text = wording.ending(feed.name, feed.outcome, feed.record)
        if feed.outcome.state in ("finished", "stopped"):
            self.context.say(text)
        else:
            self.context.complain(UserError(text))

    def _on_runs_changed(self) -> None:
        self.follower.look()

    def _on_policies_changed(self) -> None:
        if self.built:
            self._show_policies()

    def _on_data_changed(self) -> None:
        self._data_is_old = True
        if self.built and self.isVisible():
            self._show_data()

    # -- showing ---------------------------------------------------------------------------------

    def _show_data(self) -> None:
        project = self.context.project
        self._data_is_old = False
        if project is None:
            self.setup.show_data(None)
        else:
            self.setup.judges.show_judges(rankings.judge_names(project))
            data = runs.training_data(project, judges=self.setup.judges.value)
            words, button, page = first_step(project)
            self.setup.no_labels = f"{wording.NOTHING_YET}{words}", button, page
            self.setup.show_data(data, self.follower.measured())

    def _show_policies(self, chosen: PolicyId | None = None) -> None:
        project = self.context.project
        self.setup.show_policies([] if project is None else policies.all_policies(project), chosen)

    def _show_list(self) -> None:
        entries = self.follower.entries()
        self.list.show_runs(entries, self._shown)
        self._side.setVisible(bool(entries))

    def _run_view(self) -> RunView:
        """The view of a run, made when the first one is shown: it brings the plots."""
        if self.view is None:
            from .run_view import RunView

            self.view = RunView()
            self.view.resume_asked.connect(self.resume)
            self.view.policy_wanted.connect(self._on_policy_wanted)
            self.view.round_asked.connect(self._on_round_asked)
            self.view.slower_asked.connect(self.train_slower)
            self.view.complained.connect(self.context.complain)
            self.view.said.connect(self.context.say)
            self.view.curves.overlay_toggled.connect(self._on_overlay_toggled)
            self.stack.addWidget(self.view)
        return self.view

    def _on_policy_wanted(self, page: str) -> None:
        self.context.page_wanted.emit(page)
        if (run := self.follower.run(self._shown)) is not None:
            self.context.run_wanted.emit(page, run)

    def _on_round_asked(self) -> None:
        run = self.follower.run(self._shown)
        self._show_policies(run.result_policy_id if run else None)
        self.show_run(None)
        self.setup.train_button.setFocus()

    def _on_overlay_toggled(self, run_id: RunId, on: bool) -> None:
        run = self.follower.run(run_id)
        if run is None:
            return
        if on and run_id not in self._overlays:
            self._overlays.append(run_id)
            self.follower.feed(run)
        elif not on and run_id in self._overlays:
            self._overlays.remove(run_id)
        self._show_overlays()

    def _show_overlays(self) -> None:
        if self.view is not None:
            feeds = [self.follower.feeds[run_id] for run_id in self._overlays if run_id in self.follower.feeds]
            self.view.curves.show_overlays([(feed.name, feed.record) for feed in feeds])

    # -- actions ---------------------------------------------------------------------------------

    def _make_actions(self) -> None:
        def action(text: str, does: object, keys: str = "") -> QAction:
            made = QAction(text, self)
            if keys:
                made.setShortcut(QKeySequence(keys))
                made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            made.triggered.connect(lambda: does())  # type: ignore[operator]
            self.addAction(made)
            return made

        self._actions = [
            action("Train or resume", self._train_or_resume, "Ctrl+Return"),
            action("Pause training, or go on", lambda: self._with_view("toggle_pause"), "Ctrl+Shift+P"),
            action("Stop training and keep what it learnt", lambda: self._with_view("stop")),
            action("New training", lambda: self.show_run(None), "Ctrl+Shift+T"),
            action("Advanced training settings", self._toggle_advanced),
            action("Reset the curves' view", lambda: self._with_curves("reset_view"), "Ctrl+Shift+R"),
            action("Save the curves…", lambda: self._with_curves("ask_where_to_save")),
        ]

    def _train_or_resume(self) -> None:
        if self._shown is None:
            self.setup.ask_to_train()
        elif self.view is not None and self.view.can_resume:
            self.resume()
        elif self.view is not None and self.view.slower_button.isVisible():
            self.train_slower()

    def _toggle_advanced(self) -> None:
        self.show_run(None)
        self.setup.disclosure.toggle()

    def _with_view(self, method: str) -> None:
        if self.view is not None and self._shown is not None:
            getattr(self.view, method)()

    def _with_curves(self, method: str) -> None:
        if self.view is not None and self._shown is not None:
            getattr(self.view.curves, method)()

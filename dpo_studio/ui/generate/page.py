"""Generate: prompts in, answers streaming out, nothing finished ever lost."""

from __future__ import annotations

import json
from collections.abc import Sequence

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Policy, PolicyId, PromptId, Run
from dpo_studio.store import completions, policies, prompt_search, requests
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.page import KeyHelp, Page
from dpo_studio.ui.prompt_list.listing import Listing
from dpo_studio.ui.prompt_list.rows import Remark

from .actions import KEY_HELP, add_actions
from .answering import Answering
from .asking import Wish
from .counts import Counts
from .following import Follower
from .other_models import STARTER
from .thread import TokenBurst
from .work_view import EmptyView, WorkView

SETTINGS_FACT, SPREAD_FACT = "generate_settings", "generate_spread"
#: The rail counts no further.
_MOST_COUNTED = 10_000


class GeneratePage(Page):
    """The page of the rail. What it starts goes on while another page is shown."""

    name = "generate"
    title = "Generate"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self.answering = Answering(context, self)
        self._counts = Counts()
        self._to_choose: Sequence[int] | None = None
        self._remarked: tuple[set[PromptId], bool, int] = (set(), False, 0)
        self._stale = True
        self._refresh_later = QTimer(self)
        self._refresh_later.setSingleShot(True)
        self._refresh_later.timeout.connect(self._refresh)
        context.project_changed.connect(self._on_project_changed)
        context.prompts_changed.connect(self._on_prompts_changed)
        for signal in (context.groups_changed, context.rankings_changed):
            signal.connect(self._on_rows_changed)
        context.policies_changed.connect(self._show_policies)
        context.prompts_chosen.connect(self._on_prompts_chosen)
        context.run_wanted.connect(self._on_run_wanted)
        self.answering.changed.connect(self._show_job)
        self.answering.active_changed.connect(self._on_active_changed)
        self.answering.text_added.connect(self._on_text_added)
        self.answering.answer_kept.connect(self._on_answer_kept)
        self.answering.group_ended.connect(self._on_group_ended)

    # What the window asks for

    def badge(self) -> str:
        """What waits for answers, with a dot while they are being written."""
        project = self.context.project
        count = completions.count_unfinished(project, at_most=_MOST_COUNTED + 1) if project is not None else 0
        waiting = f"{count:,} waiting" if count <= _MOST_COUNTED else f"over {_MOST_COUNTED:,} waiting"
        if self.answering.job is not None:
            return f"● {waiting}" if count else "● generating"
        return waiting if count else ""

    def key_help(self) -> list[KeyHelp]:
        return list(KEY_HELP)

    def actions_for_palette(self) -> list[QAction]:
        return self.actions()

    def build(self) -> None:
        self._empty, self.work = EmptyView(), WorkView()
        self.form, self.table, self.view, self.queue = self.work.form, self.work.table, self.work.view, self.work.queue
        self.follower = Follower(self.context, self.answering, table=self.table, view=self.view, parent=self)
        self.listing = Listing(self.context, self.table, parent=self)
        self._stack = QStackedWidget()
        for widget in (self._empty, self.work):
            self._stack.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme.SPACE_XL] * 4)
        layout.addWidget(self._stack, 1)
        self._make_actions()
        self._connect()
        self.setAcceptDrops(True)
        self._on_project_changed()

    def _make_actions(self) -> None:
        add_actions(
            self,
            (
                ("Generate answers", "Ctrl+Return", self.generate),
                ("Write a prompt…", "Ctrl+T", lambda: self.add_prompts("write")),
                ("Paste prompts…", "Ctrl+V", lambda: self.add_prompts("paste")),
                ("Starter prompts…", "", lambda: self.add_prompts("starters")),
                ("Import prompts…", "Ctrl+I", lambda: self.add_prompts("import")),
                ("Continue unfinished prompts", "", self.go_on),
                ("Label what is there", "", self.accept_as_is),
                ("Stop waiting for unfinished prompts", "", self.stop_waiting),
                ("Pause generating, or go on", "Ctrl+Shift+P", self.answering.toggle_pause),
                ("Cancel generating", "Ctrl+.", self.answering.cancel),
                ("Answers from a server…", "", self.choose_server),
                ("Show or hide the numbers of sampling", "", self.form.numbers_button.toggle),
                ("Show covered answers", "", self.follower.uncover),
                ("Clear the selection", "Esc", self._clear_selection),
            ),
        )

    def _connect(self) -> None:
        for view in (self._empty, self.work):
            for way, button in view.adding.items():
                button.clicked.connect(lambda _checked=False, way=way: self.add_prompts(way))
        self.listing.changed.connect(self._on_list_changed)
        self.work.generate_button.clicked.connect(self.generate)
        self.work.clear_button.clicked.connect(self._clear_selection)
        self.view.follow_button.clicked.connect(self._clear_selection)
        self.form.changed.connect(self._show_request)
        self.form.model.server_row.asked.connect(self.answering.forget_problem)
        self.table.picked.connect(self._on_picked)
        self.queue.pause_wanted.connect(self.answering.toggle_pause)
        self.queue.cancel_wanted.connect(self.answering.cancel)
        self.queue.continue_wanted.connect(self.go_on)
        self.queue.accept_wanted.connect(self.accept_as_is)
        self.queue.give_up_wanted.connect(self.stop_waiting)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.built and self._stale:
            self._refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.context.project is not None and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = next((url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()), "")
        if path:
            self.add_prompts("import", path)

    def shut_down(self) -> None:
        """The window is closed: end what is read and asked."""
        self.answering.close()
        if self.built:
            self.listing.close()

    # What a person does

    def add_prompts(self, way: str, source: str = "") -> None:
        """Go to where prompts come in; see `Context.adding_wanted`."""
        self.context.adding_wanted.emit(way, source, self.name)

    def generate(self) -> None:
        """Ask for answers to the selected prompts, or to all that have none."""
        project, count = self.context.project, self._target_count
        if project is None or not count or self.answering.job is not None or self.form.show_problems():
            return
        settings, spread, others = self.form.settings(), self.form.mix.spread_name, self.form.mix.others.ids
        chosen = self.table.selected_ids() or None
        try:
            project.set_fact(SETTINGS_FACT, json.dumps(settings.to_json()))
            project.set_fact(SPREAD_FACT, spread)
            other = self.form.model.named
            self.follower.follows = True
            asked = [self._policy(one) for one in others]
            self.form.model.server_row.forget_problem()
            if other is not None:
                base = requests.model_reference(other)
                wish = Wish(chosen, count, settings, asked, spread)
                self.answering.generate_with(wish, base, on_known=self.form.model.select_policy)
            else:
                first = self.form.model.policy_id
                asked.insert(0, self._policy(STARTER if first is None else first))
                self.answering.generate(Wish(chosen, count, settings, asked, spread))
            if self.form.model.policy_id is None or STARTER in others:
                self.context.policies_changed.emit()
        except UserError as error:
            self.context.complain(error)
            return
        self.table.clearSelection()
        self.table.setFocus()

    def _policy(self, chosen: int | str) -> Policy:
        """The policy of an id, or the starter's, which joins the project when it is first used."""
        project = self.context.project
        assert project is not None
        return requests.starter_policy(project) if chosen == STARTER else policies.get(project, PolicyId(int(chosen)))

    def choose_server(self) -> None:
        """Go to where a model behind a server is named."""
        self._show_stack()
        self.form.model.choose_server()

    def go_on(self) -> None:
        """Ask for what the unfinished prompts miss."""
        self.follower.follows = True
        try:
            self.answering.go_on()
        except UserError as error:
            self.context.complain(error)

    def accept_as_is(self) -> None:
        """Send unfinished prompts with two or more answers to Label."""
        self._leave_queue(at_least=2)

    def stop_waiting(self) -> None:
        """Empty the queue; finished answers are kept."""
        self._leave_queue(at_least=0)

    def _leave_queue(self, *, at_least: int) -> None:
        try:
            self.answering.take_out_of_queue(at_least=at_least)
        except UserError as error:
            self.context.complain(error)

    def _clear_selection(self) -> None:
        self.table.clearSelection()
        self.follower.follow()

    # What is shown

    def _on_project_changed(self) -> None:
        self.badge_changed.emit()
        if not self.built:
            return
        self.follower.forget()
        project, kept = self.context.project, {}
        try:
            kept = json.loads(project.fact(SETTINGS_FACT, "{}")) if project is not None else {}
        except ValueError:
            pass
        self.form.restore(kept if isinstance(kept, dict) else {})
        self.form.mix.choose_spread(project.fact(SPREAD_FACT) if project is not None else "")
        self._counts, self._to_choose = Counts(), None
        self.form.show_policies([("", None)])  # another project's models have the same numbers as others here
        self._show_policies()
        self.listing.open(project)
        self._refresh()

    def _on_rows_changed(self) -> None:
        self.badge_changed.emit()
        if self.answering.announces and self.built:
            self.table.rows.forget()  # counts are taken when all is written
            return
        self._stale = True
        if self.built and self.isVisible() and not self._refresh_later.isActive():
            self._refresh_later.start(50)

    def _on_prompts_changed(self) -> None:
        if self.built:
            self.listing.refresh()
        self._on_rows_changed()

    def _refresh(self) -> None:
        """Read states and counts again; what is in sight at once."""
        self._stale = False
        self._refresh_later.stop()
        if not self.built:
            return
        self.table.rows.forget()
        self._show_remarks()
        self._show_stack()
        self.follower.show(self.follower.shown)
        self._show_request()
        self._show_job()
        self.listing.ask("counts", Counts.of, self._on_counted)

    def _on_counted(self, counts: Counts) -> None:
        self._counts = counts
        self._show_request()
        self._show_job()

    def _on_list_changed(self) -> None:
        self._show_stack()
        if self._to_choose is not None and self.listing.complete:
            chosen, self._to_choose = self._to_choose, None
            self.table.select(chosen)
            self.work.generate_button.setFocus()
        self._show_request()

    def _show_stack(self) -> None:
        project = self.context.project
        none = project is None or not prompt_search.totals(project)[0]
        self._stack.setCurrentWidget(self._empty if none else self.work)

    def _show_policies(self) -> None:
        project = self.context.project
        if self.built and project is not None:
            self.form.show_policies(requests.known_policies(project))

    def _on_run_wanted(self, page: str, run: Run) -> None:
        project = self.context.project
        if page == self.name and self.built and project is not None and run.result_policy_id is not None:
            self._show_policies()
            self.form.model.select_policy(policies.get(project, run.result_policy_id))

    @property
    def _target_count(self) -> int:
        """How many prompts are selected, or are without answers where none is."""
        return self.table.selected_count() or self._counts.unanswered or 0

    def _on_active_changed(self) -> None:
        self.badge_changed.emit()
        self._refresh()

    def _show_request(self) -> None:
        """What Generate would do now."""
        selected, targets, active = self.table.selected_count(), self._target_count, self.answering.job is not None
        count = "1 prompt" if targets == 1 else f"{targets:,} prompts"
        k = self.form.k.value()
        button = self.work.generate_button
        button.setText(f"Generate {k} answers for {count}" if targets else f"Generate {k} answers")
        button.setEnabled(bool(targets) and not active)
        none_left = self._counts.unanswered == 0 and not selected and not active
        how = "has answers or waits for them" if self._counts.waiting.groups else "has answers"
        self.work.hint.setText(f"Every prompt {how}. Select some in the list to draw others." if none_left else "")
        self.work.show_count(self.table.rows.rowCount(), selected, without_answers=0 if selected else targets)
        self.work.clear_button.setVisible(bool(selected))

    def _show_job(self) -> None:
        """How the job stands, or what waits."""
        if not self.built:
            return
        job = self.answering.job
        paused = job is not None and job.paused
        self._show_remarks()
        self.view.cards.set_paused(paused)
        self.view.follow_button.setVisible(self.answering.current_group is not None and not self.follower.follows)
        if job is None:
            self.queue.show_queue(self._counts.waiting, self.answering.problem)
        else:
            self.queue.show_job(job, self.context.jobs.running)

    def _show_remarks(self) -> None:
        """Say in the list what is being written and what was refused."""
        job, writing, refused = self.answering.job, self.answering.written_now, self.answering.refused
        paused = job is not None and job.paused
        if self._remarked == (writing, paused, len(refused)):
            return
        self._remarked = (writing, paused, len(refused))
        remarks: dict[PromptId, Remark] = {prompt: ("refused", reason) for prompt, reason in refused.items()}
        remarks.update((prompt, ("paused" if paused else "writing…", "")) for prompt in writing)
        self.table.rows.remark(remarks)

    def _on_text_added(self, burst: TokenBurst) -> None:
        if self.built:
            self.follower.take_text(burst)

    def _on_answer_kept(self, event: events.CompletionFinished) -> None:
        self._update_state(self.answering.prompt_of(event.group))
        if self.built:
            self.follower.show_candidate(event.group, event.candidate)

    def _on_group_ended(self, group: int) -> None:
        prompt = self.answering.prompt_of(group)
        self._update_state(prompt)
        if self.built:
            self._show_remarks()
            if prompt is not None and prompt == self.follower.shown:
                self.follower.show(prompt)

    def _update_state(self, prompt: PromptId | None) -> None:
        if prompt is not None and self.built:
            self.table.rows.forget_one(prompt)

    def _on_prompts_chosen(self, chosen: Sequence[int]) -> None:
        self.ensure_built()
        self._to_choose = chosen
        self.listing.refresh()
        self._refresh()

    def _on_picked(self) -> None:
        current = self.table.current_id() if self.table.selected_count() else None
        if current is not None and current != self.follower.shown:
            self.follower.follows = self.answering.job is None
            self.follower.show(current)
        self._show_request()
        self._show_job()

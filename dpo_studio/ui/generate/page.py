"""Generate: prompts in, answers streaming out, nothing finished ever lost."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QStackedWidget, QVBoxLayout, QWidget

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.prompt_files import Conversation
from dpo_studio.core.types import Policy, PolicyId, Prompt, PromptId
from dpo_studio.store import completions, policies, prompt_states, prompts, requests
from dpo_studio.store.prompt_states import PromptState
from dpo_studio.ui import theme
from dpo_studio.ui.context import Context
from dpo_studio.ui.page import KeyHelp, Page

from .actions import KEY_HELP, add_actions
from .answering import Answering, add_prompts
from .following import Follower
from .mix import STARTER
from .prompt_panels import ImportPanel, Panel, TypePanel
from .thread import TokenBurst
from .work_view import EmptyView, WorkView

SETTINGS_FACT, SPREAD_FACT = "generate_settings", "generate_spread"


class GeneratePage(Page):
    """The page of the rail. What it starts goes on while another page is shown."""

    name = "generate"
    title = "Generate"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self.answering = Answering(context, self)
        self._states: dict[PromptId, PromptState] = {}
        self._stale = True
        self._refresh_later = QTimer(self)
        self._refresh_later.setSingleShot(True)
        self._refresh_later.timeout.connect(self._refresh)
        context.project_changed.connect(self._on_project_changed)
        for signal in (context.prompts_changed, context.groups_changed, context.rankings_changed):
            signal.connect(self._on_rows_changed)
        context.policies_changed.connect(self._show_policies)
        context.prompts_chosen.connect(self._on_prompts_chosen)
        self.answering.changed.connect(self._show_job)
        self.answering.active_changed.connect(self._on_active_changed)
        self.answering.text_added.connect(self._on_text_added)
        self.answering.answer_kept.connect(self._on_answer_kept)
        self.answering.group_ended.connect(self._on_group_ended)

    # What the window asks for

    def badge(self) -> str:
        """What waits for answers, with a dot while they are being written."""
        project = self.context.project
        waiting = completions.count_unfinished(project) if project is not None else 0
        if self.answering.job is not None:
            return f"● {waiting} waiting" if waiting else "● generating"
        return f"{waiting} waiting" if waiting else ""

    def key_help(self) -> list[KeyHelp]:
        return list(KEY_HELP)

    def actions_for_palette(self) -> list[QAction]:
        return self.actions()

    def build(self) -> None:
        self._empty, self.work = EmptyView(), WorkView()
        self.form, self.table, self.view, self.queue = self.work.form, self.work.table, self.work.view, self.work.queue
        self.follower = Follower(self.context, self.answering, table=self.table, view=self.view, parent=self)
        self.type_panel, self.import_panel = TypePanel(), ImportPanel()
        self._stack = QStackedWidget()
        for widget in (self._empty, self.work, self.type_panel, self.import_panel):
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
                ("Generate answers", "Ctrl+Return", self._on_go),
                ("Type prompts", "Ctrl+T", self.type_prompts),
                ("Import prompts…", "Ctrl+I", self.choose_file),
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
            view.type_button.clicked.connect(self.type_prompts)
            view.import_button.clicked.connect(self.choose_file)
        for panel in (self.type_panel, self.import_panel):
            panel.closed.connect(self._show_stack)
            panel.accepted.connect(self._on_prompts_accepted)
        self.work.generate_button.clicked.connect(self.generate)
        self.work.clear_button.clicked.connect(self._clear_selection)
        self.view.follow_button.clicked.connect(self._clear_selection)
        self.form.changed.connect(self._show_request)
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
            self.look_at_file(Path(path))

    # What a person does

    def look_at_file(self, path: Path) -> None:
        """Show what a file holds, ready to be imported."""
        try:
            self.import_panel.show_file(path)
        except UserError as error:
            self.context.complain(error)
            return
        self._stack.setCurrentWidget(self.import_panel)
        self.import_panel.accept_button.setFocus()

    def choose_file(self) -> None:
        kinds = "Prompts (*.txt *.md *.jsonl *.json *.ndjson);;All files (*)"
        path, _ = QFileDialog.getOpenFileName(self, "Import prompts", "", kinds)
        if path:
            self.look_at_file(Path(path))

    def type_prompts(self) -> None:
        self._stack.setCurrentWidget(self.type_panel)
        self.type_panel.focus_text()

    def generate(self) -> None:
        """Ask for answers to the selected prompts, or to all that have none."""
        project, targets = self.context.project, self._targets()
        if project is None or not targets or self.answering.job is not None or self.form.show_problems():
            return
        settings, spread, second = self.form.settings(), self.form.mix.spread_name, self.form.mix.other_id
        try:
            project.set_fact(SETTINGS_FACT, json.dumps(settings.to_json()))
            project.set_fact(SPREAD_FACT, spread)
            other = self.form.model.named
            self.follower.follows = True
            others = [] if second is None else [self._policy(second)]
            if other is not None:
                base = requests.model_reference(other)
                self.answering.generate_with(
                    targets, settings, base, others=others, spread=spread, on_known=self.form.model.select_policy
                )
            else:
                chosen = self.form.model.policy_id
                known = self._policy(STARTER if chosen is None else chosen)
                self.answering.generate(targets, settings, [known, *others], spread=spread)
            if self.form.model.policy_id is None or second == STARTER:
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

    def _on_go(self) -> None:
        """Ctrl+Enter: what the primary button in sight does."""
        panel = self._stack.currentWidget()
        if isinstance(panel, Panel):
            panel.accept()
        else:
            self.generate()

    def _clear_selection(self) -> None:
        if self._stack.currentWidget() is not self.work:
            self._show_stack()
            return
        self.table.clearSelection()
        self.follower.follow()

    def _on_prompts_accepted(self, conversations: list[Conversation]) -> None:
        project, panel = self.context.project, self._stack.currentWidget()
        if project is None:
            return
        source = self.import_panel.source if panel is self.import_panel else "typed"
        try:
            self.context.say(add_prompts(project, conversations, source=source))
        except UserError as error:
            self.context.complain(error)
            return
        if panel is self.type_panel:
            self.type_panel.clear()
        self.context.prompts_changed.emit()
        self._refresh()
        self._show_stack()
        self.work.generate_button.setFocus()

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
        self.form.show_policies([("", None)])  # another project's models have the same numbers as others here
        self._show_policies()
        self._refresh()
        self._show_stack()

    def _on_rows_changed(self) -> None:
        self.badge_changed.emit()
        self._stale = True
        if self.built and self.isVisible() and not self._refresh_later.isActive():
            self._refresh_later.start(50)

    def _refresh(self) -> None:
        """Read prompts and states again."""
        project = self.context.project
        self._stale = False
        self._refresh_later.stop()
        if not self.built:
            return
        everything = prompts.all_prompts(project, archived=False) if project is not None else []
        self._states = prompt_states.by_prompt(project) if project is not None else {}
        self.table.fill(everything, self._states)
        self.table.prompt_model.set_refused(self.answering.refused)
        if self._stack.currentWidget() in (self._empty, self.work):
            self._show_stack()
        self.follower.show(self.follower.shown)
        self._show_request()
        self._show_job()

    def _show_stack(self) -> None:
        self._stack.setCurrentWidget(self.work if self.table.prompt_model.prompts else self._empty)

    def _show_policies(self) -> None:
        project = self.context.project
        if self.built and project is not None:
            self.form.show_policies(requests.known_policies(project))

    def _targets(self) -> list[Prompt]:
        """The selected prompts, or those without answers."""
        model = self.table.prompt_model
        chosen = set(self.table.selected_ids())
        if chosen:
            return [prompt for prompt in model.prompts if prompt.id in chosen]
        return [prompt for prompt in model.prompts if prompt.id not in self._states]

    def _on_active_changed(self) -> None:
        self.badge_changed.emit()
        self._refresh()

    def _show_request(self) -> None:
        """What Generate would do now."""
        selected, targets, active = self.table.selected_ids(), self._targets(), self.answering.job is not None
        count = "1 prompt" if len(targets) == 1 else f"{len(targets)} prompts"
        k = self.form.k.value()
        button = self.work.generate_button
        button.setText(f"Generate {k} answers for {count}" if targets else f"Generate {k} answers")
        button.setEnabled(bool(targets) and not active)
        hint = "" if targets or active else "Every prompt has answers. Select some in the list to draw others."
        self.work.hint.setText(hint)
        every = len(self.table.prompt_model.prompts)
        self.work.show_count(every, len(selected), without_answers=0 if selected else len(targets))
        self.work.clear_button.setVisible(bool(selected))

    def _show_job(self) -> None:
        """How the job stands, or what waits."""
        if not self.built:
            return
        job = self.answering.job
        paused = job is not None and job.paused
        self.table.prompt_model.set_writing(self.answering.written_now, paused=paused)
        self.view.cards.set_paused(paused)
        self.view.follow_button.setVisible(self.answering.current_group is not None and not self.follower.follows)
        if job is None:
            self.queue.show_queue(self._states.values(), self.answering.problem)
        else:
            self.queue.show_job(job, self.context.jobs.running)

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
            self.table.prompt_model.set_refused(self.answering.refused)
            if prompt is not None and prompt == self.follower.shown:
                self.follower.show(prompt)

    def _update_state(self, prompt: PromptId | None) -> None:
        project = self.context.project
        if prompt is None or project is None or not self.built:
            return
        state = prompt_states.by_prompt(project, prompt).get(prompt, PromptState())
        self._states[prompt] = state
        self.table.prompt_model.set_state(prompt, state)

    def _on_prompts_chosen(self, chosen: list[PromptId]) -> None:
        self.ensure_built()
        self._refresh()
        self._show_stack()
        self.table.select(chosen)
        self.work.generate_button.setFocus()

    def _on_picked(self, _selected: list[PromptId], current: PromptId | None) -> None:
        if current is not None:
            self.follower.follows = self.answering.job is None
            self.follower.show(current)
        self._show_request()
        self._show_job()

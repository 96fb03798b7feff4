"""What `dpo-studio generate` does: queue groups in the project, answer them, keep each answer as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dpo_studio.cli_output import counted
from dpo_studio.core import commands, events, recipes
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Group, GroupId, Policy
from dpo_studio.jobs.training import EventTail
from dpo_studio.store import Project, completions, policies, prompts, requests, runs

#: What --run calls the model that the other runs began with.
BASE = "base"


@dataclass(slots=True)
class Made:
    """What a generation made; `seconds` are from first to last, `left` counts groups that still wait for answers."""

    completions: int = 0
    groups: int = 0
    tokens: int = 0
    seconds: float = 0.0
    left: int = 0
    cancelled: bool = False
    refused: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "completions": self.completions,
            "groups": self.groups,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "left": self.left,
            "cancelled": self.cancelled,
            "refused": self.refused,
        }

    def sentence(self) -> str:
        said = f"Kept {counted(self.completions, 'answer')}; {counted(self.groups, 'group')} complete."
        if self.refused:
            said += f" {counted(len(self.refused), 'prompt')} could not be answered: {self.refused[0]['message']}"
        if self.left:
            said += f" {counted(self.left, 'group waits', 'groups wait')} for answers: run it again with --continue."
        return said


def queue(
    project: Project,
    sampling: SamplingSettings,
    *,
    models: Sequence[str],
    run_names: Sequence[str],
    spread: str,
    every_prompt: bool,
    limit: int | None,
    go_on: bool,
    check: Callable[[str, str | None], None],
) -> list[Group]:
    """The groups to answer, made in the project first so that nothing is lost when this ends early.

    Args:
        models, run_names: who answers, the models first and then the runs; several take turns over a group's
            answers. A run called "base" stands for the model that the first other run began with. Neither: the starter.
        spread: a key of core.recipes.SPREADS.
        check: called with the base and the adapter before anything is written for a model; raises a
            UserError where it cannot be used.

    Raises:
        UserError: there is nothing to answer, the options cannot be used together, or as `check`.
    """
    if go_on:
        return _waiting(project, limit)
    todo = (prompts.all_prompts(project, archived=False) if every_prompt else prompts.without_group(project))[:limit]
    if not todo:
        raise UserError(*_why_nothing(project))
    bases = [requests.model_reference(model) for model in models or ([] if run_names else [requests.STARTER])]
    tuned = [_run_or_base(project, name, run_names) for name in run_names]
    recipes.check(sampling, len(bases) + len(tuned), spread)
    # The first model is checked last, so that it is the one that is in memory when answering begins.
    for policy in dict.fromkeys(reversed(tuned)):
        check(policies.model_reference(project, policy), requests.adapter_path(project, policy))
    for base in dict.fromkeys(reversed(bases)):
        check(base, None)
    answering = [*(requests.policy_for(project, base) for base in bases), *tuned]
    return completions.get_groups(
        project, requests.ask(project, [one.id for one in todo], answering, sampling, spread=spread)
    )


def _run_or_base(project: Project, name: str, names: Sequence[str]) -> Policy:
    """The policy of a run, or of the base that the first of the other runs began with."""
    if name != BASE or any(run.name == BASE for run in runs.all_runs(project)):
        return policy_named(project, model=None, run_name=name)
    other = next((other for other in names if other != BASE), None)
    if other is None:
        raise UserError("Which model is meant by the base?", "Name a run beside it, or the model itself with --model.")
    tuned = policy_named(project, model=None, run_name=other)
    return requests.policy_for(project, policies.original_base(project, tuned))


def policy_named(project: Project, *, model: str | None, run_name: str | None) -> Policy:
    """The policy that a model reference or a run stands for; the starter model when neither is given.

    Args:
        run_name: a run's, or the whole name of a policy, which also reaches a run's best step.

    Raises:
        UserError: there is no such run, or it left no adapter.
    """
    if not run_name:
        return requests.policy_for(project, requests.model_reference(model or requests.STARTER))
    named = next((policy for policy in policies.all_policies(project) if policy.name == run_name), None)
    if named is not None and named.parent_id is not None:
        return named
    run = runs.find(project, run_name)
    if run.result_policy_id is not None:
        return policies.get(project, run.result_policy_id)
    said = EventTail(project.folder / run.folder).read()
    done = next((event for event in reversed(said) if isinstance(event, events.RunDone)), None)
    if done is not None and not done.adapter:
        raise UserError(f"{run.name} was stopped before its first step, so it has left no model.", "Train once more.")
    if done is not None:
        # Whoever started it was gone when it ended.
        return runs.adopt(project, run, done.adapter, best_step=done.best_step)
    if said and isinstance(said[-1], events.Failed) and said[-1].diverged:
        if said[-1].kept:
            return runs.adopt(project, run, said[-1].kept)
        raise UserError(f"{run.name} has left no model: its numbers ran away.", said[-1].hint)
    raise UserError(
        f"{run.name} has left no model yet.",
        f'Wait for its end, or go on with it: dpo-studio train PROJECT --resume "{run.name}".',
    )


class Answering:
    """Answers groups in this process, with a model that stays loaded.

    Args:
        cancelled: asked at each token.
        report: told what goes on, a line at a time.
    """

    def __init__(
        self, project: Project, *, device: str, cancelled: Callable[[], bool], report: Callable[[str], None]
    ) -> None:
        from dpo_studio.generation.service import Generator

        self._project, self._device = project, device
        self._cancelled, self._report = cancelled, report
        self._generator = Generator()
        self._titles: dict[GroupId, str] = {}
        self._made = Made()

    def load(self, base: str, adapter: str | None) -> None:
        """Load a model.

        Raises:
            UserError: it cannot be used.
        """
        for event in self._generator.load(commands.Load(base, adapter, self._device), self._cancelled):
            self._take(event)

    def answer(self, groups: list[Group]) -> Made:
        """Answer the groups, keeping each completion as it ends.

        Raises:
            UserError: the model cannot be used; what was finished before is kept.
        """
        began = time.monotonic()
        self._titles = {group.id: group.prompt.title for group in groups}
        for command in requests.commands_for(self._project, groups, device=self._device):
            for event in self._generator.run(command, self._cancelled):
                self._take(event)
            if self._made.cancelled or self._cancelled():
                self._made.cancelled = True
                break
        self._made.seconds = time.monotonic() - began
        self._made.left = completions.count_unfinished(self._project)
        return self._made

    def _take(self, event: events.Event) -> None:
        made, report = self._made, self._report
        match event:
            case events.ModelLoading():
                report(f"{event.base}: {event.stage}")
            case events.ModelLoaded():
                if event.device == "server":
                    report(f"{event.base}: the server answers")
                    return
                tuned = f" + {event.adapter}" if event.adapter else ""
                size = f"{event.parameters / 1e6:,.0f} M parameters"
                report(f"{event.base}{tuned}: {size} on {event.device}, {event.dtype}")
                if event.plain_template:
                    report("It has no chat template: prompts are written plainly, with “### User:” before each.")
            case events.CompletionFinished():
                completions.record(self._project, event)
                made.completions += 1
                made.tokens += len(event.token_ids)
            case events.GroupFinished():
                made.groups += 1
                title = self._titles.get(GroupId(event.group), "")
                report(f"{made.groups}/{len(self._titles)}  {event.seconds:5.1f} s  {title[:70]}")
            case events.GroupRefused():
                made.refused.append({"group": event.group, "message": event.message, "hint": event.hint})
                title = self._titles.get(GroupId(event.group), "")
                report(f"left out: {title[:50]}: {event.message} {event.hint}")
            case events.JobFinished():
                made.cancelled = made.cancelled or event.reason == "cancelled"
            case events.Notice():
                report(event.message)
            case events.Failed():
                if event.details:
                    raise RuntimeError(f"{event.message}\n{event.details}")
                raise UserError(event.message, event.hint)


def _waiting(project: Project, limit: int | None) -> list[Group]:
    waiting = completions.unfinished(project)
    if not waiting:
        raise UserError("No group waits for answers.", "Leave --continue out to answer new prompts.")
    named = [group for group in waiting if group.policy_id is not None and group.sampling is not None]
    if not named:
        raise UserError(
            "None of the waiting groups says which model is to answer it: they were imported.",
            "Answer their prompts afresh with --prompts all.",
        )
    return named[:limit]


def _why_nothing(project: Project) -> tuple[str, str]:
    if not prompts.count(project):
        return "This project has no prompts yet.", "Import some first: dpo-studio import PROJECT FILE."
    if completions.count_unfinished(project):
        return "Every prompt has a group, and some wait for answers.", "Finish them with --continue."
    return "Every prompt has its answers.", "Use --prompts all to answer them once more, or import more prompts."

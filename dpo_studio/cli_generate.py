"""What `dpo-studio generate` does: queue groups in the project, answer them, keep each answer as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from dpo_studio.cli_output import counted
from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Group, GroupId, Policy
from dpo_studio.jobs.training import EventTail
from dpo_studio.store import Project, completions, policies, prompts, runs

DEFAULT_MODEL = "starter"


@dataclass(slots=True)
class Made:
    """What a generation made; `left` counts groups that still wait for answers."""

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
    model: str | None,
    run_name: str | None,
    every_prompt: bool,
    limit: int | None,
    go_on: bool,
) -> list[Group]:
    """The groups to answer, made in the project first so that nothing is lost when this ends early.

    Raises:
        UserError: there is nothing to answer, or the options contradict each other.
    """
    if model and run_name:
        raise UserError("--model and --run both name the model that answers.", "Give one of them.")
    if go_on:
        waiting = completions.unfinished(project)[:limit]
        if not waiting:
            raise UserError("No group waits for answers.", "Leave --continue out to answer new prompts.")
        return waiting
    todo = (prompts.all_prompts(project) if every_prompt else prompts.without_group(project))[:limit]
    if not todo:
        raise UserError(*_why_nothing(project))
    policy = policy_named(project, model=model, run_name=run_name)
    earlier = _groups_by_prompt(project) if every_prompt else {}
    groups = []
    with project.transaction():
        for prompt in todo:
            # Another seed for another group of the same prompt, or it would get the same answers again.
            settings = {**sampling.to_json(), "seed": sampling.seed + earlier.get(prompt.id, 0)}
            groups.append(
                completions.add_group(project, prompt.id, size=sampling.k, policy_id=policy.id, sampling=settings)
            )
    return groups


def policy_named(project: Project, *, model: str | None, run_name: str | None) -> Policy:
    """The policy that a model reference or a run stands for; the starter model when neither is given.

    Raises:
        UserError: there is no such run, or it left no adapter.
    """
    if not run_name:
        return policies.add(project, model or DEFAULT_MODEL)
    run = runs.find(project, run_name)
    if run.result_policy_id is not None:
        return policies.get(project, run.result_policy_id)
    said = EventTail(project.folder / run.folder).read()
    done = next((event for event in reversed(said) if isinstance(event, events.RunDone)), None)
    if done is not None:
        # Whoever started it was gone when it ended.
        return runs.adopt(project, run, done.adapter)
    raise UserError(
        f"{run.name} has left no model yet.",
        f'Wait for its end, or go on with it: dpo-studio train PROJECT --resume "{run.name}".',
    )


def answer(
    project: Project,
    groups: list[Group],
    *,
    device: str,
    cancelled: Callable[[], bool],
    report: Callable[[str], None],
) -> Made:
    """Answer the groups in this process, keeping each completion as it ends.

    Raises:
        UserError: the model cannot be used; what was finished before is kept.
    """
    from dpo_studio.generation.service import Generator

    made = Made()
    generator = Generator()
    titles = {group.id: group.prompt.title for group in groups}
    for policy, settings, some in _batches(project, groups):
        command = _command(project, policy, settings, some, device=device)
        for event in generator.run(command, cancelled):
            _take(project, event, made, policy=policy, sampling=settings, titles=titles, report=report)
        if made.cancelled or cancelled():
            made.cancelled = True
            break
    made.left = completions.count_unfinished(project)
    return made


def _take(
    project: Project,
    event: events.Event,
    made: Made,
    *,
    policy: Policy,
    sampling: dict[str, Any],
    titles: dict[GroupId, str],
    report: Callable[[str], None],
) -> None:
    match event:
        case events.ModelLoading():
            report(f"{event.base}: {event.stage}")
        case events.ModelLoaded():
            report(f"{policy.name}: {event.parameters / 1e6:,.0f} M parameters on {event.device}, {event.dtype}")
        case events.CompletionFinished():
            completions.add(
                project,
                GroupId(event.group),
                event.text,
                candidate=event.candidate,
                policy_id=policy.id,
                token_ids=event.token_ids,
                tokenizer_hash=event.tokenizer_hash,
                logp=event.logp,
                sampling=sampling,
                seed=event.seed,
                finish_reason=event.finish_reason,
            )
            made.completions += 1
            made.tokens += len(event.token_ids)
        case events.GroupFinished():
            made.groups += 1
            made.seconds += event.seconds
            title = titles.get(GroupId(event.group), "")
            report(f"{made.groups}/{len(titles)}  {event.seconds:5.1f} s  {title[:70]}")
        case events.GroupRefused():
            made.refused.append({"group": event.group, "message": event.message, "hint": event.hint})
            report(f"left out: {titles.get(GroupId(event.group), '')[:50]}: {event.message} {event.hint}")
        case events.JobFinished():
            made.cancelled = made.cancelled or event.reason == "cancelled"
        case events.Notice():
            report(event.message)
        case events.Failed():
            if event.details:
                raise RuntimeError(f"{event.message}\n{event.details}")
            raise UserError(event.message, event.hint)


def _batches(project: Project, groups: list[Group]) -> Iterator[tuple[Policy, dict[str, Any], list[Group]]]:
    """Groups of the same policy and settings together, in order."""

    def key(group: Group) -> tuple:
        return group.policy_id, sorted((group.sampling or {}).items())

    for _, some in groupby(groups, key=key):
        batch = list(some)
        policy_id = batch[0].policy_id
        policy = policies.add(project, DEFAULT_MODEL) if policy_id is None else policies.get(project, policy_id)
        yield policy, dict(batch[0].sampling or SamplingSettings().to_json()), batch


def _command(
    project: Project, policy: Policy, sampling: dict[str, Any], groups: list[Group], *, device: str
) -> commands.Generate:
    items = []
    for group in groups:
        taken = {completion.candidate for completion in group.completions}
        missing = tuple(index for index in range(group.size) if index not in taken)
        items.append(commands.GenerationItem(group.id, group.prompt.messages, missing))
    return commands.Generate(
        job="generate",
        base=policy.base,
        items=tuple(items),
        sampling=sampling,
        adapter=None if policy.adapter is None else str(project.folder / policy.adapter),
        device=device,
    )


def _groups_by_prompt(project: Project) -> dict[int, int]:
    found: dict[int, int] = {}
    everything: Iterable[Group] = [*completions.recent_groups(project, 10**9), *completions.unfinished(project)]
    for group in everything:
        found[group.prompt.id] = found.get(group.prompt.id, 0) + 1
    return found


def _why_nothing(project: Project) -> tuple[str, str]:
    if not prompts.count(project):
        return "This project has no prompts yet.", "Import some first: dpo-studio import PROJECT FILE."
    if completions.count_unfinished(project):
        return "Every prompt has a group, and some wait for answers.", "Finish them with --continue."
    return "Every prompt has its answers.", "Use --prompts all to answer them once more, or import more prompts."

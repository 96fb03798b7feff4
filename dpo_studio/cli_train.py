"""What `dpo-studio train` does: prepare a run, follow its process, adopt the adapter it leaves."""

from __future__ import annotations

import dataclasses
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.cli_generate import policy_named
from dpo_studio.cli_output import counted, interruptions
from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.recommended import recommend
from dpo_studio.core.settings import TRAINS, TrainingSettings, parse_assignments, with_method
from dpo_studio.core.types import Policy, Run
from dpo_studio.jobs import estimating, training
from dpo_studio.jobs.worker import describe_exit, log_tail
from dpo_studio.store import Project, estimates, policies, runs

POLL_S = 0.2
_GROUPS_WITH_PAIRS_ONLY = 2


@dataclass(slots=True)
class Ended:
    """How a followed run ended, and what it left."""

    run: Run
    state: str
    steps: int
    seconds: float
    adapter: str
    policy: str
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    held_out: tuple[Mapping[str, float | None], ...] = ()
    interrupted: bool = False
    drifted: bool = False
    kept_step: int = 0
    best_step: int = 0
    estimated: events.Estimated | None = None
    memory_gb: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run.name,
            "uuid": self.run.uuid,
            "folder": self.run.folder,
            "state": self.state,
            "drifted": self.drifted,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "memory_gb": self.memory_gb,
            "estimated": None if self.estimated is None else dataclasses.asdict(self.estimated),
            "adapter": self.adapter,
            "policy": self.policy,
            "kept_step": self.kept_step,
            "best_step": self.best_step,
            "metrics": dict(self.metrics),
            "held_out_before": dict(self.held_out[0]) if self.held_out else None,
            "held_out_after": dict(self.held_out[-1]) if self.held_out else None,
        }

    def sentence(self) -> str:
        lines = [
            f"{self.run.name} {self.state} after {counted(self.steps, 'step')} in {self.seconds:.0f} s."
            f" {describe_metrics(self.metrics)}".rstrip()
        ]
        if self.estimated is not None and self.state == "finished":
            lines.append(estimating.compare(self.estimated, seconds=self.seconds, memory_gb=self.memory_gb))
        if self.held_out:
            before, after = (describe_metrics(self.held_out[i]) or "not measured" for i in (0, -1))
            lines.append(f"Held-out groups before: {before}; after: {after}.")
        if self.drifted:
            lines.append(
                f"It had drifted past the bound (max_kl) by step {self.steps};"
                f" what it had learnt by step {self.kept_step} is kept."
            )
        if self.best_step not in (0, self.steps):
            kept = self.kept_step == self.best_step
            hint = "which is the one kept" if kept else "which --set keep=best would have kept"
            lines.append(f"Their loss was lowest at step {self.best_step}, {hint}.")
        if self.adapter:
            lines.append(f"What it learnt is in {self.adapter}; generate with it: --run {self.run.name!r}.")
        else:
            lines.append("It made no step, so there is nothing that it learnt.")
        return "\n".join(lines)


def prepare(project: Project, *, name: str, report: Callable[[str], None], **asked: Any) -> Run:
    """A new run with the policy and the settings that are `asked` for, as `choose` takes them.

    Raises:
        UserError: settings that cannot be used, or nothing to train on.
    """
    policy, settings, data = choose(project, **asked)
    run = runs.create(project, policy, settings, name=name, judges=asked["judges"])
    left_out = f", {counted(data.all_tied, 'complete tie')} left out" if data.all_tied else ""
    judged = sum(ranking.annotator_kind == "judge" for _, ranking in data.train)
    by_judges = f" ({judged:,} by judges)" if judged else ""
    report(
        f"{run.name}: {settings.method} on {policy.name}, {counted(len(data.train), 'ranking')} to train on{by_judges},"
        f" {len(data.held_out)} held out{left_out}"
    )
    return run


def estimate(project: Project, *, report: Callable[[str], None], **asked: Any) -> tuple[dict[str, Any], str]:
    """What such a run would take, measured in a process of its own; values and a sentence. No run is made.

    Raises:
        UserError: as `prepare`, or training could not begin.
    """
    policy, settings, data = choose(project, **asked)
    report("Loading the model and taking two steps to measure them…")
    with tempfile.TemporaryDirectory(prefix="dpo-studio-estimate-") as scratch:
        folder = Path(scratch) / "run"
        runs.write_apart(folder, project, policy, settings, judges=asked["judges"])
        found = estimating.estimate(folder)
    estimates.keep(project, policy, settings, data, found)
    sentence = (
        f"About {found.seconds:.0f} s for {counted(found.steps, 'step')} and all that goes with them, and"
        f" {found.memory_gb:.1f} GB of memory, measured on one real step ({found.step_seconds:.2f} s)."
    )
    return dataclasses.asdict(found), sentence


def choose(
    project: Project,
    *,
    method: str | None,
    given: Mapping[str, Any],
    assignments: Sequence[str],
    model: str | None,
    run_from: str | None,
    judges: str = "",
) -> tuple[Policy, TrainingSettings, runs.TrainingData]:
    """What to train and how: recommended settings, then the file's, then the options', in that order.

    Raises:
        UserError: settings that cannot be used, or no such policy.
    """
    data = runs.training_data(project, judges=judges)
    ranked = data.largest_k > _GROUPS_WITH_PAIRS_ONLY
    asked = parse_assignments(TrainingSettings.from_json(given), assignments).trains
    settings = recommend(len(data.train), ranked=ranked, trains=asked if asked in TRAINS else "lora").settings
    settings = with_method(settings, str(given.get("method", settings.method)))
    settings = TrainingSettings.from_json({**settings.to_json(), **given})
    assigned = parse_assignments(settings, assignments).method
    settings = with_method(settings, assigned if assigned != settings.method else method or settings.method)
    settings = parse_assignments(settings, assignments).validate()
    data = data.for_method(settings.method)
    if model or run_from:
        policy = policy_named(project, model=model, run_name=run_from)
    else:
        policy = _policy_of_answers(project, data)
    return policy, settings, data


def find_to_resume(project: Project, name: str) -> Run:
    """The run to go on with.

    Raises:
        UserError: there is none of that name, or it is done or running.
    """
    run = runs.find(project, name)
    state = training.outcome(project.folder / run.folder).state
    if state in ("finished", "stopped"):
        raise UserError(f"{run.name} is done ({state}).", f'Train further from it with --run-from "{run.name}".')
    if state == "running":
        raise UserError(f"{run.name} is training already.", "Wait for it, or stop it first.")
    return run


def how_to_train(project: Project, run: Run, *, processes: int) -> tuple[dict[str, Any], str]:
    """The command line that trains a prepared run, for a program and for a person."""
    folder = project.folder / run.folder
    command = training.command(folder, processes=processes)
    values = {"run": run.name, "uuid": run.uuid, "folder": str(folder), "command": command}
    return values, f"{run.name} is ready in {folder}. Train it with\n{shlex.join(command)}"


def follow(project: Project, run: Run, *, processes: int = 1, report: Callable[[str], None]) -> Ended:
    """Start the run's process or processes, tell what is said until the end, and adopt the adapter.

    Raises:
        UserError: the training could not go on, with the reason it gave.
        RuntimeError: the training met a bug; the traceback is in the text.
    """
    folder = project.folder / run.folder
    tail = training.EventTail(folder)
    said = tail.read()
    heard: list[events.Event] = []
    process = training.start(folder, processes=processes)

    def stop() -> None:
        training.ask(folder, "stop")
        report("Stopping after this step and keeping the adapter… (Ctrl+C again leaves it to itself)")

    with interruptions(stop) as interrupted:
        over = False
        while not over:
            over = process.poll() is not None
            fresh = tail.read()
            if tail.restarted:
                said, fresh = _split_at_start(fresh)
            said.extend(fresh)
            heard.extend(fresh)
            for event in fresh:
                _tell(event, report)
            if not over:
                time.sleep(POLL_S)
        was_interrupted = interrupted()
    # What an earlier attempt said last (stopped, failed) is not how this one ended: only `heard` counts.
    ending = next((event for event in reversed(heard) if isinstance(event, (events.RunDone, events.Failed))), None)
    if not isinstance(ending, events.RunDone):
        if ending is not None and ending.kept:
            runs.adopt(project, run, ending.kept)
        raise _failure(ending, process.returncode, log_tail(folder / training.LOG_FILE))
    done = ending
    policy = runs.adopt(project, run, done.adapter, best_step=done.best_step).name if done.adapter else ""
    held_out = [event.metrics for event in said if isinstance(event, events.Evaluated)]
    if held_out and done.kept_step not in (0, done.steps):
        held_out.append(done.metrics)  # of what is kept, which is not the last step's
    return Ended(
        run=run,
        state="finished" if done.reason == "finished" else "stopped",
        steps=done.steps,
        seconds=done.seconds,
        adapter=str(folder / done.adapter) if done.adapter else "",
        policy=policy,
        metrics=done.metrics or _last_metrics(said),
        held_out=tuple(held_out),
        interrupted=was_interrupted,
        drifted=done.reason == "drifted",
        kept_step=done.kept_step,
        best_step=done.best_step,
        estimated=estimating.expected(folder),
        memory_gb=_most_memory(said),
    )


def describe_metrics(metrics: Mapping[str, float | None]) -> str:
    """The few numbers of a step that a person follows, on one line."""
    shown = (("loss", "loss"), ("accuracy", "accuracy"), ("margin", "margin"))
    return "  ".join(f"{word} {metrics[name]:.3f}" for name, word in shown if metrics.get(name) is not None)


def _policy_of_answers(project: Project, data: runs.TrainingData) -> Policy:
    """The policy that gave most of the labelled answers: training goes on from where they came from."""
    used = Counter(
        completion.policy_id
        for group, _ in data.train
        for completion in group.completions
        if completion.policy_id is not None
    )
    if not used:
        return policy_named(project, model=None, run_name=None)
    most = max(used.values())
    return policies.get(project, max(policy_id for policy_id, count in used.items() if count == most))


def _split_at_start(said: list[events.Event]) -> tuple[list[events.Event], list[events.Event]]:
    """What was said before the latest start, and from it on, of a file that a resume cut back."""
    starts = [index for index, event in enumerate(said) if isinstance(event, events.RunStarted)]
    cut = starts[-1] if starts else len(said)
    return said[:cut], said[cut:]


def _tell(event: events.Event, report: Callable[[str], None]) -> None:
    match event:
        case events.ModelLoading():
            report(f"{event.base}: {event.stage}")
        case events.RunStarted():
            where = f" from step {event.first_step}" if event.first_step else ""
            report(f"{event.steps} steps on {event.device}, {event.dtype}{where}; Ctrl+C stops and keeps")
        case events.StepDone():
            report(f"step {event.step:>4}  {describe_metrics(event.metrics)}")
        case events.Evaluated():
            if any(value is not None for value in event.metrics.values()):
                report(f"held out   {describe_metrics(event.metrics)}")
        case events.Notice():
            report(event.message)


def _failure(failed: events.Failed | None, status: int | None, log: str) -> Exception:
    if failed is not None and failed.details:
        return RuntimeError(f"training failed: {failed.message}\n{failed.details}")
    if failed is not None:
        return UserError(failed.message, failed.hint)
    last_words = f" Its last words: {log.splitlines()[-1]}" if log else ""
    return UserError(
        f"The training process ended before it was done: {describe_exit(status or 0)}.{last_words}",
        "Go on from its last checkpoint with --resume.",
    )


def _most_memory(said: list[events.Event]) -> float | None:
    values = [event.metrics.get("memory_gb") for event in said if isinstance(event, events.StepDone)]
    return max((value for value in values if value is not None), default=None)


def _last_metrics(said: list[events.Event]) -> Mapping[str, float | None]:
    return next((event.metrics for event in reversed(said) if isinstance(event, events.StepDone)), {})

"""The whole loop without a window, on the sample project and the starter model.

Sample project -> fresh answers -> PL-DPO on the sample's rankings -> the same prompts before and
after -> the stated preference counted on unlabelled prompts -> exports and a picture of the curves.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.recommended import recommend
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Group, GroupId, Policy, Run
from dpo_studio.evaluation.figures import save_curves
from dpo_studio.evaluation.intervals import Share, wilson, win_rate
from dpo_studio.evaluation.stated_preferences import BREVITY, StatedPreference
from dpo_studio.exchange import adapter, dataset
from dpo_studio.generation.sampler import answer
from dpo_studio.generation.service import Generator
from dpo_studio.jobs import training as training_job
from dpo_studio.models.load import load
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs
from dpo_studio.store.sample import copy_sample

FRESH_PROMPTS = 3
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effect:
    """A stated preference before and after training; the unit is a prompt, a tie counts as half a win."""

    kept_before: Share
    kept_after: Share
    wins: Share


@dataclass(slots=True)
class Summary:
    """What a tour made and measured; `to_json` is what `--json` prints."""

    folder: Path
    seconds: float = 0.0
    fresh_completions: int = 0
    rankings: int = 0
    optimiser_steps: int = 0
    held_out_accuracy_before: float | None = None
    held_out_accuracy_after: float | None = None
    effect: Effect | None = None
    made: dict[str, Path] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "seconds": round(self.seconds, 1),
            "fresh_completions": self.fresh_completions,
            "rankings": self.rankings,
            "optimiser_steps": self.optimiser_steps,
            "held_out_accuracy": {"before": self.held_out_accuracy_before, "after": self.held_out_accuracy_after},
            "guideline": None if self.effect is None else dataclasses.asdict(self.effect),
            "made": {name: str(path) for name, path in self.made.items()},
        }

    def text(self) -> str:
        """The same for a person."""
        lines = [
            f"The tour took {self.seconds / 60:.1f} minutes: {self.fresh_completions} fresh answers,"
            f" {self.rankings} rankings, {self.optimiser_steps} optimiser steps."
        ]
        if self.held_out_accuracy_before is not None and self.held_out_accuracy_after is not None:
            lines.append(
                "Held-out pairs in the labelled order:"
                f" {self.held_out_accuracy_before:.0%} before, {self.held_out_accuracy_after:.0%} after."
            )
        if self.effect:
            lines += [
                "Answers that keep the guideline, on prompts nobody labelled:",
                f"  before training  {self.effect.kept_before}",
                f"  after training   {self.effect.kept_after}",
                f"  after beats before on {self.effect.wins}",
            ]
        lines += ["Made:", *(f"  {name}: {path}" for name, path in self.made.items())]
        lines.append(f"Open it with a window: dpo-studio {self.folder}")
        return "\n".join(lines)


def main(folder: Path | None = None, report: Report = lambda line: print(line, file=sys.stderr)) -> Summary:
    """Go round the loop once in a new folder (default: `dpo-studio-tour` here, numbered when taken).

    Raises:
        UserError: the folder is not empty, the starter model is missing, or training failed.
    """
    began = time.monotonic()
    folder = _free_folder(Path("dpo-studio-tour")) if folder is None else Path(folder)
    with copy_sample(folder) as project:
        summary = Summary(project.folder)
        report(f"1/6  Sample project: {project.folder}")
        report(f"     Its guideline: {project.guideline}")
        counts = rankings.counts(project)
        summary.rankings = counts.rankings
        report(f"     {prompts.count(project)} prompts, {counts.rankings} rankings, {counts.left} groups to label.")

        base = policies.all_policies(project)[0]
        report(f"2/6  Fresh answers of the starter model to {FRESH_PROMPTS} prompts, four each:")
        generator = Generator()
        summary.fresh_completions = _generate_fresh(project, base, generator, report)

        report("3/6  Training on the sample's rankings with PL-DPO:")
        run, said = train(project, base, report)
        done = next(event for event in reversed(said) if isinstance(event, events.RunDone))
        summary.optimiser_steps = done.steps
        measured = [event.metrics.get("accuracy") for event in said if isinstance(event, events.Evaluated)]
        if measured:
            summary.held_out_accuracy_before, summary.held_out_accuracy_after = measured[0], measured[-1]
        trained = runs.adopt(project, run, done.adapter)
        summary.made["adapter"] = project.folder / str(trained.adapter)

        report("4/6  The same prompts before and after:")
        _show_answers(said, report)

        report("5/6  The guideline, counted on prompts nobody labelled:")
        summary.effect = measure(project, trained, seed=1)
        if summary.effect:
            report(f"     kept before training: {summary.effect.kept_before}")
            report(f"     kept after training:  {summary.effect.kept_after}")
            report(f"     after beats before:   {summary.effect.wins}")

        report("6/6  Exports:")
        _export(project, run, said, summary)
    summary.seconds = time.monotonic() - began
    return summary


def _free_folder(wanted: Path) -> Path:
    folder, number = wanted, 2
    while folder.exists():
        folder, number = Path(f"{wanted}-{number}"), number + 1
    return folder


def _generate_fresh(project: Project, policy: Policy, generator: Generator, report: Report) -> int:
    chosen = prompts.without_group(project)[:FRESH_PROMPTS]
    sampling = SamplingSettings(k=4, max_new_tokens=96)
    groups = [
        completions.add_group(project, prompt.id, size=sampling.k, policy_id=policy.id, sampling=sampling.to_json())
        for prompt in chosen
    ]
    made = 0
    for event in _answers(project, policy, generator, groups, sampling):
        if isinstance(event, events.CompletionFinished):
            completions.record(project, event)
            made += 1
        elif isinstance(event, events.ModelLoading):
            report(f"     {event.stage}")
        elif isinstance(event, events.ModelLoaded):
            report(f"     {event.parameters / 1e6:.0f} M parameters on {event.device} in {event.dtype}")
        elif isinstance(event, events.GroupFinished):
            group = completions.get_group(project, GroupId(event.group))
            report(f"     {group.prompt.title}  ({event.tokens} tokens in {event.seconds:.1f} s)")
            for completion in group.completions:
                report(f"       {completion.candidate + 1}. {_short(completion.text)}")
    return made


def _answers(
    project: Project,
    policy: Policy,
    generator: Generator,
    groups: list[Group],
    sampling: SamplingSettings,
) -> Iterator[events.Event]:
    adapter_folder = _adapter_of(project, policy)
    command = commands.Generate(
        job="tour",
        base=policies.model_reference(project, policy),
        adapter=None if adapter_folder is None else str(adapter_folder),
        items=tuple(
            commands.GenerationItem(group.id, group.prompt.messages, tuple(range(sampling.k))) for group in groups
        ),
        sampling=sampling.to_json(),
    )
    for event in generator.run(command, lambda: False):
        if isinstance(event, events.Failed):
            raise UserError(event.message, event.hint or event.details)
        yield event


def _adapter_of(project: Project, policy: Policy) -> Path | None:
    return None if policy.adapter is None else project.folder / policy.adapter


def train(project: Project, policy: Policy, report: Report, *, seed: int = 0) -> tuple[Run, list[events.Event]]:
    """Train with the recommended settings in a worker process; the run and all it said.

    Raises:
        UserError: training ended early, with the reason.
    """
    data = runs.training_data(project)
    settings = dataclasses.replace(recommend(len(data.train)).settings, seed=seed)
    run = runs.create(project, policy, settings)
    run_folder = project.folder / run.folder
    report(f"     {len(data.train)} rankings train it, {len(data.held_out)} are held out.")
    process = training_job.start(run_folder)
    tail = training_job.EventTail(run_folder)
    said: list[events.Event] = []
    try:
        while True:
            ended = process.poll() is not None
            for event in tail.read():
                said.append(event)
                line = _training_line(event, said)
                if line:
                    report(f"     {line}")
            if ended:
                break
            time.sleep(0.1)
    except KeyboardInterrupt:
        training_job.ask(run_folder, "stop")
        raise
    outcome = training_job.outcome_of(said, alive=False, run_folder=run_folder)
    if outcome.state not in ("finished", "stopped"):
        raise UserError(f"Training ended early: {outcome.reason}", outcome.details)
    return run, said


def _training_line(event: events.Event, said: list[events.Event]) -> str:
    if isinstance(event, events.RunStarted):
        return f"{event.steps} optimiser steps on {event.device} in {event.dtype}"
    if isinstance(event, events.Evaluated):
        loss, accuracy = event.metrics.get("loss"), event.metrics.get("accuracy")
        words = [f"step {event.step:3d}, held out:"]
        if loss is not None:
            words.append(f"loss {loss:.3f}")
        if accuracy is not None:
            words.append(f"accuracy {accuracy:.0%}")
        return " ".join(words)
    if isinstance(event, events.StepDone) and event.step % 5 == 0:
        loss, margin = event.metrics.get("loss"), event.metrics.get("margin")
        return f"step {event.step:3d}, training: loss {loss or 0:.3f} margin {margin or 0:+.2f}"
    if isinstance(event, events.Notice):
        return event.message
    return ""


def _show_answers(said: list[events.Event], report: Report) -> None:
    before = {e.prompt: e.text for e in said if isinstance(e, events.AnswerSampled) and e.phase == "before"}
    after = {e.prompt: e.text for e in said if isinstance(e, events.AnswerSampled) and e.phase == "after"}
    for prompt in sorted(set(before) & set(after)):
        report(f"     before: {_short(before[prompt])}")
        report(f"     after:  {_short(after[prompt])}")


def measure(
    project: Project, trained: Policy, preference: StatedPreference = BREVITY, *, seed: int = 0
) -> Effect | None:
    """Count a preference on groups nobody labelled, answered by the parent policy and by the trained one.

    The parent's answers are in the project; the trained policy answers with the same settings. A
    prompt's answers hang together, so each prompt counts once, with the share of its answers.
    """
    groups = [g for g in rankings.next_groups(project, limit=1000) if g.policy_id == trained.parent_id]
    if not groups:
        return None
    longest = max(int((g.sampling or {}).get("max_new_tokens", 0)) for g in groups)
    groups = [g for g in groups if (g.sampling or {}).get("max_new_tokens") == longest]
    sampling = dataclasses.replace(SamplingSettings.from_json(groups[0].sampling or {}), seed=seed)
    loaded = load(policies.model_reference(project, trained), adapter=_adapter_of(project, trained))
    answers = answer(loaded, [group.prompt.messages for group in groups], sampling, range(sampling.k))
    later = [[(found.text, found.finish_reason) for found in some] for some in answers]
    before = [[(c.text, c.finish_reason) for c in group.completions] for group in groups]
    return Effect(
        kept_before=wilson(sum(_kept(preference, answers) for answers in before), len(groups)),
        kept_after=wilson(sum(_kept(preference, answers) for answers in later), len(groups)),
        wins=win_rate(
            [-_mean_level(preference, answers) for answers in later],
            [-_mean_level(preference, answers) for answers in before],
        ),
    )


def _kept(preference: StatedPreference, answers: list[tuple[str, str]]) -> float:
    return sum(preference.keeps(*answer) for answer in answers) / len(answers)


def _mean_level(preference: StatedPreference, answers: list[tuple[str, str]]) -> float:
    return sum(preference.level(*answer) for answer in answers) / len(answers)


def _export(project: Project, run: Run, said: list[events.Event], summary: Summary) -> None:
    exports = project.folder / "exports"
    dataset.write(project, dataset.plan(project, "preference"), exports / "preference")
    dataset.write(project, dataset.plan(project, "ranking"), exports / "ranking")
    adapter.write(project, run, exports / "adapter")
    save_curves(said, exports / "curves.png", title=f"{run.name}: PL-DPO on the sample's rankings")
    summary.made |= {
        "preference data": exports / "preference",
        "rankings": exports / "ranking",
        "adapter to share": exports / "adapter",
        "curves": exports / "curves.png",
    }


def _short(text: str, width: int = 150) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"

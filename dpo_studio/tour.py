"""The whole loop without a window, on the sample project and the starter model.

Sample project -> fresh answers -> PL-DPO on the sample's rankings -> the same prompts before and
after -> the stated preference counted on unlabelled prompts -> exports and a picture of the curves.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings, recommend
from dpo_studio.core.types import Group, Policy
from dpo_studio.evaluation.figures import save_curves
from dpo_studio.evaluation.intervals import Share, wilson, win_rate
from dpo_studio.evaluation.stated_preferences import BREVITY, StatedPreference
from dpo_studio.exchange import adapter, preference, ranking
from dpo_studio.generation.service import Generator
from dpo_studio.jobs import training as training_job
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs
from dpo_studio.store.sample import copy_sample

FRESH_PROMPTS = 3
MEASURED_CANDIDATES = (0, 1)
Report = Callable[[str], None]


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
    keeps_before: Share | None = None
    keeps_after: Share | None = None
    wins: Share | None = None
    made: dict[str, Path] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        def share(value: Share | None) -> dict[str, float] | None:
            return None if value is None else {"share": value.value, "low": value.low, "high": value.high, "n": value.n}

        return {
            "folder": str(self.folder),
            "seconds": round(self.seconds, 1),
            "fresh_completions": self.fresh_completions,
            "rankings": self.rankings,
            "optimiser_steps": self.optimiser_steps,
            "held_out_accuracy": {"before": self.held_out_accuracy_before, "after": self.held_out_accuracy_after},
            "keeps_guideline": {"before": share(self.keeps_before), "after": share(self.keeps_after)},
            "after_beats_before": share(self.wins),
            "made": {name: str(path) for name, path in self.made.items()},
        }


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
        run, said = _train(project, base, report)
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
        _measure(project, trained, generator, BREVITY, summary, report)

        report("6/6  Exports:")
        _export(project, run, said, summary)
        for name, path in summary.made.items():
            report(f"     {name}: {path}")
    summary.seconds = time.monotonic() - began
    _close(summary, report)
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
    for event in _answers(project, policy, generator, groups, sampling, tuple(range(sampling.k))):
        if isinstance(event, events.CompletionFinished):
            completions.record(project, event)
            made += 1
        elif isinstance(event, events.ModelLoading):
            report(f"     {event.stage}")
        elif isinstance(event, events.ModelLoaded):
            report(f"     {event.parameters / 1e6:.0f} M parameters on {event.device} in {event.dtype}")
        elif isinstance(event, events.GroupFinished):
            group = completions.get_group(project, event.group)
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
    candidates: tuple[int, ...],
) -> Any:
    command = commands.Generate(
        job="tour",
        base=policy.base,
        adapter=None if policy.adapter is None else str(project.folder / policy.adapter),
        items=tuple(commands.GenerationItem(group.id, group.prompt.messages, candidates) for group in groups),
        sampling=sampling.to_json(),
    )
    for event in generator.run(command, lambda: False):
        if isinstance(event, events.Failed):
            raise UserError(event.message, event.hint or event.details)
        yield event


def _train(project: Project, policy: Policy, report: Report) -> tuple[Any, list[events.Event]]:
    data = runs.training_data(project)
    recommended = recommend(len(data.train))
    run = runs.create(project, policy, recommended.settings)
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


def _measure(
    project: Project,
    trained: Policy,
    generator: Generator,
    preference: StatedPreference,
    summary: Summary,
    report: Report,
) -> None:
    """Answers of the base are in the project; the trained policy answers with the same settings."""
    groups = [g for g in rankings.next_groups(project, limit=100) if g.policy_id == trained.parent_id]
    groups = [g for g in groups if g.sampling and g.sampling.get("max_new_tokens", 0) >= 128]
    if not groups:
        report("     There are no unlabelled groups to count on.")
        return
    sampling = SamplingSettings.from_json(groups[0].sampling or {})
    before = {
        (g.id, c.candidate): (c.text, c.finish_reason)
        for g in groups
        for c in g.completions
        if c.candidate in MEASURED_CANDIDATES
    }
    after: dict[tuple[int, int], tuple[str, str]] = {}
    for event in _answers(project, trained, generator, groups, sampling, MEASURED_CANDIDATES):
        if isinstance(event, events.CompletionFinished):
            after[event.group, event.candidate] = (event.text, event.finish_reason)
    keys = sorted(set(before) & set(after))
    summary.keeps_before = wilson(sum(preference.keeps(*before[key]) for key in keys), len(keys))
    summary.keeps_after = wilson(sum(preference.keeps(*after[key]) for key in keys), len(keys))

    def levels(answers: dict[tuple[int, int], tuple[str, str]]) -> list[float]:
        by_prompt: dict[int, list[int]] = {}
        for key in keys:
            by_prompt.setdefault(key[0], []).append(preference.level(*answers[key]))
        return [-sum(found) / len(found) for found in by_prompt.values()]

    summary.wins = win_rate(levels(after), levels(before))
    report(f"     kept before training: {summary.keeps_before}")
    report(f"     kept after training:  {summary.keeps_after}")
    report(f"     after beats before on {summary.wins} prompts (a tie counts half)")


def _export(project: Project, run: Any, said: list[events.Event], summary: Summary) -> None:
    exports = project.folder / "exports"
    preference.export(project, exports / "preference")
    ranking.export(project, exports / "ranking")
    adapter.export(project, run, exports / "adapter")
    save_curves(said, exports / "curves.png", title=f"{run.name}: PL-DPO on the sample's rankings")
    summary.made |= {
        "preference data": exports / "preference",
        "rankings": exports / "ranking",
        "adapter to share": exports / "adapter",
        "curves": exports / "curves.png",
    }


def _close(summary: Summary, report: Report) -> None:
    report("")
    report(f"Done in {summary.seconds / 60:.1f} minutes: {summary.optimiser_steps} optimiser steps.")
    if summary.keeps_before and summary.keeps_after:
        report(
            f"Answers that keep the guideline: {summary.keeps_before.value:.0%} before, {summary.keeps_after} after."
        )
    report(f"Open it with a window: dpo-studio {os.fspath(summary.folder)}")


def _short(text: str, width: int = 150) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"

"""`dpo-studio score`: how undecided the trained model is about each comparison that waits for a label."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpo_studio.cli_output import STOPPED, Reporter, counted, followed, interruptions, reports
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import refuse_training
from dpo_studio.core.types import Group, GroupId, Policy

if TYPE_CHECKING:
    from dpo_studio.models.load import LoadedModel
    from dpo_studio.store import Project

_KEEP_EVERY_S = 2.0
_TELL_EVERY_S = 5.0
#: Groups that are read from the project and made ready together.
_CHUNK = 256


@dataclass(slots=True)
class Scored:
    """What a scoring did; `left` are those that wait and still have no score."""

    policy: str
    scored: int = 0
    left_out: int = 0
    left: int = 0
    seconds: float = 0.0
    cancelled: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": round(self.seconds, 3)}

    def sentence(self) -> str:
        said = f"Scored {counted(self.scored, 'comparison')} with {self.policy} in {self.seconds:.0f} s."
        if self.left_out:
            said += (
                f" {counted(self.left_out, 'comparison has', 'comparisons have')} no score:"
                " too long for the model, or the same answer throughout."
            )
        if self.left > self.left_out:
            said += f" {self.left - self.left_out:,} are left: run it again to go on."
        return said


@click.command("score")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--run", "run_name", help="Score with the model that this run made. Default: the latest run's.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many comparisons, drawn at random.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@followed
@reports
def score_command(out: Reporter, project: Path, run_name: str | None, limit: int | None, device: str) -> int | None:
    """Say how undecided a trained model is about what waits in PROJECT, for the order of the Label page.

    The score is the gap between the two highest implicit rewards of a comparison: a small one tells most when it is
    labelled. Ctrl+C keeps what was scored; run it again to go on.
    """
    from dpo_studio.store import Project

    def told(doing: str) -> None:
        out.progress(doing)
        out.more({"progress": None, "doing": doing})

    with (
        Project.open(project) as opened,
        interruptions(lambda: out.progress("Stopping; scores so far are kept…")) as stopped,
    ):
        done = score(
            opened,
            run_name=run_name,
            limit=limit,
            device=device,
            cancelled=stopped,
            report=told,
        )
    out.result(done.to_json(), done.sentence())
    return STOPPED if done.cancelled else None


def score(
    project: Project,
    *,
    run_name: str | None,
    limit: int | None,
    device: str,
    cancelled: Callable[[], bool],
    report: Callable[[str], None],
) -> Scored:
    """Score what waits for the project's annotator and has no score under this policy, in a random order.

    Raises:
        UserError: there is no trained model, or it cannot be loaded or used.
    """
    from dpo_studio.store import queue, scores

    policy = _policy(project, run_name)
    done = Scored(policy.name)
    todo = queue.shuffled(scores.unscored(project, project.annotator, policy.id), seed=policy.id)
    asked = todo[:limit]
    if not asked:
        return done
    began = told = time.monotonic()
    report(f"{counted(len(asked), 'comparison')} to score with {policy.name}")
    loaded, reference = _load(project, policy, device, report)
    for found in _in_chunks(project, asked, loaded, reference, done, cancelled):
        scores.keep(project, policy.id, found)
        done.scored += len(found)
        done.seconds = time.monotonic() - began
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            each = done.seconds / done.scored
            pace = f"{each:.1f} s each" if each > 1 else f"{1 / each:.1f} a second"
            report(f"{done.scored:,}/{len(asked):,} scored, {pace}")
    done.cancelled = cancelled()
    done.left = len(todo) - done.scored
    return done


def _policy(project: Project, run_name: str | None) -> Policy:
    from dpo_studio.cli_generate import policy_named
    from dpo_studio.store import scores

    policy = policy_named(project, model=None, run_name=run_name) if run_name else scores.current_policy(project)
    if policy is None or policy.parent_id is None:
        raise UserError(
            "Only a trained model can be undecided about answers: to a base model all of them are worth the same"
            " (its implicit rewards are zero).",
            "Train on some labels first, or label in another order.",
        )
    refuse_training(policy.base)
    return policy


def _load(
    project: Project, policy: Policy, device: str, report: Callable[[str], None]
) -> tuple[LoadedModel, LoadedModel | None]:
    """The policy, and where all its weights were trained the model that its run began with, both in fp32 then.

    A small policy is in fp32 always: scores are small differences.
    """
    from dpo_studio.models import load as models
    from dpo_studio.models.exact import exact
    from dpo_studio.store import policies, requests

    def load(one: Policy, dtype: str) -> LoadedModel:
        adapter = requests.adapter_path(project, one)
        return models.load(
            policies.model_reference(project, one),
            adapter=None if adapter is None else Path(adapter),
            device=device,
            dtype=dtype,
            on_stage=report,
        )

    if policy.adapter is not None:
        return exact(load(policy, "auto")), None
    assert policy.parent_id is not None
    return load(policy, "float32"), load(policies.get(project, policy.parent_id), "float32")


def _in_chunks(
    project: Project,
    asked: list[GroupId],
    loaded: LoadedModel,
    reference: LoadedModel | None,
    done: Scored,
    cancelled: Callable[[], bool],
) -> Iterator[dict[GroupId, float]]:
    """Scores as they are to be kept: those of a few seconds at a time."""
    from dpo_studio.store import completions
    from dpo_studio.training import scoring

    scoring_with = scoring.Scoring(loaded, reference)
    held: dict[GroupId, float] = {}
    last = time.monotonic()
    for start in range(0, len(asked), _CHUNK):
        groups = completions.get_groups(project, asked[start : start + _CHUNK])
        ids = {group.uuid: group.id for group in groups}
        examples, left_out = scoring.examples_of([_row(group) for group in groups], loaded)
        done.left_out += left_out
        for found in scoring_with.gaps(examples, cancelled=cancelled):
            held.update({ids[uuid]: gap for uuid, gap in found.items()})
            if time.monotonic() - last > _KEEP_EVERY_S:
                yield held
                held, last = {}, time.monotonic()
        if cancelled():
            break
    if held:
        yield held


def _row(group: Group) -> dict[str, Any]:
    """A group as a line of a run's data, without a label."""
    return {
        "group": group.uuid,
        "held_out": group.prompt.held_out,
        "prompt": [message.to_json() for message in group.prompt.messages],
        "completions": [
            {
                "text": completion.text,
                "token_ids": completion.token_ids,
                "tokenizer_hash": completion.tokenizer_hash,
                "finish_reason": completion.finish_reason,
            }
            for completion in group.completions
        ],
        "ranks": [None] * len(group.completions),
    }

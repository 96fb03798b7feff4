"""How each run of a project stands, from the end of its events: quick, however long the run was. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Policy, PolicyId, Run
from dpo_studio.jobs import training
from dpo_studio.jobs.training import Outcome

from .estimates import Measured

TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """A run's outcome, its last word, and its first (for the model's size)."""

    outcome: Outcome
    done: events.RunDone | None = None
    parameters: int = 0


def of(run_folder: Path) -> Standing:
    """How a run stands now."""
    alive = training.is_alive(run_folder)  # before the events are read: dead then, it has said all it will
    try:
        head, tail = _ends(run_folder / training.EVENTS_FILE)
    except UserError as error:
        return Standing(Outcome("failed", str(error)))
    outcome = training.outcome_of(tail, alive=alive, run_folder=run_folder)
    done = next((event for event in reversed(tail) if isinstance(event, events.RunDone)), None)
    started = next((event for event in head if isinstance(event, events.RunStarted)), None)
    finished = done if outcome.state in ("finished", "stopped") else None
    return Standing(outcome, finished, started.parameters if started else 0)


def measured(runs: Sequence[Run], policies: dict[PolicyId, Policy], standings: dict[int, Standing]) -> list[Measured]:
    """What the finished runs took, oldest first."""
    found = []
    for run in runs:
        standing, policy = standings.get(run.id), policies.get(run.policy_id)
        if standing is None or standing.done is None or policy is None or not standing.done.steps:
            continue
        batch = int(run.settings.get("batch_groups", 1))
        done = standing.done
        found.append(Measured(run.name, policy.base, done.seconds, done.steps, batch, standing.parameters))
    return found


def _ends(path: Path) -> tuple[list[events.Event], list[events.Event]]:
    """The events at the beginning and at the end of the file; half lines are left out."""
    try:
        with path.open("rb") as file:
            head = file.read(TAIL_BYTES)
            size = file.seek(0, 2)
            start = max(0, size - TAIL_BYTES)
            file.seek(start)
            tail = file.read()
    except OSError:
        return [], []
    return _events(head), _events(tail)


def _events(chunk: bytes) -> list[events.Event]:
    complete = chunk[: chunk.rfind(b"\n") + 1]
    # split("\n"), not splitlines(): an answer may hold U+2028 and the like, which end no JSON line.
    found = (events.from_line(line) for line in complete.decode("utf-8", "replace").split("\n") if line)
    return [event for event in found if event is not None]

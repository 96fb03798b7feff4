"""Before a run starts: the model's size by its name, the time by a measured step or by earlier runs. No Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings

from .wording import duration

STARTER_PARAMETERS = 135_000_000
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*([bm])(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Measured:
    """What an earlier run took. `seconds` is the whole run, its answers before and after included."""

    name: str
    base: str
    seconds: float
    steps: int
    batch_groups: int
    parameters: int = 0


def parameters_of(base: str, measured: Sequence[Measured] = ()) -> int:
    """How many parameters a base model has: as an earlier run counted them, else as its name says.

    A name that says nothing counts as the starter model.
    """
    for run in reversed(measured):
        if run.base == base and run.parameters:
            return run.parameters
    sizes = _SIZE.findall(re.sub(r"[-_/]", " ", base))
    if not sizes:
        return STARTER_PARAMETERS
    number, unit = sizes[-1]
    return max(1, round(float(number) * (1e9 if unit.lower() == "b" else 1e6)))


def time_sentence(settings: TrainingSettings, groups: int, base: str, measured: Sequence[Measured]) -> str:
    """How long a run will take, by the newest earlier run on the same base."""
    for run in reversed(measured):
        if run.base == base and run.steps and run.seconds > 0:
            per_group = run.seconds / (run.steps * run.batch_groups)
            seconds = per_group * settings.steps_over(groups) * settings.batch_groups
            return f"about {duration(seconds)}, going by {run.name}"
    return "the first run measures how long it takes here"


def measured_sentence(found: events.Estimated) -> str:
    """How long a run will take and what it will hold, by steps that were measured."""
    return f"about {duration(found.seconds)} and {found.memory_gb:.1f} GB of memory, measured on real steps here"

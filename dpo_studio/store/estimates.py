"""Estimates that were measured on this machine, kept for runs that compute the same. The folder may be deleted."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dpo_studio import __version__
from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Group, Policy

from .database import Project

if TYPE_CHECKING:
    from .runs import TrainingData

ESTIMATES = Path("cache") / "estimates"
#: In a run's folder: what was expected of it when it was made.
ESTIMATE_FILE = "estimate.json"

#: The settings that time and memory depend on; learning rates, weights and the like change neither.
_MATTER = (
    *("method", "trains", "lora_rank", "lora_dropout", "lora_targets", "epochs", "batch_groups", "max_steps"),
    *("max_length", "too_long", "evaluate_every", "fresh_samples", "fresh_tokens", "dtype", "device"),
)


def find(project: Project, policy: Policy, settings: TrainingSettings, data: TrainingData) -> events.Estimated | None:
    """What was measured for such a run on such data, on this machine; None where nothing was."""
    try:
        line = _place(project, policy, settings, data).read_text(encoding="utf-8")
    except OSError:
        return None
    found = events.from_line(line)
    return found if isinstance(found, events.Estimated) else None


def keep(
    project: Project, policy: Policy, settings: TrainingSettings, data: TrainingData, found: events.Estimated
) -> None:
    """Keep what was measured; where the disk does not let it, it is not kept."""
    place = _place(project, policy, settings, data)
    partial = place.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(events.to_line(found), encoding="utf-8")
        os.replace(partial, place)


def write_beside(
    run_folder: Path, project: Project, policy: Policy, settings: TrainingSettings, data: TrainingData
) -> None:
    """Put what is expected of a new run into its folder, where something was measured."""
    found = find(project, policy, settings, data)
    if found is not None:
        (run_folder / ESTIMATE_FILE).write_text(events.to_line(found), encoding="utf-8")


def _place(project: Project, policy: Policy, settings: TrainingSettings, data: TrainingData) -> Path:
    machine = [__version__, platform.node(), os.cpu_count()]
    values = [getattr(settings, name) for name in _MATTER]
    sizes = [[_characters(group) for group, _ in part] for part in (data.train, data.held_out)]
    key = json.dumps([machine, policy.base, policy.adapter, values, sizes])
    return project.folder / ESTIMATES / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _characters(group: Group) -> int:
    prompt = sum(len(message.content) for message in group.prompt.messages)
    return prompt + sum(len(completion.text) for completion in group.completions)

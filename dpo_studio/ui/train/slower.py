"""The way on from a run whose numbers ran away: the same run once more, with a lower learning rate."""

from __future__ import annotations

import dataclasses

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Run

#: How many times lower the learning rate of the next attempt is.
SLOWER = 3


def settings_after(run: Run) -> TrainingSettings:
    """The run's settings with a third of its learning rate."""
    settings = TrainingSettings.from_json(run.settings)
    return dataclasses.replace(settings, learning_rate=float(f"{settings.learning_rate / SLOWER:.1e}"))


def reason(run: Run) -> str:
    """Why the form holds these settings, in sentences for above its button."""
    before, now = TrainingSettings.from_json(run.settings).learning_rate, settings_after(run).learning_rate
    return (
        f"The numbers of {run.name} ran away, so the learning rate is {now:g} here, a third of its {before:g}."
        " All else is as it was there."
    )

"""The error of a run whose numbers are not finite any more, and what became of what it had learnt."""

from __future__ import annotations

from dpo_studio.core.errors import UserError


class DivergedError(UserError):
    """Going on from its checkpoint would lead to the same numbers; another run with a lower learning rate does not.

    Args:
        step: the first step that could not be done.
        kept_step: the step whose weights were put back and saved; 0 where there are none.
        folder: where they are, relative to the run's folder.

    Attributes:
        kept: that folder; empty where nothing is kept.
    """

    def __init__(self, step: int, *, kept_step: int = 0, folder: str = "") -> None:
        kept = "No checkpoint is from before that, so nothing is kept."
        if kept_step:
            kept = f"What it had learnt by step {kept_step} is kept."
        super().__init__(
            f"Training stopped at step {step}: its numbers are not finite any more. {kept}",
            "Train again with a lower learning rate.",
        )
        self.kept = folder if kept_step else ""

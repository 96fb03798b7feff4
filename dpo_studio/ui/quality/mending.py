"""What can be done about prompts that are alike, and taken back again.

What was archived can be taken back on Prompts, too, also on a later day. What was let into training cannot: it may have
been trained on by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpo_studio.core.types import PromptId
from dpo_studio.store import Project, prompt_edits, prompt_undo, prompts


@dataclass(frozen=True, slots=True)
class Offer:
    """A button for sets of prompts: its text, and what it does."""

    text: str
    means: str


TRAINING = Offer(
    "Use all of them for training",
    "Prompts that are nearly the same then stand on one side, so what is measured on held-out prompts is honest again.",
)
ARCHIVE = Offer(
    "Archive the repeats",
    "The first of each set stays. An archived prompt is asked for no more answers; those it has stay, labels too.",
)


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done to which prompts; of archiving, how that is kept for later (see store.prompt_undo)."""

    prompts: tuple[PromptId, ...]
    number: int = 0
    step: Mapping[str, Any] | None = None


class Mending:
    """Does what is offered on one project, and takes it back."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._done: list[_Done] = []

    def do(self, offer: Offer, sets: Sequence[Sequence[PromptId]]) -> str:
        """Do it for these sets of prompts; what was done, in a sentence.

        Raises:
            UserError: the project could not be written; nothing was changed.
        """
        with self._project.transaction():
            if offer is TRAINING:
                members = prompts.get_many(self._project, [one for ids in sets for one in ids])
                moved = [prompt.id for prompt in members.values() if prompt.held_out]
                prompt_edits.hold_out(self._project, moved, False)
                done = _Done(tuple(moved))
            else:
                moved = prompt_edits.archive(self._project, [one for ids in sets for one in ids[1:]])
                step = {"what": "archive", "archived": True, "ids": prompt_undo.ranges(moved)}
                done = _Done(tuple(moved), prompt_undo.keep(self._project, step) if moved else 0, step)
        if not moved:
            return "That is done already."
        self._done.append(done)
        what = "archived" if offer is ARCHIVE else "for training now"
        return f"{_number(moved)} {what}. Ctrl+Z takes that back."

    def undo(self) -> str:
        """Take back the last thing that was done; a sentence about it, or nothing where there is none.

        Raises:
            UserError: the project could not be written; nothing was changed.
        """
        while self._done and self._was_taken_back(self._done[-1]):
            self._done.pop()
        if not self._done:
            return ""
        last = self._done[-1]
        with self._project.transaction():
            if last.step is not None:
                prompt_edits.archive(self._project, last.prompts, False)
                prompt_undo.forget(self._project, last.number)
            else:
                prompt_edits.hold_out(self._project, last.prompts, True)
        self._done.pop()
        return f"{_number(last.prompts)} {'held out again' if last.step is None else 'back'}."

    def _was_taken_back(self, done: _Done) -> bool:
        """Whether that was done on Prompts meanwhile."""
        return done.step is not None and not prompt_undo.is_kept(self._project, done.number, done.step)


def _number(ids: Sequence[PromptId]) -> str:
    return "1 prompt is" if len(ids) == 1 else f"{len(ids):,} prompts are"

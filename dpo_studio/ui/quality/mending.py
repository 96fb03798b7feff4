"""What can be done about prompts that are alike, and taken back again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dpo_studio.core.types import PromptId
from dpo_studio.store import Project, prompt_edits, prompts


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
class _Step:
    archived: bool
    prompts: tuple[PromptId, ...]


class Mending:
    """Does what is offered on one project, and takes it back."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._done: list[_Step] = []

    def do(self, offer: Offer, sets: Sequence[Sequence[PromptId]]) -> str:
        """Do it for these sets of prompts; what was done, in a sentence.

        Raises:
            UserError: the project could not be written; nothing was changed.
        """
        if offer is TRAINING:
            members = prompts.get_many(self._project, [one for ids in sets for one in ids])
            moved = [prompt.id for prompt in members.values() if prompt.held_out]
            self._hold_out(moved, False)
        else:
            moved = prompt_edits.archive(self._project, [one for ids in sets for one in ids[1:]])
        if not moved:
            return "That is done already."
        self._done.append(_Step(offer is ARCHIVE, tuple(moved)))
        what = "archived" if offer is ARCHIVE else "for training now"
        return f"{_number(moved)} {what}. Ctrl+Z takes that back."

    def undo(self) -> str:
        """Take back the last thing that was done; a sentence about it, or nothing where there is none.

        Raises:
            UserError: the project could not be written; nothing was changed.
        """
        if not self._done:
            return ""
        step = self._done[-1]
        if step.archived:
            prompt_edits.archive(self._project, step.prompts, False)
        else:
            self._hold_out(step.prompts, True)
        self._done.pop()
        return f"{_number(step.prompts)} {'back' if step.archived else 'held out again'}."

    def _hold_out(self, prompt_ids: Iterable[PromptId], held_out: bool) -> None:
        with self._project.transaction():
            for prompt_id in prompt_ids:
                prompts.set_held_out(self._project, prompt_id, held_out)


def _number(ids: Sequence[PromptId]) -> str:
    return "1 prompt is" if len(ids) == 1 else f"{len(ids):,} prompts are"

"""What Generate's buttons and its strip speak of, counted in a thread: it goes through the project."""

from __future__ import annotations

from dataclasses import dataclass

from dpo_studio.store import Project, prompt_search, prompt_states
from dpo_studio.store.prompt_states import Waiting

from .asking import UNANSWERED

_ALL = 2**62


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of the project as it was when they were counted.

    Attributes:
        unanswered: prompts that nobody was asked to answer; None while it is not known.
        waiting: the queue of unfinished groups.
    """

    unanswered: int | None = None
    waiting: Waiting = Waiting()

    @classmethod
    def of(cls, project: Project) -> Counts:
        """Count now."""
        return cls(prompt_search.count(project, UNANSWERED, at_most=_ALL), prompt_states.waiting(project))

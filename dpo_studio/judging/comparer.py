"""What a judge asks its questions of, whether on this machine or behind a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message

#: The letters of the two answers.
LETTERS = ("A", "B")
ADVICE = "Choose a larger model, or say the principles more plainly."


class QuestionRefused(UserError):
    """A question cannot be asked (it is too long, say); those of other groups may."""


class Comparer(Protocol):
    """Answers questions of the kind "A or B".

    Attributes:
        graded: whether its log-odds are of probabilities, and not of a mere choice.
        advice: what to do where it answers with neither letter.
    """

    graded: bool
    advice: str

    def log_odds(self, questions: Sequence[Message], cancelled: Callable[[], bool]) -> list[float | None] | None:
        """For each question log p(A) − log p(B) in nats, or None without an answer; None altogether when cancelled.

        Raises:
            QuestionRefused: these questions cannot be asked.
            UserError: none can.
        """
        ...

"""Answers to prompts: the candidates of one prompt as a stream, or many prompts at once.

The same seed and settings give the same text, whatever is drawn beside it: see `drawing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.models.load import LoadedModel

from .answers import Answer, TextPiece
from .drawing import MOST_ATTEMPTS, Wish, draw

__all__ = ["MOST_ATTEMPTS", "Answer", "TextPiece", "answer", "sample"]


def sample(
    loaded: LoadedModel,
    messages: Sequence[Message],
    wanted: Mapping[int, SamplingSettings],
    *,
    taken: Collection[str] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[TextPiece | Answer]:
    """Draw candidates of one prompt together; text as it is decoded, then each answer as it ends.

    A candidate that comes out like another of this call, or like one that is taken, is drawn again, at most
    MOST_ATTEMPTS times and without streaming. When cancelled, it ends after the token in hand; answers given stand.

    Args:
        wanted: the settings of each candidate.
        taken: answers that there are already, without white space at the ends.

    Raises:
        UserError: the prompt does not fit, or the model's numbers are not finite.
    """
    for _, said in draw(loaded, [Wish(0, messages, wanted, taken)], cancelled=cancelled):
        if isinstance(said, UserError):
            raise said
        if isinstance(said, TextPiece | Answer):
            yield said


def answer(
    loaded: LoadedModel,
    conversations: Sequence[Sequence[Message]],
    sampling: SamplingSettings,
    candidates: Sequence[int] = (0,),
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[list[Answer]]:
    """The candidates' answers to each conversation, several conversations at once.

    Nothing is drawn again when two come out alike. When cancelled, unfinished answers are left out.

    Returns:
        for each conversation, its answers in the order of `candidates`.

    Raises:
        UserError: a prompt does not fit, or the model's numbers are not finite.
    """
    wanted = dict.fromkeys(candidates, sampling)
    wishes = [Wish(index, messages, wanted, None) for index, messages in enumerate(conversations)]
    done: dict[tuple[int, int], Answer] = {}
    was_training = loaded.model.training
    loaded.model.eval()
    try:
        for key, said in draw(loaded, wishes, cancelled=cancelled):
            if isinstance(said, UserError):
                raise said
            if isinstance(said, Answer):
                done[key, said.candidate] = said
    finally:
        loaded.model.train(was_training)
    return [[done[i, c] for c in candidates if (i, c) in done] for i in range(len(conversations))]

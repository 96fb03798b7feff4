"""Prompts that are too long for the model, shortened by their oldest turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message


class Chat(Protocol):
    """The part of models.chat.ChatFormat that is used here."""

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]: ...


def shortened_prompt(messages: Sequence[Message], chat: Chat, *, room: int) -> list[int] | None:
    """The prompt's tokens without as many of its oldest turns as it takes to fit into `room` tokens.

    System messages at its beginning and everything from the last user message on always stay, and what is left begins
    with a user message, as chat templates want it. None where even that is too long, or no template takes it.
    """
    start = next((place for place, message in enumerate(messages) if message.role != "system"), len(messages))
    for place in range(start + 1, len(messages)):
        if messages[place].role != "user":
            continue
        try:
            ids = chat.prompt_ids([*messages[:start], *messages[place:]])
        except UserError:
            continue
        if 0 < len(ids) <= room:
            return ids
    return None

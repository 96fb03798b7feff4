"""What a row says as a prompt: its conversation and its tags, whether it stands in a file or was pasted.

Values go by what they mean, not by their names (see `column_meanings`). Covers no judgements and no reading of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import column_meanings, turns
from .errors import UserError
from .types import Conversation, Message

SHAPES = 'write {"prompt": "…"}, {"messages": […]} or just "…"'


def conversation_of(values: Mapping[str, Any]) -> tuple[Conversation, str]:
    """The prompt of a row whose values go by meaning, and the final answer that was left out of it, or "".

    Raises:
        UserError: why there is none.
    """
    messages = asked(values)
    if not messages:
        raise UserError("its prompt is empty")
    answer = ""
    if messages[-1].role == "assistant" and len(messages) > 1:
        messages, answer = messages[:-1], messages[-1].content
    messages = with_system(messages, values.get("system"))
    if len(messages) == 1 and messages[0].role == "user" and messages[0].content:
        return messages, answer  # as nearly all are
    for message in messages:
        if not message.content:
            raise UserError(f"its prompt has an empty {message.role} message")
    turns.check_order(messages)
    if messages[-1].role != "user":
        raise UserError(f"its conversation ends with the {messages[-1].role}, and a prompt ends with the user")
    return messages, answer


def asked(values: Mapping[str, Any]) -> Conversation:
    """The turns of a row's prompt as they stand there, without the system prompt of a column of its own; or nothing.

    The last has no text where a transcript ends with the mark of the turn that is waited for.

    Raises:
        UserError: what stands there is no prompt.
    """
    given = values.get("messages") if values.get("messages") is not None else values.get("prompt")
    about = values.get("input")
    if about is not None and not isinstance(about, str):
        raise UserError("its input is not text")
    if not given or (isinstance(given, str) and not given.strip()):
        return ()
    if not isinstance(given, str):
        if about and about.strip():
            raise UserError("its input stands beside messages, and only a text can have one")
        return turns.messages(given, "prompt")
    text = f"{given}\n\n{about}" if about and about.strip() else given
    if "\x00" in text:
        raise UserError("it holds a NUL character")
    return turns.transcript(text) or (Message("user", text),)


def with_system(messages: Conversation, system: Any) -> Conversation:
    """The messages with the system prompt that stands in a column of its own.

    Raises:
        UserError: it is not text, or the messages have another.
    """
    if system is None or (isinstance(system, str) and not system.strip()):
        return messages
    if not isinstance(system, str):
        raise UserError("its system prompt is not text")
    if messages[0].role == "system":
        if messages[0].content.strip() == system.strip():
            return messages
        raise UserError("it has a system prompt in its messages and another in its own column")
    if "\x00" in system:
        raise UserError("it holds a NUL character")
    return (Message("system", system), *messages)


def tags_of(given: Any) -> tuple[str, ...]:
    """Tags of a list, or of a text with commas between them; numbers are tags, too.

    Raises:
        UserError: they are none of that.
    """
    if given is None:
        return ()
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else [given]
    if not all(isinstance(part, str | int | float) for part in parts):
        raise UserError("its tags are neither text nor a list of texts")
    texts = [" ".join(str(part).split()) for part in parts if part == part]  # what is no number is no tag
    if any("\x00" in text for text in texts):
        raise UserError("it holds a NUL character")
    return tuple(dict.fromkeys(text for text in texts if text))


def of_entry(entry: Any) -> tuple[Conversation, tuple[str, ...], str]:
    """The prompt of an entry of JSON (an object, a text or a list of turns), its tags, and the answer left out of it.

    Raises:
        UserError: why the entry cannot be a prompt.
    """
    if isinstance(entry, Mapping):
        try:
            meant = column_meanings.guess("prompts", entry)
        except UserError:
            raise UserError(f"it holds no prompt; {SHAPES}") from None
        values = {meaning: entry[name] for meaning, name in meant.items()}
    elif isinstance(entry, str | list):
        values = {"messages" if isinstance(entry, list) else "prompt": entry}
    else:
        raise UserError(f"it holds no prompt; {SHAPES}")
    messages, answer = conversation_of(values)
    return messages, tags_of(values.get("tags")), answer

"""Turns of a conversation as data sets write them, and whether they can follow one another.

Known shapes: role and content; from and value (ShareGPT); a list of each instead of a list of turns (as `datasets`
stores a Sequence of structs); a list under "messages" (OpenAI); a content of parts that are all text. Covers messages
and plain text; what a column means is in `column_meanings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import UserError
from .types import ROLES, Message

#: Names that others give to roles.
_ROLES = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "developer": "system",
}
_HH_MARKS = (("\n\nHuman:", "user"), ("\n\nAssistant:", "assistant"))
_ROLE_KEYS, _TEXT_KEYS = ("role", "from"), ("content", "value")


def messages(value: Any, name: str) -> tuple[Message, ...]:
    """The messages of a list of turns, or of one turn.

    Args:
        name: the column, for what is said when it cannot be read.

    Raises:
        UserError: it is not a list of turns with a role and a text.
    """
    items = _items(value)
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise UserError(f"its {name} is neither text nor messages")
    if not items:
        raise UserError(f"its {name} is empty")
    return tuple(_message(item, name) for item in items)


def are_turns(value: Any) -> bool:
    """Whether this is a list of turns, by the role that each of them has."""
    is_list = isinstance(value, list) and bool(value)
    return is_list and all(isinstance(item, Mapping) and any(key in item for key in _ROLE_KEYS) for item in value)


def check_order(turns: Sequence[Message]) -> None:
    """Refuse what most chat formats refuse: a system turn that is not the first, or one speaker twice in a row.

    Raises:
        UserError: which turn is out of order.
    """
    before = ""
    for number, turn in enumerate(turns, 1):
        if turn.role == "system" and number > 1:
            raise UserError(f"its turn {number} is a system turn, which can only be the first")
        if turn.role == "assistant" and before in ("", "system"):
            raise UserError("its conversation begins with the assistant")
        if turn.role == before:
            who = "the user" if before == "user" else "the assistant"
            raise UserError(f"its turns {number - 1} and {number} are both {who}'s")
        before = turn.role


def transcript(text: str) -> tuple[Message, ...]:
    r"""The turns of "\n\nHuman: … \n\nAssistant: …" text, as older data sets hold conversations; else nothing.

    The last has no text where it waits for one.
    """
    if not text.startswith(_HH_MARKS[0][0]):
        return ()
    found: list[Message] = []
    rest, role = text[len(_HH_MARKS[0][0]) :], "user"
    while True:
        nexts = [(rest.find(mark), mark, other) for mark, other in _HH_MARKS if mark in rest]
        if not nexts:
            found.append(Message(role, rest.strip()))
            return tuple(found)
        at, mark, other = min(nexts)
        found.append(Message(role, rest[:at].strip()))
        rest, role = rest[at + len(mark) :], other


def _items(value: Any) -> Any:
    """The turns of what stands where a list of them is looked for."""
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("messages"), list) and not any(key in value for key in _ROLE_KEYS):
        return value["messages"]
    keys = [next((key for key in known if value.get(key) is not None), "") for known in (_ROLE_KEYS, _TEXT_KEYS)]
    lists = [value.get(key) for key in keys]
    if isinstance(lists[0], list) and isinstance(lists[1], list) and len(lists[0]) == len(lists[1]):
        return [dict(zip(keys, pair, strict=True)) for pair in zip(*lists, strict=True)]
    return [value]


def _message(item: Any, name: str) -> Message:
    if not isinstance(item, Mapping):
        raise UserError(f"its {name} has a message without a role and a text")
    role, content = (
        next((item[key] for key in known if item.get(key) is not None), None) for known in (_ROLE_KEYS, _TEXT_KEYS)
    )
    if isinstance(content, list):
        content = _joined(content, name)
    if not isinstance(role, str) or not isinstance(content, str):
        raise UserError(f"its {name} has a message without a role and a text")
    role = _ROLES.get(role.lower(), role.lower())
    if role not in ROLES:
        raise UserError(f"its {name} has the role {role[:40]!r}, which is not a role: use {', '.join(ROLES)}")
    if not content.strip():
        raise UserError(f"its {name} has an empty {role} message")
    if "\x00" in content:
        raise UserError("it holds a NUL character")
    return Message(role, content)


def _joined(parts: list[Any], name: str) -> str:
    """The text of a content that comes in parts."""
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise UserError(f"its {name} has a part that is not text")
    return "".join(text for text in texts if isinstance(text, str))

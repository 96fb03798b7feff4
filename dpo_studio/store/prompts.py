"""Prompts: conversations that wait for an answer. The same conversation is held once."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import ROLES, Message, Prompt, PromptId, messages_from_json

from .database import Project, in_chunks, new_uuid, now, storable, to_text

HELD_OUT_SHARE = 0.1
#: The first prompts of a project are all for training: holding one of three out by chance would leave too little.
NEVER_HELD_OUT = 10


def add(project: Project, messages: Sequence[Message], *, source: str = "", tags: Iterable[str] = ()) -> Prompt:
    """Add one prompt, or return the one that holds the same conversation.

    Raises:
        UserError: no messages, an unknown role, an empty text, or a conversation that does not end
            with a user turn.
    """
    check(messages)
    text, content_hash = stored_form(messages)
    with project.transaction() as db:
        there = find_by_hash(project, content_hash)
        if there is not None:
            return get(project, there)
        held_out = count(project) >= NEVER_HELD_OUT and is_held_out(content_hash)
        cursor = db.conn.execute(
            "INSERT INTO prompts (uuid, messages, content_hash, source, tags, held_out, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [new_uuid(), text, content_hash, storable(source), to_text(list(tags)), int(held_out), now()],
        )
        return get(project, PromptId(cursor.lastrowid or 0))


def add_many(project: Project, conversations: Iterable[Sequence[Message]], *, source: str = "") -> list[Prompt]:
    """Add several prompts in one transaction: all of them or, on a UserError, none."""
    with project.transaction():
        return [add(project, messages, source=source) for messages in conversations]


def get(project: Project, prompt_id: PromptId) -> Prompt:
    row = project.db.conn.execute(f"SELECT {_COLUMNS} FROM prompts WHERE id = ?", [prompt_id]).fetchone()
    if row is None:
        raise UserError(f"There is no prompt {prompt_id} in this project.")
    return _prompt(row)


def get_many(project: Project, prompt_ids: Iterable[PromptId]) -> dict[PromptId, Prompt]:
    """The prompts of these ids; unknown ones are left out."""
    found: dict[PromptId, Prompt] = {}
    for ids in in_chunks(dict.fromkeys(prompt_ids)):
        marks = ", ".join("?" * len(ids))
        for row in project.db.conn.execute(f"SELECT {_COLUMNS} FROM prompts WHERE id IN ({marks})", ids):
            found[PromptId(row[0])] = _prompt(row)
    return found


def all_prompts(project: Project, *, archived: bool = True) -> list[Prompt]:
    """Every prompt, in the order in which they were added; without the archived ones where `archived` is False."""
    which = "" if archived else "WHERE archived = 0 "
    return [_prompt(row) for row in project.db.conn.execute(f"SELECT {_COLUMNS} FROM prompts {which}ORDER BY id")]


def without_group(project: Project) -> list[Prompt]:
    """Prompts for which no group was ever asked for, in order; archived ones are left out."""
    return [
        _prompt(row)
        for row in project.db.conn.execute(
            f"SELECT {_COLUMNS} FROM prompts p WHERE archived = 0 AND NOT EXISTS"
            " (SELECT 1 FROM groups g WHERE g.prompt_id = p.id) ORDER BY id"
        )
    ]


def count(project: Project) -> int:
    """How many prompts there are, archived ones included; at once, however many."""
    return int(project.db.conn.execute("SELECT ifnull(sum(prompts), 0) FROM prompt_tallies").fetchone()[0])


def set_held_out(project: Project, prompt_id: PromptId, held_out: bool) -> None:
    """Decide whether a prompt is held out, before anything was trained on it."""
    with project.transaction() as db:
        db.conn.execute("UPDATE prompts SET held_out = ? WHERE id = ?", [int(held_out), prompt_id])


def stored_form(messages: Sequence[Message]) -> tuple[str, str]:
    """A conversation as it is stored, and the hash by which it is held once."""
    text = messages_text(messages)
    return text, hashlib.sha256(text.encode()).hexdigest()


def find_by_hash(project: Project, content_hash: str) -> PromptId | None:
    """The prompt with this content, archived or not."""
    row = project.db.conn.execute("SELECT id FROM prompts WHERE content_hash = ?", [content_hash]).fetchone()
    return None if row is None else PromptId(row[0])


def there_already(project: Project, conversations: Sequence[Sequence[Message]]) -> dict[int, PromptId]:
    """Which of these conversations are prompts already, archived or not, by their place in the list."""
    hashes = [stored_form(messages)[1] for messages in conversations]
    ids: dict[str, PromptId] = {}
    for places in in_chunks(range(len(hashes))):
        marks = ", ".join("?" * len(places))
        rows = project.db.conn.execute(
            f"SELECT content_hash, id FROM prompts WHERE content_hash IN ({marks})", [hashes[place] for place in places]
        )
        ids.update((content_hash, PromptId(prompt_id)) for content_hash, prompt_id in rows)
    return {place: ids[one] for place, one in enumerate(hashes) if one in ids}


def check(messages: Sequence[Message]) -> None:
    """Raise a UserError where the messages cannot be a prompt."""
    if not messages:
        raise UserError("A prompt needs at least one message.", "Write what the model is to answer.")
    for message in messages:
        if message.role not in ROLES:
            raise UserError(f"{message.role!r} is not a role of a conversation.", f"Use one of {', '.join(ROLES)}.")
        if not message.content.strip():
            raise UserError(f"A {message.role} message is empty.", "Write its text, or leave it out.")
    if messages[-1].role != "user":
        raise UserError(
            "A prompt ends with what the user says, and this one ends with another role.",
            "Leave out the last message, or import it as a completion.",
        )


_COLUMNS = "id, uuid, messages, source, tags, held_out, archived"


def _prompt(row: sqlite3.Row | tuple) -> Prompt:
    return Prompt(
        id=PromptId(row[0]),
        uuid=row[1],
        messages=messages_from_json(json.loads(row[2])),
        source=row[3],
        tags=tuple(json.loads(row[4])),
        held_out=bool(row[5]),
        archived=bool(row[6]),
    )


def messages_text(messages: Sequence[Message]) -> str:
    return storable(json.dumps([message.to_json() for message in messages], ensure_ascii=False))


def is_held_out(content_hash: str) -> bool:
    """By its content, so that the same conversation is held out in other projects too."""
    return int(content_hash[:8], 16) / 0x1_0000_0000 < HELD_OUT_SHARE

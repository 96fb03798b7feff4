"""Many prompts at once: which of them a project holds already, and adding those it does not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from dpo_studio.core.types import Message

from .database import Project, new_uuid, now, storable, to_text
from .prompts import NEVER_HELD_OUT, check, count, is_held_out, messages_text

_AT_ONCE = 500


class Known:
    """The conversations that a project holds or that were asked about before, by what they say.

    Of those asked about, eight bytes each are kept.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._asked: set[int] = set()

    def new(self, conversations: Sequence[Sequence[Message]]) -> list[bool]:
        """Which of these are neither in the project nor asked about earlier, here or in the same list."""
        hashes = [content_hash(messages_text(messages)) for messages in conversations]
        there: set[str] = set()
        for start in range(0, len(hashes), _AT_ONCE):
            part = hashes[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(part))
            rows = self._project.db.conn.execute(
                f"SELECT content_hash FROM prompts WHERE content_hash IN ({marks})", part
            )
            there.update(row[0] for row in rows)
        return [self._is_new(one) and one not in there for one in hashes]

    def _is_new(self, one: str) -> bool:
        short = int(one[:16], 16)
        if short in self._asked:
            return False
        self._asked.add(short)
        return True


def content_hash(text: str) -> str:
    """What tells conversations apart, of their stored text."""
    return hashlib.sha256(text.encode()).hexdigest()


def add(project: Project, rows: Iterable[tuple[Sequence[Message], Iterable[str]]], *, source: str = "") -> int:
    """Add many prompts, each with its tags, in one transaction; the number of those that were new.

    A conversation that is there already stays as it is, its tags too. The rows are taken as they come and are
    not kept, and what they raise takes everything back.

    Raises:
        UserError: a conversation that cannot be a prompt (see `prompts.check`); then none is added.
    """
    source, created = storable(source), now()
    with project.transaction() as db:
        before = there = count(project)
        for messages, tags in rows:
            check(messages)
            text = messages_text(messages)
            one = content_hash(text)
            held_out = there >= NEVER_HELD_OUT and is_held_out(one)
            cursor = db.conn.execute(
                "INSERT INTO prompts (uuid, messages, content_hash, source, tags, held_out, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content_hash) DO NOTHING",
                [new_uuid(), text, one, source, to_text(list(tags)), int(held_out), created],
            )
            there += cursor.rowcount
        return there - before

"""Many prompts at once: which of them a project holds already, and adding those it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from dpo_studio.core.types import Message

from . import prompt_words
from .bulk_writing import Writer
from .database import IN_BULK, Project
from .light_sqlite_utils import Database
from .prompts import check, stored_form

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
        hashes = [stored_form(messages)[1] for messages in conversations]
        there = ids_of(self._project, hashes)
        return [self._is_new(one) and one not in there for one in hashes]

    def _is_new(self, one: str) -> bool:
        short = int(one[:16], 16)
        if short in self._asked:
            return False
        self._asked.add(short)
        return True


def ids_of(project: Project, hashes: Iterable[str]) -> dict[str, int]:
    """The prompts of these contents that the project holds."""
    found: dict[str, int] = {}
    wanted = iter(dict.fromkeys(hashes))
    while part := list(islice(wanted, _AT_ONCE)):
        marks = ", ".join("?" * len(part))
        query = f"SELECT content_hash, id FROM prompts WHERE content_hash IN ({marks})"
        found.update(project.db.conn.execute(query, part))
    return found


@contextmanager
def in_bulk(project: Project) -> Iterator[Database]:
    """A transaction that adds many prompts, whose full text is written later (see `prompt_words`)."""
    with project.transaction() as db:
        db.conn.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, '1')", [IN_BULK])
        last = _last_id(project)
        yield db
        db.conn.execute("DELETE FROM facts WHERE name = ?", [IN_BULK])
        if _last_id(project) > last:
            prompt_words.owe(project, last + 1)


def add(project: Project, rows: Iterable[tuple[Sequence[Message], Iterable[str]]], *, source: str = "") -> int:
    """Add many prompts, each with its tags, in one transaction; the number of those that were new.

    A conversation that is there already stays as it is, its tags too. The rows are taken as they come and are
    not kept, and what they raise takes everything back.

    Raises:
        UserError: a conversation that cannot be a prompt (see `prompts.check`); then none is added.
    """
    added = 0
    with project.transaction():
        writer, rest = Writer(project, source=source), iter(rows)
        writer.begin()
        while batch := list(islice(rest, _AT_ONCE)):
            stored = []
            for messages, tags in batch:
                check(messages)
                stored.append((*stored_form(messages), tuple(tags)))
            added += add_stored(project, writer, stored)
    return added


def add_stored(project: Project, writer: Writer, rows: Sequence[tuple[str, str, tuple[str, ...]]]) -> int:
    """Write those of some prompts that are new; how many they were.

    Args:
        rows: for each the two of `prompts.stored_form`, and its tags.
    """
    there, added = set(ids_of(project, [one for _, one, _ in rows])), 0
    for text, one, tags in rows:
        if one not in there:
            there.add(one)
            writer.add_prompt(text, one, tags=tags)
            added += 1
    writer.flush()
    return added


def _last_id(project: Project) -> int:
    return int(project.db.conn.execute("SELECT coalesce(max(id), 0) FROM prompts").fetchone()[0])

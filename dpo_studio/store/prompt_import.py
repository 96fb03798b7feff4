"""Many prompts at once: which of them a project holds already, adding those it does not, and their full text.

Words can be searched a little later than the prompts are there: the full text takes longer than all the rest, so it
is written after them, some hundred at a time, and what labels meanwhile hardly waits. Where that was interrupted, the
project's next opening goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from dpo_studio.core.types import Message

from .bulk_writing import Writer
from .database import IN_BULK, TO_INDEX, Project
from .prompt_words import AT_ONCE, write_all, write_some
from .prompts import check, stored_form

_AT_ONCE = 500
#: Memory for pages that are written: with SQLite's own 2 MB the indices of a large project are written over and over.
_CACHE_KIB = 64 * 1024


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
def in_bulk(project: Project) -> Iterator[None]:
    """A transaction for many prompts; the full text of those that are more than a few is written after it."""
    conn = project.db.conn
    (before_it,) = conn.execute("PRAGMA cache_size").fetchone()
    conn.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
    try:
        with project.transaction():
            project.set_fact(IN_BULK, "1")
            last = _last_id(project)
            yield
            conn.execute("DELETE FROM facts WHERE name = ?", [IN_BULK])
            added = _last_id(project) - last
            if added:
                project.set_fact(TO_INDEX, "1")
                last = write_some(project, last)
        if added >= AT_ONCE:
            write_all(project, after=last)
    finally:
        conn.execute(f"PRAGMA cache_size = {before_it}")


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
        while batch := list(islice(rest, _AT_ONCE)):
            forms = []
            for messages, _ in batch:
                check(messages)
                forms.append(stored_form(messages))
            there = set(ids_of(project, [one for _, one in forms]))
            for (_, tags), (text, one) in zip(batch, forms, strict=True):
                if one not in there:
                    there.add(one)
                    writer.add_prompt(text, one, tags=tuple(tags))
                    added += 1
            writer.flush()
    return added


def _last_id(project: Project) -> int:
    return int(project.db.conn.execute("SELECT coalesce(max(id), 0) FROM prompts").fetchone()[0])

"""Writing many prompts, groups and judgements: rows are given their ids here, and whole batches are written.

Inside the caller's transactions, which keep everybody else from taking the same ids; `begin` in each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .database import IN_BULK, Project, now, storable, to_text
from .ordered_uuids import ordered_uuid
from .prompts import NEVER_HELD_OUT, count, is_held_out

_TABLES = {
    "prompts": "uuid, messages, content_hash, source, tags, held_out, created",
    "groups": "uuid, prompt_id, size, ready, created",
    "completions": "uuid, prompt_id, text, finish_reason, created",
    "rankings": (
        "uuid, group_id, kind, annotator, annotator_kind, strength, flags, note, supersedes, created, confidence"
    ),
}


@lru_cache(maxsize=1024)
def _tags_text(tags: tuple[str, ...]) -> str:
    return to_text(list(tags)) or "[]"


@dataclass(slots=True)
class HeldGroup:
    """A group as it is held, or will be.

    Attributes:
        completion_ids: by candidate, as `texts` are.
    """

    id: int
    uuid: str
    prompt_id: int
    texts: tuple[str, ...]
    completion_ids: tuple[int, ...]


@dataclass(slots=True)
class Writer:
    """Takes what is new, gives it ids, and writes it in batches.

    With `only_count` nothing is written: the ids are as they would be, and `begin` is called once.

    Attributes:
        source: where new prompts come from.
        created: when all of it was made; "" is now.
    """

    project: Project
    source: str = ""
    only_count: bool = False
    created: str = ""
    _next: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, list[Sequence[Any]]] = field(default_factory=dict)
    _prompts: int = 0
    _in_bulk: bool = False

    def __post_init__(self) -> None:
        self.created = self.created or now()
        self.source = storable(self.source)
        self.begin()

    def begin(self) -> None:
        """Begin a transaction: others may have written since the one before."""
        conn = self.project.db.conn
        for table in _TABLES:
            self._next[table] = conn.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0]
        self._prompts = count(self.project)
        self._in_bulk = bool(self.project.fact(IN_BULK))

    @property
    def next_prompt(self) -> int:
        """The id that the next new prompt gets."""
        return self._next["prompts"]

    def add_prompt(self, text: str, one: str, *, tags: tuple[str, ...] = (), held_out: bool | None = None) -> int:
        """A prompt that the project does not hold yet.

        Args:
            text: its messages as they are stored (the first of `prompts.stored_form`).
            one: the hash of that text (the second).
            held_out: None decides by its content, as for any prompt.
        """
        if held_out is None:
            held_out = self._prompts >= NEVER_HELD_OUT and is_held_out(one)
        self._prompts += 1
        kept = _tags_text(tags)
        prompt = self._add("prompts", ordered_uuid(), text, one, self.source, kept, int(held_out), self.created)
        if tags and self._in_bulk:
            rows = self._waiting.setdefault("prompt_tags", [])
            rows += [(tag, prompt) for tag in dict.fromkeys(storable(tag) for tag in tags)]
        return prompt

    def add_group(self, prompt_id: int, texts: Sequence[str], finishes: Sequence[str]) -> HeldGroup:
        """A group with all its completions."""
        uuid = ordered_uuid()
        group = self._add("groups", uuid, prompt_id, len(texts), 1, self.created)
        ids = tuple(
            self._add("completions", ordered_uuid(), prompt_id, text, finish, self.created)
            for text, finish in zip(texts, finishes, strict=True)
        )
        items = self._waiting.setdefault("group_items", [])
        items += [(group, candidate, completion) for candidate, completion in enumerate(ids)]
        return HeldGroup(group, uuid, prompt_id, tuple(texts), ids)

    def add_ranking(
        self, group: HeldGroup, annotator: tuple[str, str], said: tuple[Any, ...], supersedes: int | None
    ) -> int:
        """A ranking of a group.

        Args:
            annotator: name and kind.
            said: as `Standing.said`; the ranks have no gaps.
        """
        ranks, strength, note, flags, confidence = said
        name, kind = annotator
        ranking = self._add(
            "rankings",
            *(ordered_uuid(), group.id, "ranking", name, kind, strength, to_text(list(flags)), note),
            *(supersedes, self.created, confidence),
        )
        items = self._waiting.setdefault("ranking_items", [])
        items += [(ranking, one, rank) for one, rank in zip(group.completion_ids, ranks, strict=True)]
        return ranking

    def flush(self) -> None:
        """Write what waits."""
        conn = self.project.db.conn
        for table, columns in (
            *((table, f"id, {names}") for table, names in _TABLES.items() if table != "rankings"),
            ("prompt_tags", "tag, prompt_id"),
            ("group_items", "group_id, candidate, completion_id"),
            ("rankings", f"id, {_TABLES['rankings']}"),
            ("ranking_items", "ranking_id, completion_id, rank"),
        ):
            rows = self._waiting.pop(table, [])
            if rows and not self.only_count:
                marks = ", ".join("?" * len(columns.split(",")))
                conn.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def _add(self, table: str, *values: Any) -> int:
        one = self._next[table]
        self._next[table] = one + 1
        self._waiting.setdefault(table, []).append((one, *values))
        return one

"""Rows that carry a judgement or completions, matched with the groups of a project, new ones made.

The same answers to the same prompt are the same group, whatever their order, unless the rows name different
groups (a comparison that was asked twice). Where rows are only counted, what is new is remembered here until the end,
about 500 bytes a row, without the texts; where they are written, for one batch, and others may write between two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message, Ranks

from . import completions, judged_import, prompt_import
from .bulk_writing import HeldGroup, Writer
from .database import Project
from .judged_import import Standing
from .prompts import stored_form


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement made elsewhere.

    Attributes:
        group: the uuid of a group of the project, or "" when prompt and completions are given.
        ranks: per completion; checked against the group's size once that is known.
        finish_reasons: one per completion; empty when the row does not say.
        held_out: what the row says of its prompt, or None.
        confidence: how sure the annotator was, from 0.5 to 1, or None where the row does not say.
        annotator_kind: "person" or "judge", or "" where the row does not say.
        tags: of the prompt; one that is there already keeps its own.
    """

    group: str
    messages: tuple[Message, ...]
    completions: tuple[str, ...]
    ranks: Ranks
    annotator: str = ""
    strength: int = 1
    note: str = ""
    flags: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    held_out: bool | None = None
    confidence: float | None = None
    annotator_kind: str = ""
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    """A group without its texts: what tells it apart, and where each text stands."""

    id: int
    uuid: str
    content: bytes
    text_keys: tuple[bytes, ...]
    completion_ids: tuple[int, ...]

    def held(self) -> HeldGroup:
        return HeldGroup(self.id, self.uuid, 0, (), self.completion_ids)


@dataclass(slots=True)
class Matching:
    """Takes rows in order and says what is new about each.

    Attributes:
        prompts, groups: those that were made.
    """

    project: Project
    writer: Writer
    prompts: int = 0
    groups: int = 0
    _prompt_ids: dict[bytes, int] = field(default_factory=dict)
    _by_content: dict[bytes, list[_Known]] = field(default_factory=dict)
    _by_uuid: dict[str, _Known] = field(default_factory=dict)
    _named: dict[str, _Known] = field(default_factory=dict)
    _claimed: set[int] = field(default_factory=set)
    _standing: dict[tuple[int, str, str], Standing] = field(default_factory=dict)

    def look_up(self, items: Sequence[Judged]) -> None:
        """Fetch what the project holds about these rows, in a few queries."""
        if not self.writer.only_count:
            for known in (self._prompt_ids, self._by_content, self._by_uuid, self._standing):
                known.clear()
            named = [self._named[item.group].held() for item in items if item.group in self._named]
            self._standing.update(judged_import.standing(self.project, named))
        wanted: dict[str, bytes] = {}
        for item in items:
            if item.completions:
                whole = stored_form(item.messages)[1]
                key = bytes.fromhex(whole[:32])
                if key not in self._prompt_ids:
                    wanted[whole] = key
        there = prompt_import.ids_of(self.project, wanted)
        self._prompt_ids.update({wanted[whole]: found for whole, found in there.items()})
        self._remember(judged_import.groups_of(self.project, there.values()))

    def recall(self, items: Sequence[Judged]) -> None:
        """Learn from rows that were written already which groups their names stand for."""
        self.look_up(items)
        for item in items:
            if item.group and item.completions:
                self._group_of(item)

    def take(self, item: Judged, annotator: tuple[str, str]) -> bool:
        """Match one row, and have what is new of it written; whether anything was.

        Args:
            annotator: name and kind, of the row's judgement.

        Raises:
            UserError: the row names a group that is not there, or that has other answers.
        """
        before = self.groups
        group = self._group_of(item)
        if not item.ranks:
            return self.groups > before
        said = (_in_order_of(group, item), item.strength, item.note, item.flags, item.confidence)
        key = (group.id, *annotator)
        stands = self._standing.get(key)
        if stands is not None and stands.said == said:
            return False
        last = self.writer.add_ranking(group.held(), annotator, said, stands.last_id if stands else None)
        self._standing[key] = Standing(last, said)
        return True

    def _remember(self, groups: Sequence[HeldGroup]) -> None:
        new = [group for group in groups if group.uuid not in self._by_uuid]
        for group in new:
            known = _known(group)
            self._by_content.setdefault(known.content, []).append(known)
            self._by_uuid[group.uuid] = known
        self._standing.update(judged_import.standing(self.project, new))

    def _group_of(self, item: Judged) -> _Known:
        if item.group and not item.completions:
            return self._by_name(item.group)
        key = bytes.fromhex(stored_form(item.messages)[1][:32])
        prompt_id = self._prompt_ids.get(key)
        content = b"" if prompt_id is None else _content(prompt_id, [_key(text) for text in item.completions])
        same = self._by_content.get(content, [])
        if not item.group:
            return same[0] if same else self._added(key, item)
        if item.group in self._named:
            named = self._named[item.group]
            if named.content != content:
                raise UserError(f"An earlier row names the group {item.group} with other answers.")
            return named
        own = self._by_uuid.get(item.group)
        free = [group for group in same if group.id not in self._claimed]
        group = own if own is not None and own.content == content else free[0] if free else self._added(key, item)
        self._named[item.group] = group
        self._claimed.add(group.id)
        return group

    def _by_name(self, uuid: str) -> _Known:
        if uuid in self._named:
            return self._named[uuid]
        if uuid not in self._by_uuid:
            group = completions.group_by_uuid(self.project, uuid)
            if not group.ready:
                raise UserError(f"Group {uuid} still waits for answers.")
            self._remember(judged_import.groups_of(self.project, [group.prompt.id]))
        return self._by_uuid[uuid]

    def _added(self, key: bytes, item: Judged) -> _Known:
        prompt_id = self._prompt_ids.get(key)
        if prompt_id is None:
            prompt_id = self._prompt_ids[key] = self.writer.add_prompt(
                *stored_form(item.messages), tags=item.tags, held_out=item.held_out
            )
            self.prompts += 1
        finishes = item.finish_reasons or ("imported",) * len(item.completions)
        known = _known(self.writer.add_group(prompt_id, item.completions, finishes))
        self._by_content.setdefault(known.content, []).append(known)
        self._by_uuid[known.uuid] = known
        self.groups += 1
        return known


def _known(group: HeldGroup) -> _Known:
    keys = tuple(_key(text) for text in group.texts)
    return _Known(group.id, group.uuid, _content(group.prompt_id, keys), keys, group.completion_ids)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


def _content(prompt_id: int, keys: Sequence[bytes]) -> bytes:
    """What a group is: its prompt and its answers, in whatever order."""
    return hashlib.blake2b(b"".join(sorted(keys)), digest_size=16, key=prompt_id.to_bytes(8, "big")).digest()


def _in_order_of(group: _Known, item: Judged) -> Ranks:
    """The row's ranks in the order of the group's completions, which may not be the row's."""
    if not item.completions:
        return weak_orders.validate(item.ranks, len(group.completion_ids))
    waiting: dict[bytes, list[int | None]] = {}
    for text, rank in zip(item.completions, item.ranks, strict=True):
        waiting.setdefault(_key(text), []).append(rank)
    return tuple(waiting[key].pop(0) for key in group.text_keys)

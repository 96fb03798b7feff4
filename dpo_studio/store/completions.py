"""Completions and the groups they are compared in.

A group is made before its completions: it says how many it is to have and how they are sampled, so an
interrupted generation goes on where it was. It is ready, and waits in Label, once it has them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.core.events import CompletionFinished
from dpo_studio.core.types import Completion, CompletionId, Group, GroupId, PolicyId, PromptId

from . import prompts
from .database import Project, in_chunks, new_uuid, now, storable, to_text


def add_group(
    project: Project,
    prompt_id: PromptId,
    *,
    size: int,
    policy_id: PolicyId | None = None,
    sampling: Mapping[str, Any] | None = None,
    recipe: Sequence[Mapping[str, Any]] = (),
) -> Group:
    """A group that waits for `size` completions.

    Args:
        recipe: what each candidate is to come from (`Group.recipe`), where they differ.

    Raises:
        UserError: fewer than two completions are asked for.
    """
    size = _checked_size(size, recipe)
    with project.transaction() as db:
        cursor = db.conn.execute(
            "INSERT INTO groups (uuid, prompt_id, size, policy_id, sampling, recipe, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [new_uuid(), prompt_id, size, policy_id, to_text(sampling), to_text(list(recipe) or None), now()],
        )
        return get_group(project, GroupId(cursor.lastrowid or 0))


@dataclass(frozen=True, slots=True)
class NewGroup:
    """A group to be made; the fields are those of `add_group`."""

    prompt_id: PromptId
    size: int
    policy_id: PolicyId | None
    sampling: Mapping[str, Any]
    recipe: Sequence[Mapping[str, Any]] = ()


def add_groups(project: Project, wanted: Sequence[NewGroup]) -> list[GroupId]:
    """Make many groups at once, all or none; their ids in this order.

    Raises:
        UserError: as `add_group`.
    """
    created = now()
    texts = {id(each.sampling): to_text(each.sampling) for each in wanted}  # mostly one for all of them
    with project.transaction() as db:
        (last,) = db.conn.execute("SELECT ifnull(max(id), 0) FROM groups").fetchone()
        ids = [GroupId(last + 1 + place) for place in range(len(wanted))]
        db.conn.executemany(
            "INSERT INTO groups (id, uuid, prompt_id, size, policy_id, sampling, recipe, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    group_id,
                    new_uuid(),
                    each.prompt_id,
                    _checked_size(each.size, each.recipe),
                    each.policy_id,
                    texts[id(each.sampling)],
                    to_text(list(each.recipe) or None),
                    created,
                )
                for group_id, each in zip(ids, wanted, strict=True)
            ],
        )
    return ids


def add(
    project: Project,
    group_id: GroupId,
    text: str,
    *,
    candidate: int | None = None,
    policy_id: PolicyId | None = None,
    token_ids: Sequence[int] | None = None,
    tokenizer_hash: str | None = None,
    logp: float | None = None,
    sampling: Mapping[str, Any] | None = None,
    seed: int | None = None,
    finish_reason: str = "imported",
) -> Completion:
    """Add a completion to a group; the group is ready once it has its size.

    Args:
        candidate: its index in the group, from 0; None takes the next. One that is taken is kept as
            it is and returned.
    """
    with project.transaction() as db:
        group = get_group(project, group_id)
        taken = {completion.candidate: completion for completion in group.completions}
        if candidate is None:
            candidate = max(taken, default=-1) + 1
        if candidate in taken:
            return taken[candidate]
        cursor = db.conn.execute(
            "INSERT INTO completions (uuid, prompt_id, policy_id, text, token_ids, tokenizer_hash, logp,"
            " sampling, seed, finish_reason, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                new_uuid(),
                group.prompt.id,
                policy_id,
                storable(text),
                to_text(None if token_ids is None else list(token_ids)),
                tokenizer_hash,
                logp,
                to_text(sampling),
                seed,
                finish_reason,
                now(),
            ],
        )
        completion_id = cursor.lastrowid
        db.conn.execute(
            "INSERT INTO group_items (group_id, candidate, completion_id) VALUES (?, ?, ?)",
            [group_id, candidate, completion_id],
        )
        size = max(group.size, len(taken) + 1)
        db.conn.execute(
            "UPDATE groups SET size = ?, ready = ? WHERE id = ?", [size, int(len(taken) + 1 >= size), group_id]
        )
        row = db.conn.execute(f"{_COMPLETIONS} WHERE c.id = ? AND i.group_id = ?", [completion_id, group_id]).fetchone()
        return _completion(row)


def record(project: Project, event: CompletionFinished) -> Completion:
    """Add what a generation worker finished to the group it was asked for, with the policy and settings asked for."""
    group = get_group(project, GroupId(event.group))
    asked = group.recipe[event.candidate % len(group.recipe)] if group.recipe else {}
    return add(
        project,
        group.id,
        event.text,
        candidate=event.candidate,
        policy_id=asked.get("policy_id", group.policy_id),
        token_ids=event.token_ids or None,
        tokenizer_hash=event.tokenizer_hash or None,
        logp=event.logp,
        sampling=asked.get("sampling", group.sampling),
        seed=event.seed,
        finish_reason=event.finish_reason,
    )


def accept_as_is(project: Project, group_id: GroupId) -> None:
    """Let an unfinished group with two or more completions be labelled without the missing ones."""
    with project.transaction() as db:
        have = len(get_group(project, group_id).completions)
        if have < 2:
            raise UserError("This group has fewer than two completions.", "Continue generating it first.")
        db.conn.execute("UPDATE groups SET size = ?, ready = 1 WHERE id = ?", [have, group_id])


def get_group(project: Project, group_id: GroupId) -> Group:
    groups = get_groups(project, [group_id])
    if not groups:
        raise UserError(f"There is no group {group_id} in this project.")
    return groups[0]


def get_groups(project: Project, group_ids: Iterable[GroupId]) -> list[Group]:
    """The groups with their prompts and completions, in the order asked for; unknown ids are left out."""
    wanted = list(group_ids)
    found: dict[int, Group] = {}
    for ids in in_chunks(dict.fromkeys(wanted)):
        marks = ", ".join("?" * len(ids))
        rows = project.db.conn.execute(
            "SELECT id, uuid, prompt_id, size, policy_id, sampling, recipe, repeat_of FROM groups"
            f" WHERE id IN ({marks})",
            ids,
        ).fetchall()
        asked = prompts.get_many(project, [row[2] for row in rows])
        items: dict[int, list[Completion]] = {}
        for group_id, *item in project.db.conn.execute(
            f"SELECT i.group_id, {_FIELDS} WHERE i.group_id IN ({marks}) ORDER BY i.group_id, i.candidate", ids
        ):
            items.setdefault(group_id, []).append(_completion(item))
        for row in rows:
            found[row[0]] = Group(
                id=GroupId(row[0]),
                uuid=row[1],
                prompt=asked[row[2]],
                completions=tuple(items.get(row[0], ())),
                size=row[3],
                policy_id=row[4],
                sampling=_from_text(row[5]),
                recipe=tuple(_from_text(row[6]) or ()),
                repeat_of=row[7],
            )
    return [found[group_id] for group_id in wanted if group_id in found]


def group_by_uuid(project: Project, uuid: str) -> Group:
    row = project.db.conn.execute("SELECT id FROM groups WHERE uuid = ?", [uuid]).fetchone()
    if row is None:
        raise UserError(f"There is no group {uuid} in this project.", "Check the group's uuid.")
    return get_group(project, GroupId(row[0]))


def unfinished(project: Project) -> list[Group]:
    """Groups that wait for completions, oldest first."""
    return get_groups(project, unfinished_ids(project))


def unfinished_ids(project: Project, *, after: int = 0, at_least: int = 0, limit: int = -1) -> list[GroupId]:
    """The ids of groups that wait for completions and come after this one, oldest first.

    Args:
        at_least: so many completions they have already.
        limit: no more of them; all where it is negative.
    """
    rows = project.db.conn.execute(
        "SELECT id FROM groups g WHERE ready = 0 AND id > ?"
        " AND (? = 0 OR (SELECT count(*) FROM group_items i WHERE i.group_id = g.id) >= ?) ORDER BY id LIMIT ?",
        [after, at_least, at_least, limit],
    )
    return [GroupId(row[0]) for row in rows]


def recent_groups(project: Project, limit: int = 50) -> list[Group]:
    """The newest ready groups, newest first."""
    rows = project.db.conn.execute("SELECT id FROM groups WHERE ready = 1 ORDER BY id DESC LIMIT ?", [limit])
    return get_groups(project, [row[0] for row in rows])


def count_unfinished(project: Project, *, at_most: int = -1) -> int:
    """How many groups wait for completions, counted no further than `at_most`."""
    rows = project.db.conn.execute("SELECT count(*) FROM (SELECT 1 FROM groups WHERE ready = 0 LIMIT ?)", [at_most])
    return int(rows.fetchone()[0])


def _checked_size(size: int, recipe: Sequence[Mapping[str, Any]]) -> int:
    if size < 2:
        raise UserError("A comparison needs at least two completions.", "Ask for two or more.")
    assert not recipe or len(recipe) == size
    return size


_FIELDS = (
    "c.id, c.uuid, c.prompt_id, c.text, c.policy_id, c.token_ids, c.tokenizer_hash, c.logp, c.sampling,"
    " c.seed, c.finish_reason, i.candidate FROM completions c JOIN group_items i ON i.completion_id = c.id"
)
_COMPLETIONS = f"SELECT {_FIELDS}"


def _completion(row: Sequence[Any]) -> Completion:
    token_ids = _from_text(row[5])
    return Completion(
        id=CompletionId(row[0]),
        uuid=row[1],
        prompt_id=PromptId(row[2]),
        text=row[3],
        policy_id=row[4],
        token_ids=None if token_ids is None else tuple(token_ids),
        tokenizer_hash=row[6],
        logp=row[7],
        sampling=_from_text(row[8]),
        seed=row[9],
        finish_reason=row[10],
        candidate=row[11],
    )


def _from_text(text: str | None) -> Any:
    return None if text is None else json.loads(text)

"""How far each prompt has come on its way to a label, and the queue of unfinished groups.

One query for all prompts, so that a list of many thousands stays quick.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dpo_studio.core.types import Group, GroupId, PolicyId, PromptId

from . import completions
from .database import Project, in_chunks


@dataclass(frozen=True, slots=True)
class PromptState:
    """The groups of one prompt, counted.

    Attributes:
        groups, ready, labelled: how many there are, have all their completions, and were judged by
            the project's annotator.
        have, size: completions there are and are to be, of the unfinished groups together.
    """

    groups: int = 0
    ready: int = 0
    labelled: int = 0
    have: int = 0
    size: int = 0

    @property
    def unfinished(self) -> int:
        return self.groups - self.ready


def by_prompt(project: Project, prompt_id: PromptId | None = None) -> dict[PromptId, PromptState]:
    """The states of all prompts that have a group, or of one."""
    return _states(project) if prompt_id is None else of(project, [prompt_id])


def of(project: Project, prompt_ids: Iterable[PromptId]) -> dict[PromptId, PromptState]:
    """The states of those of these prompts that have a group."""
    found: dict[PromptId, PromptState] = {}
    for ids in in_chunks(prompt_ids):
        found.update(_states(project, f"WHERE g.prompt_id IN ({', '.join('?' * len(ids))})", ids))
    return found


def _states(project: Project, which: str = "", values: Iterable[int] = ()) -> dict[PromptId, PromptState]:
    rows = project.db.conn.execute(
        f"""SELECT g.prompt_id, count(*), sum(g.ready),
            sum(EXISTS (SELECT 1 FROM current_rankings r WHERE r.group_id = g.id AND r.annotator = ?
                AND r.annotator_kind = 'person')),
            sum(CASE g.ready WHEN 0 THEN (SELECT count(*) FROM group_items i WHERE i.group_id = g.id) ELSE 0 END),
            sum(CASE g.ready WHEN 0 THEN g.size ELSE 0 END)
        FROM groups g {which} GROUP BY g.prompt_id""",
        [project.annotator, *values],
    )
    return {PromptId(row[0]): PromptState(*row[1:]) for row in rows}


def latest_group(project: Project, prompt_id: PromptId) -> Group | None:
    """The prompt's newest group, finished or not."""
    row = project.db.conn.execute("SELECT max(id) FROM groups WHERE prompt_id = ?", [prompt_id]).fetchone()
    return None if row[0] is None else completions.get_group(project, GroupId(row[0]))


def used_seeds(
    project: Project, policy_id: PolicyId | None, prompt_ids: Iterable[PromptId]
) -> dict[PromptId, set[int]]:
    """The seeds with which groups of these prompts were asked of this policy, alone or among others, by prompt."""
    seeds: dict[PromptId, set[int]] = {}
    for ids in in_chunks(prompt_ids):
        rows = project.db.conn.execute(
            f"""SELECT prompt_id, json_extract(sampling, '$.seed') FROM groups
            WHERE prompt_id IN ({", ".join("?" * len(ids))}) AND sampling IS NOT NULL
            AND (policy_id IS ? OR EXISTS
                (SELECT 1 FROM json_each(groups.recipe) WHERE json_extract(value, '$.policy_id') = ?))""",
            [*ids, policy_id, policy_id],
        )
        for prompt_id, seed in rows:
            if seed is not None:
                seeds.setdefault(PromptId(prompt_id), set()).add(int(seed))
    return seeds


@dataclass(frozen=True, slots=True)
class Waiting:
    """The queue of unfinished groups.

    Attributes:
        groups: how many there are.
        some_usable: whether one of them has two completions or more, and could be labelled as it is.
    """

    groups: int = 0
    some_usable: bool = False


def waiting(project: Project) -> Waiting:
    """What waits for answers. Goes through the queue."""
    groups = completions.count_unfinished(project)
    return Waiting(groups, bool(groups) and bool(completions.unfinished_ids(project, at_least=2, limit=1)))


def take_out_of_queue(project: Project, group_ids: Iterable[GroupId]) -> int:
    """Stop waiting for these unfinished groups and return how many there were.

    Those with two or more completions can be labelled as they are; the others are given up, and a
    completion they have stays in the project.
    """
    taken = 0
    with project.transaction() as db:
        for group in completions.get_groups(project, group_ids):
            if group.ready:
                continue
            if len(group.completions) >= 2:
                completions.accept_as_is(project, group.id)
            else:
                db.conn.execute("DELETE FROM group_items WHERE group_id = ?", [group.id])
                db.conn.execute("DELETE FROM groups WHERE id = ?", [group.id])
            taken += 1
    return taken

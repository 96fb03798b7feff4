"""From a wish for answers to commands: groups are written to the project first, so that nothing asked for is lost.

What a group is to hold (policy, sampling, seed) is written with it, so going on with an unfinished
group needs nothing but the project. The window and the command line both ask in this way.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dpo_studio.core import commands, recipes, server_reference
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Group, GroupId, Policy, PolicyId, PromptId

from . import completions, policies, prompt_states
from .database import Project

STARTER = "starter"
STARTER_NAME = "SmolLM2-135M (starter)"
_MAX_SEED = 2**31 - 1


def known_policies(project: Project) -> list[tuple[str, int | None]]:
    """What can answer, as (name, policy id); the starter comes first, with None until it was used."""
    everything = policies.all_policies(project)
    starter = next((p for p in everything if p.base == STARTER and p.adapter is None), None)
    first = (STARTER_NAME, None) if starter is None else (starter.name, starter.id)
    return [first, *((policy.name, policy.id) for policy in everything if policy is not starter)]


def starter_policy(project: Project) -> Policy:
    """The starter model as a policy of the project."""
    return policies.add(project, STARTER, name=STARTER_NAME)


def model_reference(text: str) -> str:
    """What a person typed, as a model reference: a path that exists is made absolute.

    Raises:
        UserError: nothing was typed, or a server's address that cannot be used.
    """
    text = text.strip()
    if not text:
        raise UserError("No model is named.", "Type a Hub id, a model's folder or a .gguf file.")
    if server_reference.is_server(text):
        return str(server_reference.parse(text))
    path = Path(text).expanduser()
    return str(path.resolve()) if path.exists() else text


def find_base(project: Project, base: str) -> Policy | None:
    """The policy of this base alone, when the project has it."""
    return next((p for p in policies.all_policies(project) if p.base == base and p.adapter is None), None)


def policy_for(project: Project, base: str) -> Policy:
    """The policy of a base model that a person named."""
    return policies.add(project, base, name=name_of(base))


def name_of(base: str) -> str:
    """What a base model is called, from its reference."""
    if base == STARTER:
        return STARTER_NAME
    if server_reference.is_server(base):
        server = server_reference.parse(base)
        return f"{server.model} at {server.url}"
    path = Path(base)
    return path.name if path.is_absolute() else base


def adapter_path(project: Project, policy: Policy) -> str | None:
    """The absolute folder of the policy's adapter."""
    return None if policy.adapter is None else str(project.folder / policy.adapter)


def ask(
    project: Project,
    prompt_ids: Sequence[PromptId],
    policy: Policy | Sequence[Policy],
    settings: SamplingSettings,
    *,
    spread: str = "none",
) -> list[GroupId]:
    """Write a group for each of these prompts, all or none; as quick in a large project as in a small one.

    A prompt that one of the policies answered with the same seed gets the next free one, so that its new
    answers are others.

    Args:
        policy: who answers; several take turns over a group's candidates (core.recipes.plan), of whatever kind.
        spread: a key of core.recipes.SPREADS: how settings vary over the candidates.

    Raises:
        UserError: as core.recipes.plan; the project cannot be written.
    """
    answering = [policy] if isinstance(policy, Policy) else list(policy)
    recipe = recipes.plan(settings, [each.id for each in answering], spread=spread)
    plain = recipes.is_plain(recipe)
    by_seed: dict[int, tuple[dict[str, Any], list[dict[str, Any]]]] = {}

    def asked_with(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if seed not in by_seed:
            own = [dataclasses.replace(each, sampling=dataclasses.replace(each.sampling, seed=seed)) for each in recipe]
            by_seed[seed] = {**settings.to_json(), "seed": seed}, [] if plain else [each.to_json() for each in own]
        return by_seed[seed]

    with project.transaction():
        used = [prompt_states.used_seeds(project, one, prompt_ids) for one in {each.id for each in answering}]
        groups = []
        for prompt_id in prompt_ids:
            taken = set().union(*(seeds.get(prompt_id, set()) for seeds in used))
            seed = settings.seed
            while seed in taken:
                seed = seed + 1 if seed < _MAX_SEED else 0
            sampling, own = asked_with(seed)
            groups.append(completions.NewGroup(prompt_id, settings.k, answering[0].id, sampling, own))
        return completions.add_groups(project, groups)


def policy_ids(group: Group) -> tuple[PolicyId, ...]:
    """Whom a group was asked of, each once, in the order of their first candidates; empty where it was imported."""
    asked = [entry["policy_id"] for entry in group.recipe] or [group.policy_id]
    return tuple(dict.fromkeys(policy_id for policy_id in asked if policy_id is not None))


@dataclasses.dataclass(frozen=True, slots=True)
class Answerable:
    """Unfinished groups that say which model is to answer them: those that were imported do not.

    Attributes:
        last: the id of the last of them; 0 where there is none.
        answers: how many they miss together.
    """

    last: int = 0
    answers: int = 0


_ANSWERABLE = "ready = 0 AND policy_id IS NOT NULL AND sampling IS NOT NULL"


def answerable(project: Project) -> Answerable:
    """What going on with unfinished groups would have to write. Goes through the queue."""
    row = project.db.conn.execute(
        "SELECT ifnull(max(id), 0), ifnull(sum(max(0, size -"
        " (SELECT count(*) FROM group_items i WHERE i.group_id = g.id))), 0)"
        f" FROM groups g WHERE {_ANSWERABLE}"
    ).fetchone()
    return Answerable(*row)


def answerable_ids(project: Project, *, after: int, up_to: int, limit: int) -> list[GroupId]:
    """The next of those groups, oldest first: not before `after`, not beyond `up_to`."""
    rows = project.db.conn.execute(
        f"SELECT id FROM groups WHERE {_ANSWERABLE} AND id > ? AND id <= ? ORDER BY id LIMIT ?", [after, up_to, limit]
    )
    return [GroupId(row[0]) for row in rows]


def commands_for(project: Project, groups: Iterable[Group], *, device: str = "auto") -> list[commands.Generate]:
    """Commands for what the groups miss: groups asked for alike share one, in the order of the first.

    Groups that name no policy or no sampling were imported; they are left out.
    """
    batches: dict[str, list[Group]] = {}
    for group in groups:
        if not group.ready and group.policy_id is not None and group.sampling is not None:
            key = json.dumps([group.policy_id, group.sampling, list(group.recipe)], sort_keys=True)
            batches.setdefault(key, []).append(group)
    return [_command(project, alike, device) for alike in batches.values()]


def _command(project: Project, groups: Sequence[Group], device: str) -> commands.Generate:
    """One command for groups that were asked for alike."""
    recipe = groups[0].recipe
    distinct: list[Mapping[str, Any]] = []
    for entry in recipe or [{"policy_id": groups[0].policy_id, "sampling": groups[0].sampling}]:
        if entry not in distinct:
            distinct.append(entry)
    first, *others = [_source(project, entry) for entry in distinct]
    items = []
    for group in groups:
        wanted = missing(group)
        # A candidate past the recipe takes the place of one that somebody wrote, and begins the recipe anew.
        sources = tuple(distinct.index(recipe[candidate % len(recipe)]) for candidate in wanted) if recipe else ()
        taken = tuple(completion.text for completion in group.completions)
        items.append(commands.GenerationItem(group.id, group.prompt.messages, wanted, sources, taken))
    return commands.Generate(
        job=uuid.uuid4().hex,
        base=first.base,
        items=tuple(items),
        sampling=first.sampling,
        adapter=first.adapter,
        device=device,
        others=tuple(others),
    )


def _source(project: Project, entry: Mapping[str, Any]) -> commands.Source:
    policy = policies.get(project, PolicyId(entry["policy_id"]))
    return commands.Source(
        policies.model_reference(project, policy), dict(entry["sampling"]), adapter_path(project, policy)
    )


def missing(group: Group) -> tuple[int, ...]:
    """The indices of the candidates that a group waits for."""
    taken = {completion.candidate for completion in group.completions}
    free = [index for index in range(max(taken, default=-1) + 1 + group.size) if index not in taken]
    return tuple(free[: max(0, group.size - len(taken))])

"""From a wish for answers to commands: groups are written to the project first, so that nothing asked for is lost.

What a group is to hold (policy, sampling, seed) is written with it, so going on with an unfinished
group needs nothing but the project. The window and the command line both ask in this way.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from dpo_studio.core import commands, server_reference
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Group, GroupId, Policy, PolicyId, Prompt

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


def make_groups(
    project: Project, prompts: Sequence[Prompt], policy: Policy, settings: SamplingSettings
) -> list[GroupId]:
    """Write a group for each prompt, all or none.

    A prompt that this policy answered with the same seed gets the next free one, so that its new
    answers are others.
    """
    used = prompt_states.used_seeds(project, policy.id)
    made = []
    with project.transaction():
        for prompt in prompts:
            taken = used.get(prompt.id, set())
            seed = settings.seed
            while seed in taken:
                seed = seed + 1 if seed < _MAX_SEED else 0
            group = completions.add_group(
                project,
                prompt.id,
                size=settings.k,
                policy_id=policy.id,
                sampling={**settings.to_json(), "seed": seed},
            )
            made.append(group.id)
    return made


def commands_for(project: Project, groups: Iterable[Group], *, device: str = "auto") -> list[commands.Generate]:
    """Commands for what the groups miss: groups asked for alike share one, in the order of the first.

    Groups that name no policy or no sampling were imported; they are left out.
    """
    batches: dict[tuple[PolicyId, str], list[Group]] = {}
    for group in groups:
        if not group.ready and group.policy_id is not None and group.sampling is not None:
            key = (group.policy_id, json.dumps(group.sampling, sort_keys=True))
            batches.setdefault(key, []).append(group)
    made = []
    for (policy_id, sampling), alike in batches.items():
        policy = policies.get(project, policy_id)
        made.append(
            commands.Generate(
                job=uuid.uuid4().hex,
                base=policies.model_reference(project, policy),
                items=tuple(
                    commands.GenerationItem(group.id, group.prompt.messages, missing(group)) for group in alike
                ),
                sampling=json.loads(sampling),
                adapter=adapter_path(project, policy),
                device=device,
            )
        )
    return made


def missing(group: Group) -> tuple[int, ...]:
    """The indices of the candidates that a group waits for."""
    taken = {completion.candidate for completion in group.completions}
    free = [index for index in range(max(taken, default=-1) + 1 + group.size) if index not in taken]
    return tuple(free[: max(0, group.size - len(taken))])

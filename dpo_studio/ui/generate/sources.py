"""Where each answer of a group comes from, and whether that is to stay covered so that its label is blind."""

from __future__ import annotations

from dpo_studio.core.types import Group
from dpo_studio.store import Project, policies, rankings, requests


def is_mixed(group: Group) -> bool:
    """Whether several models answer the prompt."""
    return len(requests.policy_ids(group)) > 1


def is_labelled(project: Project, group: Group) -> bool:
    """Whether the project's annotator has judged it."""
    return rankings.current(project, group.id) is not None


def sources_of(project: Project, group: Group) -> list[str]:
    """By candidate its model and its temperature, each where it differs among the answers; empty where neither does."""
    if not group.recipe:
        return []
    names = {policy_id: policies.get(project, policy_id).name for policy_id in requests.policy_ids(group)}
    heats = {entry["sampling"].get("temperature") for entry in group.recipe}
    said = []
    for entry in group.recipe:
        parts = [names[entry["policy_id"]]] if len(names) > 1 else []
        if len(heats) > 1:
            parts.append(f"temperature {entry['sampling'].get('temperature', 0):.3g}")
        said.append("  ·  ".join(parts))
    return said

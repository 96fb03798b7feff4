"""Which model wrote an answer, and how it was sampled: told once the label is given. No Qt."""

from __future__ import annotations

from collections.abc import Mapping

from dpo_studio.core.types import Completion, Policy
from dpo_studio.store import Project, policies

from .item import Item


def told(project: Project, item: Item) -> list[str]:
    """Who wrote each answer on screen; nothing while the label is still to be given, so that it is given blind."""
    if item.earlier is None:
        return []
    names = {policy.id: policy for policy in policies.all_policies(project)}
    return [described(completion, names) for completion in item.shown]


def described(completion: Completion, policies_by_id: Mapping[int, Policy]) -> str:
    """One answer's model and temperature; without a model, how the answer came: "imported", "written"."""
    policy = policies_by_id.get(completion.policy_id or 0)
    writer = policy.name if policy else completion.finish_reason
    heat = (completion.sampling or {}).get("temperature")
    return writer + ("" if heat is None else f", temperature {heat:g}")

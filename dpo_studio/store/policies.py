"""Policies: a base model, a base and the adapter that a run made, or a whole model that a run made.

A model of the project's own is kept relative to the project, which may be moved.
"""

from __future__ import annotations

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Policy, PolicyId

from .database import Project, new_uuid, now


def add(
    project: Project,
    base: str,
    *,
    name: str = "",
    adapter: str | None = None,
    parent_id: PolicyId | None = None,
) -> Policy:
    """The policy of this base and adapter, added when it is new."""
    with project.transaction() as db:
        row = db.conn.execute(
            f"SELECT {_COLUMNS} FROM policies WHERE base = ? AND IFNULL(adapter, '') = ?", [base, adapter or ""]
        ).fetchone()
        if row:
            return Policy(*row)
        round_number = get(project, parent_id).round + 1 if parent_id is not None else 0
        cursor = db.conn.execute(
            "INSERT INTO policies (uuid, name, base, adapter, parent_id, round, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [new_uuid(), name or base, base, adapter, parent_id, round_number, now()],
        )
        return get(project, PolicyId(cursor.lastrowid or 0))


def is_made_here(base: str) -> bool:
    """Whether a policy's base is a whole model that a run of the project made: `runs/<run>/model`."""
    return base.startswith("runs/") and base.count("/") == 2


def model_reference(project: Project, policy: Policy) -> str:
    """The policy's base for whoever loads it: a model of the project's own as an absolute folder."""
    return str(project.folder / policy.base) if is_made_here(policy.base) else policy.base


def original_base(project: Project, policy: Policy) -> str:
    """The base that this policy's first ancestor began with, before any run of this project."""
    while is_made_here(policy.base) and policy.parent_id is not None:
        policy = get(project, policy.parent_id)
    return policy.base


def get(project: Project, policy_id: PolicyId) -> Policy:
    row = project.db.conn.execute(f"SELECT {_COLUMNS} FROM policies WHERE id = ?", [policy_id]).fetchone()
    if row is None:
        raise UserError(f"There is no policy {policy_id} in this project.")
    return Policy(*row)


def all_policies(project: Project) -> list[Policy]:
    """Every policy, in the order in which they came."""
    return [Policy(*row) for row in project.db.conn.execute(f"SELECT {_COLUMNS} FROM policies ORDER BY id")]


_COLUMNS = "id, uuid, name, base, adapter, parent_id, round"

"""How to take the last changes of prompts back, kept in the project so that a later day can.

A step is a JSON object that whoever made the change understands. Each is a fact of its own, so that a large one is
written once; the newest have the highest numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .database import Project

#: Steps that are kept; older ones are forgotten.
MOST = 100
_FACT = "prompt_undo:"
_KEPT = f"name >= '{_FACT}' AND name < '{_FACT};'"  # the name's digits are before ";"


def keep(project: Project, step: Mapping[str, Any]) -> int:
    """Keep how to take back what was just done; the step's number."""
    with project.transaction() as db:
        newest = last(project)
        number = 1 if newest is None else newest[0] + 1
        project.set_fact(f"{_FACT}{number:09d}", json.dumps(step, ensure_ascii=False))
        db.conn.execute(f"DELETE FROM facts WHERE {_KEPT} AND name <= ?", [f"{_FACT}{max(number - MOST, 0):09d}"])
    return number


def last(project: Project) -> tuple[int, dict[str, Any]] | None:
    """The newest step and its number; None where there is nothing to take back."""
    row = project.db.conn.execute(f"SELECT name, value FROM facts WHERE {_KEPT} ORDER BY name DESC LIMIT 1").fetchone()
    return None if row is None else (int(row[0].removeprefix(_FACT)), json.loads(row[1]))


def is_kept(project: Project, number: int, step: Mapping[str, Any]) -> bool:
    """Whether this step is still to be taken back; a later one may have its number."""
    row = project.db.conn.execute("SELECT value FROM facts WHERE name = ?", [f"{_FACT}{number:09d}"]).fetchone()
    return row is not None and json.loads(row[0]) == step


def is_any(project: Project) -> bool:
    """Whether there is anything to take back."""
    return bool(project.db.conn.execute(f"SELECT EXISTS (SELECT 1 FROM facts WHERE {_KEPT})").fetchone()[0])


def forget(project: Project, number: int) -> None:
    """A step was taken back, or never can be."""
    with project.transaction() as db:
        db.conn.execute("DELETE FROM facts WHERE name = ?", [f"{_FACT}{number:09d}"])


def ranges(ids: Iterable[int]) -> list[list[int]]:
    """Ids as [first, last] of those that follow one another: a million in a row are two numbers."""
    found: list[list[int]] = []
    for one in sorted(ids):
        if found and one <= found[-1][1] + 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    return found


def ids_of(found: Iterable[Iterable[int]]) -> Iterable[int]:
    """The ids that `ranges` made these of."""
    for first, end in found:
        yield from range(first, end + 1)

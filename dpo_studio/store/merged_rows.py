"""The rows of another copy of a project: going through them, and adding those that are new.

Everything is looked up when its turn comes and written in transactions of some milliseconds. So an interrupted merge
goes on by being begun again, and one of a large copy takes no more memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from .database import Project
from .merged import Merged
from .merged_prompts import MergedPrompts
from .merged_rankings import MergedRankings
from .pace import Pace
from .two_copies import TwoCopies, rows_of

#: Told how far it is (0 to 1) and what is being done; it may raise to give up.
Told = Callable[[float, str], None]
#: How far it is when all but the labels is written.
_LABELS = 0.6
#: So many prompts, or rankings, are looked up at once.
_AT_ONCE = 500


class Rows:
    """One merge of a copy with the same schema.

    Args:
        folder: the other copy's, where the models of its runs are.
        names: who annotators of the other copy are here, where that is another name.

    Attributes:
        done: what was added so far.
    """

    def __init__(
        self, project: Project, there: sqlite3.Connection, folder: Path, names: Mapping[str, str], told: Told
    ) -> None:
        self._both, self._folder, self._told = TwoCopies(project, there), folder, told
        self.done, pace = Merged(), Pace()
        self._prompts = MergedPrompts(self._both, self.done, pace)
        self._rankings = MergedRankings(self._both, names, self.done, pace)

    def write(self) -> None:
        """Add what is new, in transactions of its own."""
        self._told(0.0, "writing what is new")
        with self._both.project.transaction():
            for row in rows_of(self._both.there, "SELECT * FROM policies ORDER BY id"):
                self._both.policies[row["id"]] = self._policy(row)
        for rows, share in self._parts("prompts"):
            self._told(_LABELS * share, "writing what is new")
            self._prompts.write(self._prompts.look_at(rows))
        for rows, share in self._parts("rankings"):
            self._told(_LABELS + (1 - _LABELS) * share, "writing the labels")
            self._rankings.write(rows)
        (self.done.runs_left,) = self._both.there.execute("SELECT count(*) FROM runs").fetchone()
        self._told(1.0, "writing the labels")

    def _parts(self, table: str) -> Iterator[tuple[list[dict[str, Any]], float]]:
        """The other copy's rows of a table, some at a time, and what share of all was before them."""
        (number,) = self._both.there.execute(f"SELECT count(*) FROM {table}").fetchone()
        rows, before = rows_of(self._both.there, f"SELECT * FROM {table} ORDER BY id"), 0
        while part := list(islice(rows, _AT_ONCE)):
            yield part, before / number
            before += len(part)

    def _policy(self, row: dict[str, Any]) -> int:
        known = self._both.known("policies", row["uuid"])
        if known is not None:
            return known
        for name in ("base", "adapter"):
            if row[name] is not None and row[name].startswith("runs/"):
                row[name] = str(self._folder / row[name])
        found = self._both.here.execute(
            "SELECT id FROM policies WHERE base = ? AND IFNULL(adapter, '') = ?", [row["base"], row["adapter"] or ""]
        ).fetchone()
        if found:
            return int(found[0])
        self.done.policies += 1
        return self._both.insert("policies", row, parent_id=self._both.policies.get(row["parent_id"]))

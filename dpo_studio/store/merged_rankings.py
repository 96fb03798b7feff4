"""The judgements of another copy of a project, corrections and undos among them: each after what stands here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from .database import in_chunks, to_text
from .merged import Merged
from .pace import Pace
from .two_copies import TwoCopies, where


class MergedRankings:
    """Adds judgements; counts in `done` those that were new.

    Args:
        names: who annotators of the other copy are here, where that is another name.
    """

    def __init__(self, both: TwoCopies, names: Mapping[str, str], done: Merged, pace: Pace) -> None:
        self._both, self._names, self._done, self._pace = both, names, done, pace

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add those of some judgements that are new, in their order."""
        known = self._both.here_of("rankings", ((row["id"], row["uuid"]) for row in rows))
        new = [row for row in rows if row["id"] not in known]
        if not new:
            return
        ranks: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        for row in where(self._both.there, "SELECT * FROM ranking_items", "ranking_id", (row["id"] for row in new)):
            ranks[row["ranking_id"]].append((row["completion_id"], row["rank"]))
        shown = {row["id"]: json.loads(row["presented"]) for row in new}
        completions = self._both.matched(
            "completions",
            {one for its in ranks.values() for one, _ in its} | {one for its in shown.values() for one in its},
        )
        groups = self._both.matched("groups", {row["group_id"] for row in new})
        undone = self._both.matched("rankings", {row["undoes"] for row in new if row["undoes"] is not None})
        work = iter(new)
        while some := list(islice(work, self._pace.rows)):
            made = [
                row
                | {
                    "group_id": groups[row["group_id"]],
                    "annotator": self._who(row),
                    "presented": to_text([completions[one] for one in shown[row["id"]]]),
                }
                for row in some
            ]
            items = [[(completions[one], rank) for one, rank in ranks[row["id"]]] for row in some]
            with self._pace.turn(), self._both.project.transaction():
                self._write_some(made, items, undone)

    def _write_some(
        self, rows: list[dict[str, Any]], items: Sequence[list[tuple[int, int | None]]], undone: dict[int, int]
    ) -> None:
        """Write these in the caller's transaction, each after what stands here under that name.

        Args:
            rows: as they are here, but for their ids and what those name.
            items: completions here and ranks, of each row.
            undone: what the rows that undo take back, by the other copy's ids; those of these rows are added.
        """
        last = self._last({row["group_id"] for row in rows})
        next_id = self._both.next_id("rankings")
        waiting: list[dict[str, Any]] = []
        for row in rows:
            if row["undoes"] is not None:  # which asks what was written so far
                self._both.insert_many("rankings", waiting)
                waiting = []
                row["undoes"] = self._undone(undone.get(row["undoes"]), row["annotator"])
            undone[row["id"]] = row["id"] = next_id
            key = (row["group_id"], row["annotator"], row["annotator_kind"])
            row["supersedes"] = last.get(key)
            last[key] = next_id
            waiting.append(row)
            next_id += 1
        self._both.insert_many("rankings", waiting)
        self._both.here.executemany(
            "INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)",
            [(row["id"], one, rank) for row, its in zip(rows, items, strict=True) for one, rank in its],
        )
        self._done.rankings += len(rows)

    def _who(self, row: Mapping[str, Any]) -> str:
        who: str = row["annotator"]
        return self._names.get(who, who) if row["annotator_kind"] == "person" else who

    def _last(self, groups: Iterable[int]) -> dict[tuple[int, str, str], int]:
        """The last row of each annotator on these groups, by (group, annotator, kind of annotator)."""
        found: dict[tuple[int, str, str], int] = {}
        for ids in in_chunks(groups):
            marks = ", ".join("?" * len(ids))
            for group, who, kind, last in self._both.here.execute(
                "SELECT group_id, annotator, annotator_kind, max(id) FROM rankings"
                f" WHERE group_id IN ({marks}) GROUP BY 1, 2, 3",
                ids,
            ):
                found[group, who, kind] = last
        return found

    def _undone(self, undoes: int | None, who: str) -> int | None:
        """The row here that an undo takes back: None where it is another annotator's, or was undone here as well."""
        found = self._both.here.execute(
            "SELECT r.id FROM rankings r WHERE r.id = ? AND r.annotator = ?"
            " AND NOT EXISTS (SELECT 1 FROM rankings u WHERE u.undoes = r.id)",
            [undoes, who],
        ).fetchone()
        return None if found is None else int(found[0])

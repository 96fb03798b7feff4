"""The rows of another copy of a project: which of them are new here, and writing those down.

What is there already is found before anything is locked. Rows only ever come, so it stays true while labelling goes on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from .database import new_uuid, to_text

#: Told how far it is (0 to 1) and what is being done; it may raise to give up.
Told = Callable[[float, str], None]
#: How far it is when the rows were compared.
_COMPARED = 0.4
_AT_ONCE = 2000


@dataclass(slots=True)
class Merged:
    """What a merge added.

    Attributes:
        rankings: rows of judgements, corrections and undos among them.
        held_out: prompts that were for training here and are held out now, since the other copy held them out.
        runs_left: runs of the other copy, which are not copied.
    """

    prompts: int = 0
    policies: int = 0
    groups: int = 0
    completions: int = 0
    rankings: int = 0
    held_out: int = 0
    runs_left: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    def sentence(self) -> str:
        """What came in, for a person."""
        new = (
            (self.rankings, "judgement"),
            (self.prompts, "new prompt"),
            (self.groups, "new comparison"),
            (self.completions, "new answer"),
        )
        parts = [_counted(number, what) for number, what in new if number]
        if parts:
            said = f"Merged {', '.join(parts[:-1])} and {parts[-1]}." if len(parts) > 1 else f"Merged {parts[0]}."
        else:
            said = "Nothing was new: everything that copy holds is here already."
        if self.held_out:
            said += f" Held out now, as in the other copy: {_counted(self.held_out, 'prompt')}."
        if self.runs_left:
            said += f" Not copied: {_counted(self.runs_left, 'run')}, which stay in the other copy's folder."
        return said


class Rows:
    """One merge: the ids of the other copy, and what they are here.

    Args:
        folder: the other copy's, where the models of its runs are.
        names: who annotators of the other copy are here, where that is another name.
    """

    def __init__(
        self,
        here: sqlite3.Connection,
        there: sqlite3.Connection,
        folder: Path,
        names: Mapping[str, str],
        told: Told,
    ) -> None:
        self.here, self.there, self.folder, self.names = here, there, folder, names
        self.done, self._told = Merged(), told
        self.policies: dict[int | None, int | None] = {None: None}
        self.prompts: dict[int, int] = {}
        self.completions: dict[int, int] = {}
        self.groups: dict[int | None, int | None] = {None: None}
        self.rankings: dict[int | None, int | None] = {None: None}
        self._same: set[int] = set()
        self._last: dict[tuple[int, str, str], int] = {}

    def compare(self) -> None:
        """Find what both copies hold. Changes nothing and locks nothing."""
        self._told(0.0, "comparing the answers")
        self.completions = self._in_both("completions")
        self._told(_COMPARED / 4, "comparing the comparisons")
        groups = self._in_both("groups")
        self.groups = {None: None} | groups
        self._told(_COMPARED / 2, "comparing the comparisons")
        ours, theirs = self._held(self.here), self._held(self.there)
        self._same = {
            group
            for group, its_own in groups.items()
            if ours[its_own][0] == theirs[group][0] and self._adds_nothing(*ours[its_own], theirs[group][1])
        }
        self._told(_COMPARED * 3 / 4, "comparing the labels")
        self.rankings = {None: None} | self._in_both("rankings")

    def write(self) -> Merged:
        """Add what is new, in the caller's transaction."""
        self._told(_COMPARED, "writing what is new")
        for row in _rows(self.there, "SELECT * FROM policies ORDER BY id"):
            self.policies[row["id"]] = self._policy(row)
        self._prompts()
        self._told(0.5, "writing what is new")
        self._completions()
        self._told(0.65, "writing what is new")
        for row in _rows(self.there, "SELECT * FROM groups ORDER BY id"):
            if row["id"] not in self._same:
                self.groups[row["id"]] = self._group(row)
        self._told(0.8, "writing the labels")
        self._rankings()
        (self.done.runs_left,) = self.there.execute("SELECT count(*) FROM runs").fetchone()
        self._told(1.0, "writing the labels")
        return self.done

    def _in_both(self, table: str) -> dict[int, int]:
        """The other copy's ids of the rows that are here too, and their ids here."""
        known = dict(self.here.execute(f"SELECT uuid, id FROM {table}"))
        rows = self.there.execute(f"SELECT id, uuid FROM {table}")
        return {one: known[uuid] for one, uuid in rows if uuid in known}

    @staticmethod
    def _held(conn: sqlite3.Connection) -> dict[int, tuple[tuple[int, int], list[int]]]:
        """Of each group its size and whether it is ready, and its completions."""
        held: dict[int, tuple[tuple[int, int], list[int]]] = {
            group: ((size, ready), []) for group, size, ready in conn.execute("SELECT id, size, ready FROM groups")
        }
        for group, completion in conn.execute("SELECT group_id, completion_id FROM group_items"):
            held[group][1].append(completion)
        return held

    def _adds_nothing(self, was: tuple[int, int], ours: Sequence[int], theirs: Sequence[int]) -> bool:
        """Whether a group's completions there are all here, in a group whose size is right."""
        size, ready = was
        return (not ready or size == max(len(ours), 2)) and {self.completions.get(one) for one in theirs} <= set(ours)

    def _policy(self, row: dict[str, Any]) -> int:
        known = self._known("policies", row["uuid"])
        if known is not None:
            return known
        for name in ("base", "adapter"):
            if row[name] is not None and row[name].startswith("runs/"):
                row[name] = str(self.folder / row[name])
        found = self.here.execute(
            "SELECT id FROM policies WHERE base = ? AND IFNULL(adapter, '') = ?", [row["base"], row["adapter"] or ""]
        ).fetchone()
        if found:
            return int(found[0])
        self.done.policies += 1
        return self._insert("policies", row, parent_id=self.policies.get(row["parent_id"]))

    def _prompts(self) -> None:
        ours = {
            content: (one, held_out, tags)
            for one, content, held_out, tags in self.here.execute(
                "SELECT id, content_hash, held_out, tags FROM prompts"
            )
        }
        for row in _rows(self.there, "SELECT * FROM prompts ORDER BY id"):
            found = ours.get(row["content_hash"])
            self.prompts[row["id"]] = self._new_prompt(row) if found is None else self._known_prompt(row, *found)

    def _new_prompt(self, row: dict[str, Any]) -> int:
        self.done.prompts += 1
        uuid = row["uuid"] if self._known("prompts", row["uuid"]) is None else new_uuid()
        return self._insert("prompts", row, uuid=uuid)

    def _known_prompt(self, row: dict[str, Any], prompt_id: int, held_out: int, tags: str) -> int:
        if row["held_out"] and not held_out:
            self.here.execute("UPDATE prompts SET held_out = 1 WHERE id = ?", [prompt_id])
            self.done.held_out += 1
        if row["tags"] != tags:
            ours = json.loads(tags)
            new = [tag for tag in json.loads(row["tags"]) if tag not in ours]
            if new:
                self.here.execute("UPDATE prompts SET tags = ? WHERE id = ?", [to_text(ours + new), prompt_id])
        return prompt_id

    def _completions(self) -> None:
        next_id = self._next_id("completions")
        for rows in _in_chunks(self._new("completions", self.completions)):
            for row in rows:
                self.completions[row["id"]] = row["id"] = next_id
                row["prompt_id"] = self.prompts[row["prompt_id"]]
                row["policy_id"] = self.policies[row["policy_id"]]
                next_id += 1
            self._insert_many("completions", rows)
            self.done.completions += len(rows)

    def _group(self, row: dict[str, Any]) -> int:
        group_id = self.groups.get(row["id"])
        if group_id is None:
            self.done.groups += 1
            group_id = self._insert(
                "groups",
                row,
                prompt_id=self.prompts[row["prompt_id"]],
                policy_id=self.policies[row["policy_id"]],
                recipe=self._recipe(row["recipe"]),
                repeat_of=self.groups[row["repeat_of"]],
            )
        self._fill(group_id, row)
        return group_id

    def _fill(self, group_id: int, row: Mapping[str, Any]) -> None:
        """Give a group the other copy's completions: at their own places, or after the last where one is taken."""
        items = dict(
            self.here.execute("SELECT candidate, completion_id FROM group_items WHERE group_id = ?", [group_id])
        )
        for candidate, there in self.there.execute(
            "SELECT candidate, completion_id FROM group_items WHERE group_id = ? ORDER BY candidate", [row["id"]]
        ):
            completion = self.completions[there]
            if completion in items.values():
                continue
            place = candidate if candidate not in items else max(items) + 1
            items[place] = completion
            self.here.execute("INSERT INTO group_items VALUES (?, ?, ?)", [group_id, place, completion])
        was = self.here.execute("SELECT size, ready FROM groups WHERE id = ?", [group_id]).fetchone()
        size, ready = was
        if ready or row["ready"]:
            size = max(len(items), 2)
        else:
            size = max(size, row["size"], len(items))
        now = (size, int(len(items) >= size))
        if now != was:
            self.here.execute("UPDATE groups SET size = ?, ready = ? WHERE id = ?", [*now, group_id])

    def _rankings(self) -> None:
        self._last = {
            (group, who, kind): last
            for group, who, kind, last in self.here.execute(
                "SELECT group_id, annotator, annotator_kind, max(id) FROM rankings GROUP BY 1, 2, 3"
            )
        }
        next_id = self._next_id("rankings")
        for rows in _in_chunks(self._new("rankings", self.rankings)):
            waiting: list[dict[str, Any]] = []
            items = self._items([row["id"] for row in rows])
            for row in rows:
                if row["undoes"] is not None:  # which asks what was written so far
                    self._insert_many("rankings", waiting)
                    waiting = []
                self.rankings[row["id"]], row["id"] = next_id, next_id
                waiting.append(self._ranking(row))
                next_id += 1
            self._insert_many("rankings", waiting)
            self.here.executemany(
                "INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)",
                [(self.rankings[one], self.completions[completion], rank) for one, completion, rank in items],
            )
            self.done.rankings += len(rows)

    def _ranking(self, row: dict[str, Any]) -> dict[str, Any]:
        """A judgement as it is here, after what stands here under that name."""
        who = row["annotator"]
        if row["annotator_kind"] == "person":
            who = self.names.get(who, who)
        group = self.groups[row["group_id"]]
        assert group is not None
        key = (group, who, row["annotator_kind"])
        presented = [self.completions[one] for one in json.loads(row["presented"])]
        row |= {
            "group_id": group,
            "annotator": who,
            "presented": to_text(presented),
            "supersedes": self._last.get(key),
            "undoes": None if row["undoes"] is None else self._undone(row["undoes"], who),
        }
        self._last[key] = row["id"]
        return row

    def _items(self, ids: Sequence[int]) -> list[tuple[int, int, int | None]]:
        """Ranks of the other copy's judgements, which follow one another by id."""
        wanted = set(ids)
        found = self.there.execute(
            "SELECT ranking_id, completion_id, rank FROM ranking_items WHERE ranking_id BETWEEN ? AND ?"
            " ORDER BY ranking_id",
            [ids[0], ids[-1]],
        )
        return [row for row in found if row[0] in wanted]

    def _undone(self, undoes: int, who: str) -> int | None:
        """The row here that an undo takes back: None where it is another annotator's, or was undone here as well."""
        found = self.here.execute(
            "SELECT r.id FROM rankings r WHERE r.id = ? AND r.annotator = ?"
            " AND NOT EXISTS (SELECT 1 FROM rankings u WHERE u.undoes = r.id)",
            [self.rankings[undoes], who],
        ).fetchone()
        return None if found is None else int(found[0])

    def _recipe(self, text: str | None) -> str | None:
        if text is None:
            return None
        entries = json.loads(text)
        for entry in entries:
            if "policy_id" in entry:
                entry["policy_id"] = self.policies[entry["policy_id"]]
        return to_text(entries)

    def _new(self, table: str, known: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
        """The other copy's rows that are not here, in order."""
        return (row for row in _rows(self.there, f"SELECT * FROM {table} ORDER BY id") if row["id"] not in known)

    def _known(self, table: str, uuid: str) -> int | None:
        found = self.here.execute(f"SELECT id FROM {table} WHERE uuid = ?", [uuid]).fetchone()
        return None if found is None else int(found[0])

    def _next_id(self, table: str) -> int:
        return int(self.here.execute(f"SELECT ifnull(max(id), 0) + 1 FROM {table}").fetchone()[0])

    def _insert(self, table: str, row: Mapping[str, Any], **changed: Any) -> int:
        values = {name: value for name, value in {**row, **changed}.items() if name != "id"}
        marks = ", ".join("?" * len(values))
        cursor = self.here.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))
        return int(cursor.lastrowid or 0)

    def _insert_many(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            sql = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})"
            self.here.executemany(sql, [list(row.values()) for row in rows])


def _in_chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, _AT_ONCE)):
        yield chunk


def _rows(conn: sqlite3.Connection, sql: str) -> Iterator[dict[str, Any]]:
    cursor = conn.execute(sql)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

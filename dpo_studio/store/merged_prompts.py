"""The prompts of another copy of a project with their answers and comparisons: what is new of them, and writing it.

What is here is looked up before anything is locked: rows only ever come, so it stays true while others write. What may
go, prompts of which nothing was asked and groups that wait for answers, is looked at again inside the transaction.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from .database import new_uuid, to_text
from .merged import Merged
from .pace import Pace
from .prompt_import import in_bulk
from .two_copies import TwoCopies, items_of, where


@dataclass(slots=True)
class Seen:
    """Some prompts of the other copy with what belongs to them, by the other copy's ids.

    Attributes:
        completions, groups: ids here of those that are here.
        items: places and completions of each group.
        work: what is to be written, in order: a prompt's id, and the row of a group or the id of a completion of it.
    """

    prompts: dict[int, dict[str, Any]]
    completions: dict[int, int]
    groups: dict[int, int]
    items: Mapping[int, list[tuple[int, int]]]
    work: list[tuple[int, dict[str, Any] | int | None]] = field(default_factory=list)


class MergedPrompts:
    """Adds prompts, completions and groups; counts in `done` what was new."""

    def __init__(self, both: TwoCopies, done: Merged, pace: Pace) -> None:
        self._both, self._done, self._pace = both, done, pace

    def look_at(self, prompts: Sequence[dict[str, Any]]) -> Seen:
        """Look up what is new of some prompts. Locks nothing."""
        by_id = {row["id"]: row for row in prompts}
        completions = list(where(self._both.there, "SELECT id, uuid, prompt_id FROM completions", "prompt_id", by_id))
        groups = list(where(self._both.there, "SELECT * FROM groups", "prompt_id", by_id, "ORDER BY id"))
        known = self._both.here_of("groups", ((row["id"], row["uuid"]) for row in groups))
        seen = Seen(
            by_id,
            self._both.here_of("completions", ((row["id"], row["uuid"]) for row in completions)),
            known,
            items_of(self._both.there, (row["id"] for row in groups)),
        )
        ours = items_of(self._both.here, known.values())
        was = {
            row["id"]: row for row in where(self._both.here, "SELECT id, size, ready FROM groups", "id", known.values())
        }
        same = {
            row["id"]
            for row in groups
            if row["id"] in known
            and self._adds_nothing(seen, row, was.get(known[row["id"]]), ours.get(known[row["id"]], ()))
        }
        touched: dict[int, list[dict[str, Any] | int | None]] = defaultdict(list)
        for row in completions:
            if row["id"] not in seen.completions:
                touched[row["prompt_id"]].append(row["id"])
        for row in groups:
            if row["id"] not in same:
                touched[row["prompt_id"]].append(row)
        standing = self._standing(prompts)
        for row in prompts:
            found = standing.get(row["content_hash"])
            if found is None or self._changes(row, *found[1:]):
                seen.work.append((row["id"], None))
            seen.work += [(row["id"], what) for what in touched[row["id"]]]
        return seen

    @staticmethod
    def _adds_nothing(
        seen: Seen, row: Mapping[str, Any], was: Mapping[str, Any] | None, ours: Sequence[tuple[int, int]]
    ) -> bool:
        """Whether a group is here as it is there, its completions too, with the size that is right."""
        if was is None or (was["size"], was["ready"]) != (row["size"], row["ready"]):
            return False
        theirs = {seen.completions.get(one) for _, one in seen.items.get(row["id"], ())}
        right = not was["ready"] or was["size"] == max(len(ours), 2)
        return right and theirs <= {one for _, one in ours}

    def write(self, seen: Seen) -> None:
        """Write what was seen to be new, in transactions that take no longer than they should."""
        work = iter(seen.work)
        while some := list(islice(work, self._pace.rows)):
            texts = {
                row["id"]: row
                for row in where(
                    self._both.there,
                    "SELECT * FROM completions",
                    "id",
                    (one for _, one in some if isinstance(one, int)),
                )
            }
            with self._pace.turn(), in_bulk(self._both.project):
                self._write_some(seen, some, texts)

    def _write_some(
        self, seen: Seen, some: Sequence[tuple[int, dict[str, Any] | int | None]], texts: Mapping[int, dict[str, Any]]
    ) -> None:
        """Write these in the caller's transaction; prompts may have gone since the one before."""
        rows = [seen.prompts[one] for one in dict.fromkeys(prompt for prompt, _ in some)]
        standing = self._standing(rows)
        prompts = {row["id"]: self._prompt(row, standing.get(row["content_hash"])) for row in rows}
        next_id, new = self._both.next_id("completions"), []
        for prompt, what in some:
            if isinstance(what, int):
                policy = self._both.policies[texts[what]["policy_id"]]
                new.append({**texts[what], "id": next_id, "prompt_id": prompts[prompt], "policy_id": policy})
                seen.completions[what] = next_id
                next_id += 1
        self._both.insert_many("completions", new)
        self._done.completions += len(new)
        for prompt, what in some:
            if isinstance(what, dict):
                self._group(seen, what, prompts[prompt])

    def _standing(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int, str]]:
        """The prompts here of the same contents: id, whether they are held out, tags."""
        wanted = [row["content_hash"] for row in rows]
        found = where(self._both.here, "SELECT content_hash, id, held_out, tags FROM prompts", "content_hash", wanted)
        return {row["content_hash"]: (row["id"], row["held_out"], row["tags"]) for row in found}

    @staticmethod
    def _changes(row: Mapping[str, Any], held_out: int, tags: str) -> bool:
        return (row["held_out"] and not held_out) or not set(json.loads(row["tags"])) <= set(json.loads(tags))

    def _prompt(self, row: Mapping[str, Any], found: tuple[int, int, str] | None) -> int:
        if found is None:
            self._done.prompts += 1
            uuid = row["uuid"] if self._both.known("prompts", row["uuid"]) is None else new_uuid()
            prompt_id = self._both.insert("prompts", row, uuid=uuid)
            self._both.here.execute(  # which a trigger does for what is not added in bulk
                "INSERT OR IGNORE INTO prompt_tags (tag, prompt_id) SELECT value, ? FROM json_each(?)",
                [prompt_id, row["tags"]],
            )
            return prompt_id
        prompt_id, held_out, tags = found
        if row["held_out"] and not held_out:
            self._both.here.execute("UPDATE prompts SET held_out = 1 WHERE id = ?", [prompt_id])
            self._done.held_out += 1
        ours = json.loads(tags)
        new = [tag for tag in json.loads(row["tags"]) if tag not in ours]
        if new:
            self._both.here.execute("UPDATE prompts SET tags = ? WHERE id = ?", [to_text(ours + new), prompt_id])
        return prompt_id

    def _group(self, seen: Seen, row: Mapping[str, Any], prompt_id: int) -> None:
        group_id = self._both.known("groups", row["uuid"])
        if group_id is None:
            self._done.groups += 1
            group_id = self._both.insert(
                "groups",
                row,
                prompt_id=prompt_id,
                policy_id=self._both.policies[row["policy_id"]],
                recipe=self._recipe(row["recipe"]),
                repeat_of=None if row["repeat_of"] is None else seen.groups[row["repeat_of"]],
            )
        seen.groups[row["id"]] = group_id
        self._fill(group_id, row, [(place, seen.completions[one]) for place, one in seen.items.get(row["id"], ())])

    def _fill(self, group_id: int, row: Mapping[str, Any], theirs: Sequence[tuple[int, int]]) -> None:
        """Give a group the other copy's completions: at their own places, or after the last where one is taken."""
        items = dict(items_of(self._both.here, [group_id]).get(group_id, ()))
        new = []
        for candidate, completion in theirs:
            if completion in items.values():
                continue
            place = candidate if candidate not in items else max(items) + 1
            items[place] = completion
            new.append((group_id, place, completion))
        self._both.here.executemany("INSERT INTO group_items VALUES (?, ?, ?)", new)
        was = self._both.here.execute("SELECT size, ready FROM groups WHERE id = ?", [group_id]).fetchone()
        size, ready = was
        if ready or row["ready"]:
            size = max(len(items), 2)
        else:
            size = max(size, row["size"], len(items))
        now = (size, int(len(items) >= size))
        if now != was:
            self._both.here.execute("UPDATE groups SET size = ?, ready = ? WHERE id = ?", [*now, group_id])

    def _recipe(self, text: str | None) -> str | None:
        if text is None:
            return None
        entries = json.loads(text)
        for entry in entries:
            if "policy_id" in entry:
                entry["policy_id"] = self._both.policies[entry["policy_id"]]
        return to_text(entries)

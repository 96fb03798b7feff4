"""Two people's copies of a project become one: what the other copy holds is added here, and nothing here is lost.

Prompts are matched by their content, groups, completions and rankings by uuid, policies by uuid or by what they
are. An annotator's rows keep their order; a row that comes in takes its place after what stands here under that
name. Runs stay where they are: a policy that a run of the other copy made points at that copy's folder.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError

from . import backup
from .database import DATABASE_NAME, Project, _check_header, new_uuid, to_text


class TwoOfOneName(UserError):
    """Both copies hold labels of their own under one name; `more` holds it as "annotator"."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Both copies hold labels of their own by {name!r}, so it cannot be told who made them.",
            "Say whose the other copy's are with --as NAME; the same name again, if they are one person's.",
        )
        self.more = {"annotator": name}


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


def merge(project: Project, other: str | Path, *, other_name: str = "") -> Merged:
    """Add what another copy holds, all or nothing. The other is only read; a second merge adds nothing.

    Args:
        other: the other project's folder.
        other_name: who the other copy's own annotator is here; "" keeps the name it has there.

    Raises:
        UserError: the same folder, no project, a newer or damaged one, or two annotators of one name that have
            to be told apart; nothing was changed.
    """
    folder, other_name = Path(other).expanduser().resolve(), other_name.strip()
    if folder == project.folder:
        raise UserError("This is the same project.", "Name the folder of the other copy.")
    with _copy_of(folder) as copy:
        if not other_name and _two_of_one_name(project, copy):
            raise TwoOfOneName(copy.annotator)
        try:
            backup.make(project.db.conn, project.folder, label="before-merge")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"A merge begins with a backup, which could not be written ({error}).",
                f"Make room on the disk, or check the permissions of {project.folder / 'backups'}.",
            ) from error
        with project.transaction() as db:
            return _Merge(db.conn, copy, folder, other_name).run()


class _Merge:
    """One merge: the ids of the other copy, and what they are here."""

    def __init__(self, here: sqlite3.Connection, copy: Project, folder: Path, other_name: str) -> None:
        self.here = here
        self.there = copy.db.conn
        self.folder = folder
        self.names = {copy.annotator: other_name} if other_name else {}
        self.done = Merged()
        self.policies: dict[int | None, int | None] = {None: None}
        self.prompts: dict[int, int] = {}
        self.completions: dict[int, int] = {}
        self.groups: dict[int | None, int | None] = {None: None}
        self.rankings: dict[int | None, int | None] = {None: None}

    def run(self) -> Merged:
        for row in _rows(self.there, "SELECT * FROM policies ORDER BY id"):
            self.policies[row["id"]] = self._policy(row)
        for row in _rows(self.there, "SELECT * FROM prompts ORDER BY id"):
            self.prompts[row["id"]] = self._prompt(row)
        for row in _rows(self.there, "SELECT * FROM completions ORDER BY id"):
            self.completions[row["id"]] = self._completion(row)
        for row in _rows(self.there, "SELECT * FROM groups ORDER BY id"):
            self.groups[row["id"]] = self._group(row)
        for row in _rows(self.there, "SELECT * FROM rankings ORDER BY id"):
            self.rankings[row["id"]] = self._ranking(row)
        (self.done.runs_left,) = self.there.execute("SELECT count(*) FROM runs").fetchone()
        return self.done

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

    def _prompt(self, row: dict[str, Any]) -> int:
        found = self.here.execute(
            "SELECT id, held_out, tags FROM prompts WHERE content_hash = ?", [row["content_hash"]]
        ).fetchone()
        if found is None:
            self.done.prompts += 1
            uuid = row["uuid"] if self._known("prompts", row["uuid"]) is None else new_uuid()
            return self._insert("prompts", row, uuid=uuid)
        prompt_id, held_out, tags = found
        if row["held_out"] and not held_out:
            self.here.execute("UPDATE prompts SET held_out = 1 WHERE id = ?", [prompt_id])
            self.done.held_out += 1
        ours = json.loads(tags)
        new = [tag for tag in json.loads(row["tags"]) if tag not in ours]
        if new:
            self.here.execute("UPDATE prompts SET tags = ? WHERE id = ?", [to_text(ours + new), prompt_id])
        return int(prompt_id)

    def _completion(self, row: dict[str, Any]) -> int:
        known = self._known("completions", row["uuid"])
        if known is not None:
            return known
        self.done.completions += 1
        return self._insert(
            "completions", row, prompt_id=self.prompts[row["prompt_id"]], policy_id=self.policies[row["policy_id"]]
        )

    def _group(self, row: dict[str, Any]) -> int:
        group_id = self._known("groups", row["uuid"])
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

    def _ranking(self, row: dict[str, Any]) -> int:
        known = self._known("rankings", row["uuid"])
        if known is not None:
            return known
        who = row["annotator"]
        if row["annotator_kind"] == "person":
            who = self.names.get(who, who)
        key = [self.groups[row["group_id"]], who, row["annotator_kind"]]
        (last,) = self.here.execute(
            "SELECT max(id) FROM rankings WHERE group_id = ? AND annotator = ? AND annotator_kind = ?", key
        ).fetchone()
        ranking_id = self._insert(
            "rankings",
            row,
            group_id=key[0],
            annotator=who,
            presented=to_text([self.completions[one] for one in json.loads(row["presented"])]),
            supersedes=last,
            undoes=self._undone(row["undoes"], who),
        )
        self.here.executemany(
            "INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)",
            [
                (ranking_id, self.completions[completion], rank)
                for completion, rank in self.there.execute(
                    "SELECT completion_id, rank FROM ranking_items WHERE ranking_id = ?", [row["id"]]
                )
            ],
        )
        self.done.rankings += 1
        return ranking_id

    def _undone(self, undoes: int | None, who: str) -> int | None:
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

    def _known(self, table: str, uuid: str) -> int | None:
        found = self.here.execute(f"SELECT id FROM {table} WHERE uuid = ?", [uuid]).fetchone()
        return None if found is None else int(found[0])

    def _insert(self, table: str, row: Mapping[str, Any], **changed: Any) -> int:
        values = {name: value for name, value in {**row, **changed}.items() if name != "id"}
        marks = ", ".join("?" * len(values))
        cursor = self.here.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))
        return int(cursor.lastrowid or 0)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _two_of_one_name(project: Project, copy: Project) -> bool:
    """Whether both copies hold labels by the other's annotator that the other copy does not have as that one's."""
    name = copy.annotator
    by_name = "SELECT uuid FROM rankings WHERE annotator = ? AND annotator_kind = 'person'"
    ours = {uuid for (uuid,) in project.db.conn.execute(by_name, [name])}
    theirs = {uuid for (uuid,) in copy.db.conn.execute(by_name, [name])}
    if not ours - theirs:
        return False
    everything = {uuid for (uuid,) in project.db.conn.execute("SELECT uuid FROM rankings")}
    return bool(theirs - everything)


@contextmanager
def _copy_of(folder: Path) -> Iterator[Project]:
    """The other project as a copy that may be brought up to date; the folder itself is left as it is."""
    path = folder / DATABASE_NAME
    if not path.is_file():
        raise UserError(
            f"{folder} is not a DPO Studio project: it has no {DATABASE_NAME}.", "Name the folder that holds that file."
        )
    _check_header(path)
    with tempfile.TemporaryDirectory(prefix="dpo-studio-merge-", ignore_cleanup_errors=True) as temporary:
        target = Path(temporary) / DATABASE_NAME
        try:
            if path.with_name(f"{DATABASE_NAME}-wal").exists():
                with (
                    closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
                    closing(sqlite3.connect(target)) as made,
                ):
                    source.backup(made)
            else:
                shutil.copyfile(path, target)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{folder} could not be read ({error}).", "Check its permissions and the disk.") from error
        with Project.open(temporary) as copy:
            yield copy


def _rows(conn: sqlite3.Connection, sql: str) -> Iterator[dict[str, Any]]:
    cursor = conn.execute(sql)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))

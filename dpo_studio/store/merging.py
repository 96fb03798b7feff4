"""Two people's copies of a project become one: what the other copy holds is added here, and nothing here is lost.

Prompts are matched by their content, groups, completions and rankings by uuid, policies by uuid or by what they
are. An annotator's rows keep their order; a row that comes in takes its place after what stands here under that
name. Runs stay where they are: a policy that a run of the other copy made points at that copy's folder.

The other copy's database is copied beside the project first and looked through there. Once nothing stands against it,
the merge is decided, and what is new is written in transactions of some milliseconds, between which others write (see
`staging`). Where that is interrupted, the next opening of the project goes on with it.
"""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dpo_studio.core.errors import UserError

from . import backup, checking, prompt_words, staging
from .database import DATABASE_NAME, Project, _check_header, _check_identity, _connect, _migrate
from .database_errors import damaged, readable, reason_of
from .merged import Merged
from .merged_rows import Rows, Told
from .small_steps import in_small_steps, make_durable

#: How far it is when the copy is looked through, when a backup is made, and when what is new begins to be written.
_LOOKED, _BACKUP, _DECIDED = 0.05, 0.1, 0.15
#: The fact of a staged copy that says where it came from, and who its annotators are here.
_MERGE = "merge"
#: Whether one copy's rankings by a name are not all in the other: theirs and ours, ours and theirs.
_OF_THEIR_OWN = """
    SELECT EXISTS (SELECT 1 FROM there.rankings t WHERE t.annotator = :name AND t.annotator_kind = 'person'
        AND NOT EXISTS (SELECT 1 FROM here.rankings r WHERE r.uuid = t.uuid))
    AND EXISTS (SELECT 1 FROM here.rankings r WHERE r.annotator = :name AND r.annotator_kind = 'person'
        AND NOT EXISTS (SELECT 1 FROM there.rankings t WHERE t.uuid = r.uuid AND t.annotator = :name))"""


class TwoOfOneName(UserError):
    """Both copies hold labels of their own under one name; `more` holds it as "annotator"."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Both copies hold labels of their own by {name!r}, so it cannot be told who made them.",
            "Say whose the other copy's are with --as NAME; the same name again, if they are one person's.",
        )
        self.more = {"annotator": name}


def merge(
    project: Project, other: str | Path, *, other_name: str = "", told: Told = lambda _share, _doing: None
) -> Merged:
    """Add what another copy holds, all or nothing. The other is only read; a second merge adds nothing.

    Others can write to the project meanwhile.

    Args:
        other: the other project's folder.
        other_name: who the other copy's own annotator is here; "" keeps the name it has there.
        told: how far it is (0 to 1), and what is being done. Where it raises before "writing", nothing was changed;
            after that the rest is written when the project is opened next.

    Raises:
        UserError: the same folder, no project, a newer or damaged one, or two annotators of one name that have
            to be told apart; nothing was changed.
    """
    folder, other_name = Path(other).expanduser().resolve(), other_name.strip()
    if folder == project.folder:
        raise UserError("This is the same project.", "Name the folder of the other copy.")
    if not (folder / DATABASE_NAME).is_file():
        raise UserError(
            f"{folder} is not a DPO Studio project: it has no {DATABASE_NAME}.", "Name the folder that holds that file."
        )
    if staging.is_decided(folder):
        raise UserError(
            f"An import or merge into {folder} is not finished yet.", "Open that project once, then merge it."
        )
    with staging.one_at_a_time(project.folder) as place:
        told(0.0, "reading the other copy")
        path = staging.partial(place, staging.COPY)
        _copy(folder, path)
        told(_LOOKED, "looking through the other copy")
        with _brought_up_to_date(path, folder) as copy:
            name = copy.annotator
            if not other_name and _two_of_one_name(project, path, name):
                raise TwoOfOneName(name)
            names = {name: other_name} if other_name else {}
            copy.set_fact(_MERGE, json.dumps({"folder": str(folder), "names": names}))
        told(_BACKUP, "backing up")
        _back_up(project)
        told(_DECIDED, "backing up")
        done = finish(project, staging.decide(place, staging.COPY), told)
    with in_small_steps(project):
        prompt_words.write_all(project)
    return done


def finish(project: Project, path: Path, told: Told = lambda _share, _doing: None) -> Merged:
    """Write what is new in a copy that is decided, by whoever holds its lock, and clear it away. Durable on return."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as there:
        (about,) = there.execute("SELECT value FROM facts WHERE name = ?", [_MERGE]).fetchone()
        said = json.loads(about)
        rows = Rows(
            project,
            there,
            Path(said["folder"]),
            said["names"],
            lambda share, doing: told(_DECIDED + (1 - _DECIDED) * share, doing),
        )
        with in_small_steps(project):
            rows.write()
    make_durable(project)
    staging.clear(path)
    return rows.done


def _two_of_one_name(project: Project, copy: Path, name: str) -> bool:
    """Whether both copies hold labels by the other's annotator that the other copy does not have as that one's."""
    with closing(sqlite3.connect(":memory:", uri=True)) as both:
        for path, what in ((project.folder / DATABASE_NAME, "here"), (copy, "there")):
            both.execute(f"ATTACH ? AS {what}", [f"{path.as_uri()}?mode=ro"])
        return bool(both.execute(_OF_THEIR_OWN, {"name": name}).fetchone()[0])


def _back_up(project: Project) -> None:
    try:
        backup.make(project.db.conn, project.folder, label="before-merge")
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"A merge begins with a backup, which could not be written ({reason_of(error)}).",
            f"Make room on the disk, or check the permissions of {project.folder / 'backups'}.",
        ) from error


def _copy(folder: Path, target: Path) -> None:
    """Copy another project's database, which is left as it is."""
    path = folder / DATABASE_NAME
    _check_header(path)
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
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
            raise UserError(
                f"There is no room for a copy of {path} beside this project.",
                "Make room on the disk and merge again; nothing was changed.",
            ) from error
        raise UserError(
            f"{folder} could not be read ({reason_of(error)}).", "Check its permissions and the disk."
        ) from error


@contextmanager
def _brought_up_to_date(path: Path, folder: Path) -> Iterator[Project]:
    """A copied database with the schema of today, sound, and without files beside it afterwards.

    Args:
        folder: the project it was copied from, for what is said of it.
    """
    with readable(folder), closing(_connect(path)) as db:
        db.conn.execute("PRAGMA journal_mode = DELETE")
        (application_id,), (version,) = (
            db.conn.execute(f"PRAGMA {what}").fetchone() for what in ("application_id", "user_version")
        )
        _check_identity(folder, application_id, version)
        checking.look_through(db.conn, folder)
        _migrate(db)
        if dangling := db.conn.execute("PRAGMA foreign_key_check").fetchone():
            raise damaged(folder, f"a row of {dangling[0]} points at one of {dangling[2]} that is not there")
        yield Project(folder, db)

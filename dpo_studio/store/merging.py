"""Two people's copies of a project become one: what the other copy holds is added here, and nothing here is lost.

Prompts are matched by their content, groups, completions and rankings by uuid, policies by uuid or by what they
are. An annotator's rows keep their order; a row that comes in takes its place after what stands here under that
name. Runs stay where they are: a policy that a run of the other copy made points at that copy's folder.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dpo_studio.core.errors import UserError

from . import backup
from .database import DATABASE_NAME, Project, _check_header
from .merged_rows import Merged, Rows, Told

#: How far it is when the rows begin to be compared.
_ROWS = 0.2


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

    Others can write to the project meanwhile but for the last part, in which what is new is written down.

    Args:
        other: the other project's folder.
        other_name: who the other copy's own annotator is here; "" keeps the name it has there.
        told: how far it is (0 to 1), and what is being done. Where it raises, nothing was changed.

    Raises:
        UserError: the same folder, no project, a newer or damaged one, or two annotators of one name that have
            to be told apart; nothing was changed.
    """
    folder, other_name = Path(other).expanduser().resolve(), other_name.strip()
    if folder == project.folder:
        raise UserError("This is the same project.", "Name the folder of the other copy.")
    told(0.0, "reading the other copy")
    with _copy_of(folder) as copy:
        if not other_name and _two_of_one_name(project, copy):
            raise TwoOfOneName(copy.annotator)
        told(0.1, "backing up")
        try:
            backup.make(project.db.conn, project.folder, label="before-merge")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"A merge begins with a backup, which could not be written ({error}).",
                f"Make room on the disk, or check the permissions of {project.folder / 'backups'}.",
            ) from error
        names = {copy.annotator: other_name} if other_name else {}
        rows = Rows(
            project.db.conn, copy.db.conn, folder, names, lambda share, doing: told(_ROWS + (1 - _ROWS) * share, doing)
        )
        rows.compare()
        with project.transaction():
            return rows.write()


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

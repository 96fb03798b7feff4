"""Creating, opening and refusing a project folder; transactions."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, migrations, prompts


def test_create_open_and_reopen_keep_what_was_written(folder):
    with Project.create(folder, guideline="Be kind.") as project:
        prompts.add(project, [Message("user", "Hello?")])
        first_uuid = project.fact("project_uuid")
    with Project.open(folder) as project:
        assert project.guideline == "Be kind."
        assert project.fact("project_uuid") == first_uuid != ""
        assert project.annotator == "me"
        assert prompts.count(project) == 1
        assert project.warning == ""
    assert (folder / "runs").is_dir() and (folder / "backups").is_dir()


def test_a_file_written_by_create_says_whose_it_is(folder):
    Project.create(folder).close()
    conn = sqlite3.connect(folder / "project.db")
    assert conn.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"DPOS", "big"),)
    assert conn.execute("PRAGMA user_version").fetchone() == (migrations.SCHEMA_VERSION,)
    assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    conn.close()


def test_connections_are_durable_and_check_references(project):
    assert project.db.conn.execute("PRAGMA synchronous").fetchone() == (2,)
    assert project.db.conn.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_create_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        Project.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_create_refuses_a_project(folder):
    Project.create(folder).close()
    with pytest.raises(UserError, match="is a project already"):
        Project.create(folder)


def test_a_failed_create_leaves_nothing_behind_and_can_be_repeated(folder, monkeypatch):
    broken = (*migrations._INITIAL, "CREATE TABLE oops (")
    monkeypatch.setattr(migrations, "_INITIAL", broken)
    with pytest.raises(sqlite3.OperationalError):
        Project.create(folder)
    assert not folder.exists()
    monkeypatch.undo()
    Project.create(folder).close()


def test_a_migration_that_fails_changes_nothing(folder, monkeypatch):
    """The first migration over an empty database of ours, failing at its end: still schema 0 and no tables."""
    folder.mkdir()
    conn = sqlite3.connect(folder / "project.db")
    conn.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    conn.execute("CREATE TABLE keep (x)")
    conn.commit()
    conn.close()
    monkeypatch.setattr(migrations, "_INITIAL", (*migrations._INITIAL, "CREATE TABLE oops ("))
    with pytest.raises(sqlite3.OperationalError):
        Project.open(folder)
    conn = sqlite3.connect(folder / "project.db")
    assert conn.execute("PRAGMA user_version").fetchone() == (0,)
    names = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    conn.close()
    assert "keep" in names and "prompts" not in names
    assert [path.name for path in (folder / "backups").glob("*-schema-0.db")]


def test_open_refuses_a_folder_without_a_project(tmp_path):
    with pytest.raises(UserError, match=r"is not a DPO Studio project: it has no project\.db"):
        Project.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_open_refuses_another_applications_database_and_leaves_it_alone(folder):
    folder.mkdir()
    conn = sqlite3.connect(folder / "project.db")
    conn.execute("PRAGMA application_id = 42")
    conn.execute("CREATE TABLE cards (id)")
    conn.commit()
    conn.close()
    before = (folder / "project.db").read_bytes()
    with pytest.raises(UserError, match="database of another application"):
        Project.open(folder)
    assert (folder / "project.db").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["project.db"]


def test_open_refuses_a_newer_schema_and_leaves_it_alone(folder):
    Project.create(folder).close()
    conn = sqlite3.connect(folder / "project.db")
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    before = (folder / "project.db").read_bytes()
    names = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(UserError, match=r"newer DPO Studio \(schema 99; this one knows 2\)") as caught:
        Project.open(folder)
    assert "Update DPO Studio" in caught.value.hint
    assert (folder / "project.db").read_bytes() == before
    assert sorted(path.name for path in folder.rglob("*")) == names


def test_a_transaction_is_all_or_nothing(project):
    with pytest.raises(ZeroDivisionError), project.transaction():
        prompts.add(project, [Message("user", "one")])
        project.set_fact("guideline", "changed")
        prompts.add(project, [Message("user", "two")])
        raise ZeroDivisionError
    assert prompts.count(project) == 0
    assert project.guideline == "Shorter is better."
    prompts.add(project, [Message("user", "three")])
    assert prompts.count(project) == 1


def test_our_own_sql_mistakes_stay_bugs(project):
    with pytest.raises(sqlite3.OperationalError), project.transaction() as db:
        db.conn.execute("SELECT nonsense FROM nowhere")
    with pytest.raises(sqlite3.ProgrammingError), project.transaction() as db:
        db.conn.execute("SELECT ?", [])
    with pytest.raises(sqlite3.IntegrityError), project.transaction() as db:
        db.conn.execute("INSERT INTO groups (uuid, prompt_id, size, created) VALUES ('u', 999, 2, '')")


HOLD_THE_LOCK = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
conn.execute("ROLLBACK")
"""


def test_a_writer_that_does_not_finish_gives_a_sentence_and_reading_goes_on(project, folder):
    project.db.conn.execute("PRAGMA busy_timeout = 200")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(folder / "project.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="Another program is writing to this project"):
            prompts.add(project, [Message("user", "now?")])
        assert prompts.count(project) == 0
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.wait(10) == 0
    prompts.add(project, [Message("user", "now.")])
    assert prompts.count(project) == 1


WRITE_PROMPTS = """
import sys
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompts
with Project.open(sys.argv[1]) as project:
    for number in range(40):
        prompts.add(project, [Message("user", f"{sys.argv[2]} {number}")])
"""


def test_two_processes_may_write_at_once(folder):
    Project.create(folder).close()
    writers = [subprocess.Popen([sys.executable, "-c", WRITE_PROMPTS, str(folder), name]) for name in ("left", "right")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with Project.open(folder) as project:
        said = {prompt.title for prompt in prompts.all_prompts(project)}
    assert said == {f"{name} {number}" for name in ("left", "right") for number in range(40)}


def test_a_full_disk_gives_a_sentence_and_keeps_what_was_saved(project):
    prompts.add(project, [Message("user", "kept")])
    (pages,) = project.db.conn.execute("PRAGMA page_count").fetchone()
    project.db.conn.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UserError, match="disk that holds this project is full") as caught:
        prompts.add(project, [Message("user", "x" * 1_000_000)])
    assert "everything saved before is intact" in caught.value.hint
    assert [prompt.title for prompt in prompts.all_prompts(project)] == ["kept"]


def test_a_project_that_cannot_be_written_gives_a_sentence(project, folder):
    project.db.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(UserError, match=r"project\.db cannot be written"):
        prompts.add(project, [Message("user", "no")])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_database_that_may_not_be_read_gives_a_sentence(folder):
    Project.create(folder).close()
    (folder / "project.db").chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        Project.open(folder)

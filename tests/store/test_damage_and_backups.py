"""Damaged databases are refused with the way back; backups are made, rotated, and never in the way."""

from __future__ import annotations

import os
import sqlite3
import threading
import time

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, backup, checking, database, prompts


def fill(folder, *, prompts_wanted=300):
    with Project.create(folder) as project:
        prompts.add_many(project, ([Message("user", f"{number} " + "x" * 500)] for number in range(prompts_wanted)))
    return folder / "project.db"


def test_a_damaged_header_is_refused_and_left_as_it_is(folder):
    path = fill(folder, prompts_wanted=3)
    with path.open("r+b") as file:
        file.write(b"\0" * 100)
    before = path.read_bytes()
    with pytest.raises(UserError, match="database is damaged") as caught:
        Project.open(folder)
    assert "There is no backup yet" in caught.value.hint
    assert path.read_bytes() == before


def test_damage_in_the_middle_is_found_and_the_newest_backup_named(folder):
    path = fill(folder)
    Project.open(folder).close()
    (copy,) = (folder / "backups").iterdir()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(8192))
    with pytest.raises(UserError, match="database is damaged") as caught:
        Project.open(folder)
    assert str(copy) in caught.value.hint
    assert "\n" not in str(caught.value)


def test_putting_the_named_backup_in_place_brings_the_project_back(folder):
    path = fill(folder, prompts_wanted=20)
    Project.open(folder).close()
    path.write_bytes(b"junk" * 1000)
    with pytest.raises(UserError, match="database is damaged"):
        Project.open(folder)
    path.rename(folder / "damaged.db")
    backup.newest(folder).rename(path)
    with Project.open(folder) as project:
        assert prompts.count(project) == 20


def test_a_database_cut_short_is_refused(folder):
    path = fill(folder)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)
    with pytest.raises(UserError, match="database is damaged"):
        Project.open(folder)


def test_an_empty_file_is_damaged_not_another_applications(folder):
    folder.mkdir()
    (folder / "project.db").touch()
    with pytest.raises(UserError, match=r"database is damaged \(it is empty\)"):
        Project.open(folder)


def test_damage_met_while_working_gives_the_sentence(project, make_group):
    """SQLite's own word for it, raised where a write meets a bad page."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    with pytest.raises(UserError, match="database is damaged"), project.transaction():
        raise error


def test_the_first_opening_of_a_day_makes_one_backup(folder):
    Project.create(folder).close()
    for _ in range(3):
        Project.open(folder).close()
    (copy,) = (folder / "backups").iterdir()
    day_before = time.time() - 25 * 3600
    os.utime(copy, (day_before, day_before))
    renamed = copy.rename(copy.with_name("project-20200101-000000-daily.db"))
    Project.open(folder).close()
    assert len(list((folder / "backups").iterdir())) == 2
    assert backup.newest(folder) != renamed


def test_a_backup_holds_what_was_written_last(project, folder):
    prompts.add(project, [Message("user", "just now")])
    copy = backup.make(project.db.conn, folder, label="now")
    conn = sqlite3.connect(copy)
    assert conn.execute("SELECT count(*) FROM prompts").fetchone() == (1,)
    assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    conn.close()


def test_the_newest_backups_are_kept(project, folder):
    for day in range(1, 11):
        (folder / "backups" / f"project-202001{day:02}-120000-daily.db").touch()
    made = backup.make(project.db.conn, folder, label="now")
    kept = sorted(path.name for path in (folder / "backups").iterdir())
    assert kept == [f"project-202001{day:02}-120000-daily.db" for day in range(5, 11)] + [made.name]
    assert len(kept) == backup.KEPT


def test_what_a_backup_left_half_written_is_cleared_away(project, folder):
    half = folder / "backups" / "project-20200101-000000-daily.77.partial"
    half.write_bytes(b"half")
    os.utime(half, (time.time() - 2 * 3600,) * 2)
    made = backup.make(project.db.conn, folder, label="now")
    assert [path.name for path in (folder / "backups").iterdir()] == [made.name]


def test_two_first_openings_of_a_day_at_once_both_make_their_backup(folder):
    """One project opened from two places: the second backup starts while the first is half written."""
    Project.create(folder).close()
    made = []

    class Slow:
        """A connection in the middle of whose copying another opens the project."""

        def backup(self, copy):
            copy.execute("CREATE TABLE half (a)")
            copy.commit()
            Project.open(folder).close()
            made.extend((folder / "backups").glob("*.db"))

    whole = backup.make(Slow(), folder, label="daily")
    assert whole.exists() and made
    conn = sqlite3.connect(whole)
    assert conn.execute("SELECT name FROM sqlite_master").fetchall() == [("half",)]
    conn.close()
    assert not list((folder / "backups").glob("*.partial*"))


def test_a_backup_that_cannot_be_written_does_not_keep_the_project_closed(folder):
    Project.create(folder).close()
    (folder / "backups").rmdir()
    (folder / "backups").write_text("a file in the way")
    with Project.open(folder) as project:
        assert "Today's backup could not be written" in project.warning
        assert str(folder / "backups") in project.warning
        prompts.add(project, [Message("user", "work goes on")])


def test_a_backup_on_a_full_disk_leaves_no_half_file(folder, monkeypatch):
    Project.create(folder).close()

    def full(_target):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    class Conn:
        backup = staticmethod(full)

    with pytest.raises(sqlite3.OperationalError):
        backup.make(Conn(), folder, label="daily")
    assert list((folder / "backups").iterdir()) == []


def test_no_migration_without_its_backup(folder, monkeypatch):
    """An older schema whose backup cannot be written stays as it is."""
    Project.create(folder).close()
    (folder / "backups").rmdir()
    (folder / "backups").write_text("a file in the way")
    before = (folder / "project.db").read_bytes()
    monkeypatch.setattr(database, "SCHEMA_VERSION", 99)
    with pytest.raises(UserError, match="has to be backed up before"):
        Project.open(folder)
    assert (folder / "project.db").read_bytes() == before


def test_a_window_opens_at_once_and_has_the_damage_found_later(folder):
    path = fill(folder)
    Project.open(folder, checked=False).close()
    assert list((folder / "backups").iterdir()) == []
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(8192))
    with (
        Project.open(folder, checked=False) as project,
        pytest.raises(UserError, match="database is damaged"),
    ):
        checking.check(project)
    assert list((folder / "backups").iterdir()) == [], "what is damaged takes no backup's place"


def test_a_backup_in_parts_is_whole_though_others_write_between_two(folder, monkeypatch):
    fill(folder)
    monkeypatch.setattr(backup, "_PART_PAGES", 5)
    parts = []
    with Project.open(folder, checked=False) as project, project.beside() as other:

        def then_write(_status, left, _total):
            parts.append(left)
            prompts.add(other, [Message("user", f"written meanwhile {left}")])

        assert checking.back_up_daily(project.db.conn, folder, on_part=then_write) == ""
        assert len(parts) > 20 and parts == sorted(parts, reverse=True), "it never began anew"
        assert not project.db.conn.in_transaction
        assert prompts.count(project) == 300 + len(parts)
    conn = sqlite3.connect(backup.newest(folder))
    assert conn.execute("SELECT count(*) FROM prompts").fetchone() == (300,)
    assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    conn.close()


def test_a_check_that_is_given_up_leaves_no_half_backup(folder, monkeypatch):
    fill(folder)
    monkeypatch.setattr(backup, "_PART_PAGES", 5)
    asked = []
    with Project.open(folder, checked=False) as project:
        with pytest.raises(checking.GivenUp):
            checking.check(project, stop=lambda: asked.append(1) or len(asked) > 3)
        assert list((folder / "backups").iterdir()) == [] and len(asked) == 4
        interrupter = threading.Thread(
            target=lambda: [project.db.conn.interrupt() or time.sleep(0.0001) for _ in range(2000)]
        )
        interrupter.start()
        with pytest.raises(checking.GivenUp):
            while interrupter.is_alive():
                checking.check(project)
        interrupter.join()
        prompts.add(project, [Message("user", "work goes on")])

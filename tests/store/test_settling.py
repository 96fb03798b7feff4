"""An import is all or nothing wherever it is interrupted, and others write all the while."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
import time
import uuid

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.exchange import importing, prompt_importing
from dpo_studio.exchange.readers import open_source
from dpo_studio.store import Project, completions, database, pace, prompts, rankings, settling, staging
from dpo_studio.store.ordered_uuids import ordered_uuid
from dpo_studio.store.prompt_search import PromptFilter, page

PROMPTS = [{"prompt": f"Question {number % 150}, why?", "tags": ["t"]} for number in range(160)]
#: The same comparison twice under two names, by two annotators, one of whom changes their mind; and rows by name alone.
NAMES = [str(uuid.UUID(int=number)) for number in range(40)]
RANKINGS = [
    {"prompt": f"P{n // 2}", "completions": ["a", "b"], "ranks": ranks, "group": NAMES[n], "annotator": who}
    for n in range(40)
    for who, ranks in (("one", [1, 2]), ("two", [2, 1]), ("one", [1, 1]))
] + [{"group": name, "ranks": [2, 1], "annotator": "three"} for name in NAMES[::3]]


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Several transactions for what is small."""
    monkeypatch.setattr(pace, "_FIRST", 7)
    monkeypatch.setattr(pace, "_MOST", 7)
    monkeypatch.setattr(pace, "_FEWEST", 7)


@pytest.fixture
def sources(tmp_path):
    for name, rows in (("prompts", PROMPTS), ("rankings", RANKINGS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"prompts": tmp_path / "prompts.jsonl", "rankings": tmp_path / "rankings.jsonl"}


def take(project, sources, kind):
    if kind == "prompts":
        return prompt_importing.run(project, open_source(sources[kind]), {})
    return importing.judgements(project, sources[kind], kind=kind)


def held(project):
    """What is in a project, without what differs between two imports of the same."""
    run = project.db.conn.execute
    return [
        run("SELECT messages, tags, source, held_out FROM prompts ORDER BY id").fetchall(),
        run("SELECT prompt_id, size, ready FROM groups ORDER BY id").fetchall(),
        run("SELECT prompt_id, text FROM completions ORDER BY id").fetchall(),
        run("SELECT group_id, annotator, supersedes FROM rankings ORDER BY id").fetchall(),
        run("SELECT ranking_id, completion_id, rank FROM ranking_items ORDER BY 1, 2").fetchall(),
        run("SELECT rowid, text FROM prompts_text ORDER BY rowid").fetchall(),
        run("SELECT name FROM facts ORDER BY name").fetchall(),
    ]


KILLED = """
import os, sys
from dpo_studio.store import Project, pace, settling, staging
from dpo_studio.exchange import importing, prompt_importing
from dpo_studio.exchange.readers import open_source

pace._FIRST = pace._MOST = pace._FEWEST = 7
folder, source, kind, where, number = sys.argv[1:]
left = int(number)

def dying(real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **named)
    return call

owner, name = {
    "reading": (staging.Staged, "add"),
    "deciding": (staging.os, "fsync"),
    "writing": (settling._Prompts if kind == "prompts" else settling._Judged, "take"),
    "clearing": (staging, "clear"),
    "words": (settling.prompt_words, "_write"),
}[where]
setattr(owner, name, dying(getattr(owner, name)))
project = Project.open(folder)
if kind == "prompts":
    prompt_importing.run(project, open_source(source), {})
else:
    importing.judgements(project, open_source(source), kind=kind)
"""


@pytest.mark.parametrize(
    ("where", "number", "kept"),
    [("reading", 60, 0), ("deciding", 0, 0), ("writing", 0, 1), ("writing", 9, 1), ("clearing", 0, 1), ("words", 1, 1)],
)
@pytest.mark.parametrize("kind", ["prompts", "rankings"])
def test_a_process_that_is_killed_has_imported_all_or_nothing(tmp_path, sources, kind, where, number, kept):
    with Project.create(tmp_path / "whole") as whole:
        before = held(whole)
        take(whole, sources, kind)
        expected = held(whole) if kept else before
    Project.create(tmp_path / "p").close()
    line = [sys.executable, "-c", KILLED, str(tmp_path / "p"), str(sources[kind]), kind, where, str(number)]
    assert subprocess.run(line, timeout=120).returncode == 9
    with Project.open(tmp_path / "p", settled=False) as project:
        assert settling.is_settled(project) is not bool(kept)
    with Project.open(tmp_path / "p") as project:
        assert held(project) == expected
        assert settling.is_settled(project)
        assert [path.name for path in (tmp_path / "p" / "imports").iterdir()] == ["lock"]
        again = take(project, sources, kind)
        assert (again.added if kind == "prompts" else again.prompts) == (
            0 if kept else 150 if kind == "prompts" else 20
        )


@pytest.mark.parametrize("kind", ["prompts", "rankings"])
def test_others_write_between_two_transactions_what_the_import_holds_too(tmp_path, sources, kind, monkeypatch):
    """A person adds a prompt and labels groups that come in, each time before the import goes on."""
    labelled, typed = [], []
    with Project.create(tmp_path / "p") as project, project.beside() as other:

        def then_write(_seconds):
            if kind == "prompts" and len(typed) < 5:
                typed.append(prompts.add(other, [Message("user", f"Question {149 - len(typed)}, why?")]))
            for group in completions.recent_groups(other, limit=2):
                labelled.append(rankings.add(other, group, kind="skip", annotator="one").uuid)

        monkeypatch.setattr(pace.time, "sleep", then_write)
        done = take(project, sources, kind)
        if kind == "prompts":
            assert prompts.count(project) == 150 == len(page(project, PromptFilter(text="Question")))
            assert done.added == 145 and len(typed) == 5
            return
        assert len(labelled) > 20
        assert (done.prompts, done.groups) == (20, 40)
        stand = project.db.conn.execute(
            "SELECT group_id, annotator, count(*) FROM current_rankings GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
        assert stand == [], "whoever labels meanwhile is followed, not stood beside"
        kept = {row[0] for row in project.db.conn.execute("SELECT uuid FROM rankings")}
        assert kept >= set(labelled)


def test_two_imports_at_a_time_are_not(tmp_path, sources):
    with Project.create(tmp_path / "p") as project:
        with staging.stage(project.folder, {}), pytest.raises(UserError, match="Another import .* is at work"):
            take(project, sources, "prompts")
        with Project.open(tmp_path / "p") as opened:  # does not wait for what is not decided
            assert take(opened, sources, "prompts").added == 150


def test_a_full_disk_leaves_nothing(tmp_path, sources, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Project.create(tmp_path / "p") as project:
        monkeypatch.setattr(staging.os, "fsync", full)
        with pytest.raises(UserError, match="No space left on device"):
            take(project, sources, "prompts")
        monkeypatch.undo()
        assert prompts.count(project) == 0 and settling.is_settled(project)


def test_rows_that_cannot_be_written_do_not_keep_anyone_from_opening(tmp_path, sources, monkeypatch):
    with (
        Project.create(tmp_path / "p") as project,
        staging.stage(project.folder, settling.about("prompts", "s")) as staged,
    ):
        staged.add(settling.prompt_row("[]", None, ()))
        staged.decide()
    with pytest.raises(UserError, match="could not be finished .IntegrityError.*put aside"):
        Project.open(tmp_path / "p")
    with Project.open(tmp_path / "p") as project:
        assert settling.is_settled(project) and prompts.count(project) == 0


def test_an_opening_waits_for_who_writes_what_is_decided(tmp_path, sources):
    with Project.create(tmp_path / "p") as project:
        about = settling.about("prompts", "s")
        opened = []

        def open_it():
            with Project.open(tmp_path / "p") as other:
                opened.append(prompts.count(other))

        with staging.stage(project.folder, about) as staged:
            staged.add(settling.prompt_row('[{"role": "user", "content": "x y z"}]', "0" * 64, ()))
            path = staged.decide()
            thread = threading.Thread(target=open_it)
            thread.start()
            time.sleep(0.3)
            assert not opened
            settling.write(project, path)
        thread.join(60)
        assert opened == [1]


def test_who_writes_waits_for_another_and_not_for_ever(tmp_path, monkeypatch):
    with Project.create(tmp_path / "p") as project, project.beside() as other:
        asked = []

        def let_go(_seconds):
            asked.append(1)
            if len(asked) == 3:
                project.db.conn.execute("COMMIT")

        monkeypatch.setattr(database.time, "sleep", let_go)
        project.db.conn.execute("BEGIN IMMEDIATE")
        other.set_fact("a", "b")
        assert project.fact("a") == "b" and len(asked) == 3
        project.db.conn.execute("BEGIN IMMEDIATE")
        with other.patience(0.01), pytest.raises(UserError, match="Another program is writing"):
            other.set_fact("a", "c")
        project.db.conn.execute("ROLLBACK")


def test_uuids_rise_and_are_none_twice():
    made = [ordered_uuid() for _ in range(3_000)]
    assert len(set(made)) == 3_000
    assert all((uuid.UUID(one).version, uuid.UUID(one).variant) == (7, uuid.RFC_4122) for one in made)
    assert sorted(made[::100], key=lambda one: one[:13]) == made[::100]


def test_transactions_grow_and_shrink_with_what_they_take(monkeypatch):
    monkeypatch.undo()
    now = [0.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pace.time, "sleep", lambda _s: None)
    turns, rows = pace.Pace(), []
    for each_s in (0.00001, 0.001):  # a hundredth of a millisecond a row, then one millisecond
        for _ in range(40):
            with turns.turn():
                now[0] += turns.rows * each_s
        rows.append(turns.rows)
    assert 700 <= rows[0] <= 900 and rows[1] == 25


@pytest.mark.parametrize("kind", ["prompts", "rankings"])
def test_what_is_written_outlasts_a_power_cut_before_its_rows_are_cleared_away(tmp_path, sources, kind, monkeypatch):
    """Steps that are not durable one by one: a durable one comes after them, and only then is the file cleared."""
    with Project.create(tmp_path / "p") as project:
        done, clear = [], staging.clear

        def cleared(path):
            full = max(place for place, one in enumerate(done) if one == f"PRAGMA synchronous = {database.SYNCHRONOUS}")
            assert "COMMIT" in done[full:]
            clear(path)
            done.append("cleared")

        monkeypatch.setattr(staging, "clear", cleared)
        project.db.conn.set_trace_callback(done.append)
        take(project, sources, kind)
        assert "cleared" in done

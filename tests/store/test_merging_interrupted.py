"""A merge is all or nothing wherever it is interrupted, and others write all the while."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import subprocess
import sys

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import (
    Project,
    completions,
    merged_rankings,
    merging,
    pace,
    prompt_edits,
    prompt_states,
    prompts,
    rankings,
    settling,
    staging,
)
from dpo_studio.store.merged_prompts import MergedPrompts
from dpo_studio.store.prompt_search import PromptFilter, page


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Several transactions for what is small."""
    for name in ("_FIRST", "_MOST", "_FEWEST"):
        monkeypatch.setattr(pace, name, 3)


@pytest.fixture
def two(tmp_path):
    """A project, and another copy with labels, corrections, undos, answers, prompts, tags and a repeat of its own."""
    with Project.create(tmp_path / "here") as project:
        for number in range(6):
            _ask(project, f"Question {number}?")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    with Project.open(tmp_path / "there") as other:
        for number in range(9):
            _ask(other, f"Only there, {number}?")
        completions.add(other, 1, "theirs")
        prompts.set_held_out(other, 2, True)
        first = completions.get_group(other, 7)
        repeat = completions.add_group(other, first.prompt.id, size=2)
        for text in ("again", "and again"):
            completions.add(other, repeat.id, text)
        with other.transaction() as db:
            db.conn.execute("UPDATE groups SET repeat_of = ? WHERE id = ?", [first.id, repeat.id])
            db.conn.execute("UPDATE prompts SET tags = '[\"theirs\"]' WHERE id IN (3, 9)")
        for number in range(1, 17):
            group = completions.get_group(other, number)
            rankings.add(other, group, ranks=[1, *[2] * (len(group.completions) - 1)])
            if number % 3 == 0:
                rankings.undo(other)
                rankings.add(other, group, kind="skip")
    with Project.open(tmp_path / "here") as project:
        rankings.add(project, completions.get_group(project, 1), ranks=[2, 1])
    return tmp_path / "here", tmp_path / "there"


def _ask(project, text):
    prompt = prompts.add(project, [Message("user", text)])
    group = completions.add_group(project, prompt.id, size=2)
    for answer in ("a", "b"):
        completions.add(project, group.id, answer)


def held(project):
    """What is in a project."""
    names = "prompts completions groups group_items rankings ranking_items prompt_tags facts".split()
    found = {name: project.db.conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}
    found["text"] = project.db.conn.execute("SELECT rowid, text FROM prompts_text ORDER BY rowid").fetchall()
    return found


KILLED = """
import os, sys
from dpo_studio.store import Project, backup, merged_prompts, merged_rankings, merging, pace, prompt_words, staging

pace._FIRST = pace._MOST = pace._FEWEST = 3
here, there, where, number = sys.argv[1:]
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
    "copying": (merging, "_copy"),
    "looking": (merging, "_check_identity"),
    "backing up": (merging, "_back_up"),
    "deciding": (staging.os, "replace"),
    "prompts": (merged_prompts.MergedPrompts, "_write_some"),
    "labels": (merged_rankings.MergedRankings, "_write_some"),
    "durable": (merging, "make_durable"),
    "words": (prompt_words, "_write"),
}[where]
setattr(owner, name, dying(getattr(owner, name)))
merging.merge(Project.open(here), there, other_name="Ben")
"""


@pytest.mark.parametrize(
    ("where", "number", "kept"),
    [
        ("copying", 0, False),
        ("looking", 0, False),
        ("backing up", 0, False),
        ("deciding", 0, False),
        ("prompts", 0, True),
        ("prompts", 4, True),
        ("labels", 0, True),
        ("labels", 3, True),
        ("durable", 0, True),
        ("words", 1, True),
    ],
)
def test_a_process_that_is_killed_has_merged_all_or_nothing(tmp_path, two, where, number, kept):
    here, there = two
    shutil.copytree(here, tmp_path / "whole")
    with Project.open(tmp_path / "whole") as whole:
        before = held(whole)
        merging.merge(whole, there, other_name="Ben")
        expected = held(whole) if kept else before
    line = [sys.executable, "-c", KILLED, str(here), str(there), where, str(number)]
    assert subprocess.run(line, timeout=120).returncode == 9
    with Project.open(here, settled=False) as project:
        assert settling.is_settled(project) is not kept
    with Project.open(here) as project:
        assert held(project) == expected
        assert settling.is_settled(project)
        assert [path.name for path in (here / "imports").iterdir()] == ["lock"]
        again = merging.merge(project, there, other_name="Ben")
        assert bool(again.rankings) is not kept and bool(again.prompts) is not kept


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_given_up_while_the_copy_is_read_nothing_is_merged(two, share):
    with Project.open(two[0]) as project:
        before = held(project)
        with pytest.raises(KeyboardInterrupt):
            merging.merge(project, two[1], other_name="Ben", told=_giving_up(share))
        assert held(project) == before and settling.is_settled(project)
        assert merging.merge(project, two[1], other_name="Ben").prompts == 9


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_given_up_while_it_is_written_it_is_finished_at_the_next_opening(tmp_path, two, share):
    shutil.copytree(two[0], tmp_path / "whole")
    with Project.open(tmp_path / "whole") as whole:
        merging.merge(whole, two[1], other_name="Ben")
        expected = held(whole)
    with Project.open(two[0]) as project:
        with pytest.raises(KeyboardInterrupt):
            merging.merge(project, two[1], other_name="Ben", told=_giving_up(share))
        assert not settling.is_settled(project)
        with pytest.raises(UserError, match="not finished yet"):
            merging.merge(project, two[1], other_name="Ben")
    with Project.open(two[1]) as other, pytest.raises(UserError, match="not finished yet.*Open that project once"):
        merging.merge(other, two[0], other_name="Ann")
    with Project.open(two[0]) as project:
        assert held(project) == expected


def _giving_up(share):
    def told(done, doing):
        if done >= share:
            raise KeyboardInterrupt

    return told


def test_a_failure_while_it_is_written_puts_the_copy_aside_and_the_project_opens(two, monkeypatch):
    with Project.open(two[0]) as project:
        with monkeypatch.context() as patched:
            patched.setattr(merged_rankings.MergedRankings, "_who", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                merging.merge(project, two[1], other_name="Ben")
            with pytest.raises(UserError, match="A merge .* could not be finished .ZeroDivisionError.*put aside"):
                settling.settle(project)
    with Project.open(two[0]) as project:
        assert settling.is_settled(project)
        assert merging.merge(project, two[1], other_name="Ben").rankings == 26


def test_others_write_between_two_transactions(two, monkeypatch):
    """A person labels what came in, under either name, and writes what the other copy holds; no chain forks."""
    with Project.open(two[0]) as project, project.beside() as other:
        labelled = []

        def then_write(_seconds):
            for group in completions.recent_groups(other, limit=2):
                if group.ready:
                    who = ("me", "Ben")[len(labelled) % 2]
                    labelled.append(rankings.add(other, group, kind="skip", annotator=who).uuid)
            if len(labelled) < 5:
                prompts.add(other, [Message("user", f"Only there, {8 - len(labelled)}?")])

        monkeypatch.setattr(pace.time, "sleep", then_write)
        merging.merge(project, two[1], other_name="Ben")
        assert len(labelled) > 10 and prompts.count(project) == 15
        assert len(page(project, PromptFilter(text="Only there"))) == 9
        forks = project.db.conn.execute(
            "SELECT group_id, annotator, count(*) FROM rankings r"
            " WHERE NOT EXISTS (SELECT 1 FROM rankings s WHERE s.supersedes = r.id) GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
        assert forks == []
        kept = {row[0] for row in project.db.conn.execute("SELECT uuid FROM rankings")}
        assert kept >= set(labelled)
        with Project.open(two[1]) as there:
            assert kept >= {row[0] for row in there.db.conn.execute("SELECT uuid FROM rankings")}


def test_what_goes_meanwhile_comes_back(two, monkeypatch):
    """A prompt that is taken back, and a group that waits for answers and is given up, once they were looked at."""
    with Project.open(two[1]) as there:
        prompt = prompts.add(there, [Message("user", "Both?")])
        waiting = completions.add_group(there, prompt.id, size=2)
    shutil.rmtree(two[0])
    shutil.copytree(two[1], two[0])
    with Project.open(two[1]) as there:
        completions.add(there, waiting.id, "one")
        completions.add(there, waiting.id, "two")
    look_at = MergedPrompts.look_at
    with Project.open(two[0]) as project:

        def look_and_lose(self, rows):
            found = look_at(self, rows)
            with project.beside() as other:
                prompt_states.take_out_of_queue(other, [waiting.id])
                prompt_edits.take_back(other, [prompt.id])
            return found

        monkeypatch.setattr(MergedPrompts, "look_at", look_and_lose)
        merging.merge(project, two[1])
        group = completions.group_by_uuid(project, waiting.uuid)
        assert group.prompt.title == "Both?" and [one.text for one in group.completions] == ["one", "two"]


def test_a_full_disk_leaves_nothing(two, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Project.open(two[0]) as project:
        before = held(project)
        for owner, name, said in (
            (merging.shutil, "copyfile", "no room for a copy"),
            (merging.backup, "make", "begins with a backup"),
            (staging.os, "fsync", "No space left"),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, full)
                with pytest.raises(UserError, match=said):
                    merging.merge(project, two[1], other_name="Ben")
            assert held(project) == before and settling.is_settled(project)


def test_a_copy_with_rows_that_point_nowhere_is_refused(two):
    conn = sqlite3.connect(two[1] / "project.db")
    conn.execute("DELETE FROM completions WHERE text = 'theirs'")
    conn.commit()
    conn.close()
    with Project.open(two[0]) as project:
        before = held(project)
        with pytest.raises(UserError, match="damaged .a row of .* is not there"):
            merging.merge(project, two[1], other_name="Ben")
        assert held(project) == before

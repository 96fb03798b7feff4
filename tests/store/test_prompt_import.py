"""Many prompts at once are what the same prompts are one by one, and an interrupted full text is finished."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompt_import, prompt_words, prompts
from dpo_studio.store.prompt_search import PromptFilter, page

ROWS = [
    ((Message("system", "Be brief."), Message("user", f"Number {number} and a wörd\nof 東京都 {number * 7}")), tags)
    for number, tags in enumerate([("a", "b"), (), ("a",), ("ü",), ("a", "a")] * 8)
]


def _held(project):
    rows = project.db.conn.execute(
        "SELECT p.messages, p.tags, p.held_out, p.source, t.text FROM prompts p JOIN prompts_text t ON t.rowid = p.id"
        " ORDER BY p.id"
    ).fetchall()
    tags = project.db.conn.execute("SELECT tag, prompt_id FROM prompt_tags ORDER BY tag, prompt_id").fetchall()
    tallies = project.db.conn.execute("SELECT * FROM prompt_tallies ORDER BY archived").fetchall()
    facts = project.db.conn.execute("SELECT name FROM facts WHERE name LIKE 'prompts%'").fetchall()
    return rows, tags, tallies, facts


def _in_bulk(project, rows):
    with prompt_import.in_bulk(project):
        return prompt_import.add(project, rows, source="s")


@pytest.mark.parametrize("at_once", [1, 7, 40, 8000])
def test_in_bulk_is_the_same_as_one_by_one(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(prompt_words, "AT_ONCE", at_once)
    monkeypatch.setattr(prompt_import, "AT_ONCE", at_once)
    with Project.create(tmp_path / "one") as one, Project.create(tmp_path / "bulk") as bulk:
        for messages, tags in ROWS:
            prompts.add(one, messages, source="s", tags=tags)
        assert _in_bulk(bulk, [*ROWS, ROWS[3]]) == len(ROWS)
        assert _held(bulk) == _held(one)
        assert _held(bulk)[3] == []
        assert len(page(bulk, PromptFilter(text="東京都"))) == len(ROWS)
        assert _in_bulk(bulk, ROWS) == 0
        prompts.add(bulk, [Message("user", "one by one again")])
        assert len(page(bulk, PromptFilter(text="by one again"))) == 1


def test_what_is_interrupted_between_is_finished_when_the_project_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_words, "AT_ONCE", 5)
    monkeypatch.setattr(prompt_import, "AT_ONCE", 5)
    monkeypatch.setattr(prompt_import, "write_all", lambda *_, **__: 1 / 0)
    with Project.create(tmp_path / "p") as project, pytest.raises(ZeroDivisionError):
        _in_bulk(project, ROWS)
    with Project.open(tmp_path / "p") as project:
        assert len(page(project, PromptFilter(text="Number"))) == len(ROWS) == prompts.count(project)
        assert _held(project)[3] == []


def test_what_fails_in_it_leaves_nothing(tmp_path):
    def rows():
        yield from ROWS
        raise RuntimeError

    with Project.create(tmp_path / "p") as project:
        before = project.db.conn.execute("PRAGMA cache_size").fetchone()
        with pytest.raises(RuntimeError):
            _in_bulk(project, rows())
        assert prompts.count(project) == 0 and _held(project)[3] == []
        assert project.db.conn.execute("PRAGMA cache_size").fetchone() == before
        assert _in_bulk(project, ROWS) == len(ROWS)


KILLED_HALF_WAY = """
import os, sys
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompt_import

def rows():
    for number in range(1700):
        yield (Message("user", f"Question {number}?"),), ("t",)
    os._exit(9)

project = Project.open(sys.argv[1])
with prompt_import.in_bulk(project):
    prompt_import.add(project, rows())
"""


def test_a_process_that_is_killed_half_way_has_added_nothing(tmp_path):
    Project.create(tmp_path / "p").close()
    done = subprocess.run([sys.executable, "-c", KILLED_HALF_WAY, str(tmp_path / "p")], timeout=120)
    assert done.returncode == 9
    with Project.open(tmp_path / "p") as project:
        assert prompts.count(project) == 0 and _held(project)[1:] == ([], [(0, 0), (1, 0)], [])
        assert _in_bulk(project, ROWS) == len(ROWS)

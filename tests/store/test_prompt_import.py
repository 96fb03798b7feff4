"""Many prompts at once are what the same prompts are one by one, and an interrupted full text is finished."""

from __future__ import annotations

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, pace, prompt_edits, prompt_import, prompt_words, prompts
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
        added = prompt_import.add(project, rows, source="s")
    prompt_words.write_all(project)
    return added


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_in_bulk_is_the_same_as_one_by_one(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(pace, "_FIRST", at_once)
    monkeypatch.setattr(prompt_words, "_MOST_LETTERS", 40 * at_once)
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


def test_what_is_interrupted_between_is_finished_when_the_project_is_opened(tmp_path):
    with Project.create(tmp_path / "p") as project:
        with prompt_import.in_bulk(project):
            prompt_import.add(project, ROWS[:20])
        with prompt_import.in_bulk(project):
            prompt_import.add(project, ROWS[20:])
        prompts.add(project, [Message("user", "Number by number")])
    with Project.open(tmp_path / "p", settled=False) as project:
        assert len(page(project, PromptFilter(text="Number"))) == 1, "it opens at once"
    with Project.open(tmp_path / "p") as project:
        assert len(page(project, PromptFilter(text="Number"))) == len(ROWS) + 1 == prompts.count(project)
        assert _held(project)[3] == []


def test_a_prompt_that_is_edited_or_taken_back_before_its_words_are_written(tmp_path):
    with Project.create(tmp_path / "p") as project:
        with prompt_import.in_bulk(project):
            prompt_import.add(project, ROWS)
        first, second = [prompt.id for prompt in prompts.all_prompts(project)][:2]
        prompt_edits.rewrite(project, first, [Message("user", "quite another text")])
        prompt_edits.take_back(project, [second])
        prompt_words.write_all(project)
        assert len(page(project, PromptFilter(text="another text"))) == 1
        assert len(page(project, PromptFilter(text="Number"))) == len(ROWS) - 2


def test_what_fails_in_it_leaves_nothing(tmp_path):
    def rows():
        yield from ROWS
        raise RuntimeError

    with Project.create(tmp_path / "p") as project:
        with pytest.raises(RuntimeError):
            _in_bulk(project, rows())
        assert prompts.count(project) == 0 and _held(project)[3] == []
        assert _in_bulk(project, ROWS) == len(ROWS)

"""The store asked in threads: newer questions take the place of older ones, changes are all made, errors are told."""

from __future__ import annotations

import threading
from array import array
from pathlib import Path

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompt_edits, prompt_search, prompts, settling
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompt_list.rows import PromptRows
from dpo_studio.ui.prompt_list.store_thread import StoreThread
from dpo_studio.ui.prompt_list.table import PromptTable
from dpo_studio.ui.prompts import changes as changes_module
from dpo_studio.ui.prompts.changes import Changes

WAIT_MS = 60_000


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "project") as made:
        prompts.add_many(made, ([Message("user", f"prompt {number}")] for number in range(30)))
        yield made


@pytest.fixture
def thread(project: Project, qapp):
    made = StoreThread(project)
    made.answers, made.failures = [], []
    made.answered.connect(made.answers.append)
    made.failed.connect(lambda kind, number, error: made.failures.append((kind, error)))
    yield made
    made.close()


def test_a_newer_question_of_a_kind_takes_the_place_of_the_older_ones(thread, qtbot):
    begun, go_on = threading.Event(), threading.Event()

    def slow(_project, send):
        begun.set()
        assert go_on.wait(60)
        send("part of the old answer")
        return "old"

    thread.ask("list", slow)
    assert begun.wait(60)
    thread.ask("list", lambda _project, _send: "never begun")
    number = thread.ask("list", lambda project, _send: prompt_search.totals(project))
    thread.ask("another kind", lambda _project, _send: "kept")
    go_on.set()
    qtbot.waitUntil(lambda: thread.is_idle, timeout=WAIT_MS)
    assert [(a.kind, a.value, a.last) for a in thread.answers] == [
        ("list", (30, 0), True),
        ("another kind", "kept", True),
    ]
    assert thread.failures == [("list", None), ("list", None)]
    assert thread.is_latest(thread.answers[0]) and thread.answers[0].number == number


def test_a_query_that_runs_is_given_up_when_another_is_asked(thread, qtbot):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    thread.ask("list", lambda project, _send: project.db.conn.execute(endless).fetchone())
    thread.ask("list", lambda project, _send: "done")
    qtbot.waitUntil(lambda: thread.is_idle, timeout=WAIT_MS)
    assert [answer.value for answer in thread.answers] == ["done"]


def test_changes_are_all_made_and_errors_are_told(thread, qtbot):
    def refuse(_project, _send):
        raise UserError("No.", "Because.")

    def break_down(_project, _send):
        raise ValueError("a bug")

    for work in (lambda _project, _send: 1, refuse, break_down, lambda _project, _send: 2):
        thread.do("change", work)
    qtbot.waitUntil(lambda: thread.is_idle, timeout=WAIT_MS)
    assert [answer.value for answer in thread.answers] == [1, 2]
    assert [str(error) for _, error in thread.failures] == ["No. Because.", "a bug"]
    assert "break_down" in thread.failures[1][1].__notes__[0], "the thread's own traceback is told"


def test_a_project_that_cannot_be_opened_again_is_a_sentence(thread, project, qtbot):
    project.folder = project.folder / "gone"
    thread.ask("list", lambda _project, _send: 1)
    thread.do("change", lambda _project, _send: 2)
    qtbot.waitUntil(lambda: thread.is_idle, timeout=WAIT_MS)
    assert [kind for kind, _ in thread.failures] == ["list", "change"]
    assert all(isinstance(error, UserError) for _, error in thread.failures)


def test_a_large_change_is_made_in_parts_told_as_it_goes_and_all_or_none(qapp, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(changes_module, "_CHUNK", 4)
    context = Context()
    context.open(Project.create(tmp_path / "project"))
    project = context.project
    made = prompts.add_many(project, ([Message("user", f"prompt {number}")] for number in range(10)))
    full = tuple(f"tag {number}" for number in range(50))
    prompt_edits.change_tags(project, [made[9].id], add=full)
    changes = Changes(context)
    changes.open(project)
    said, refused, busy = [], [], []
    changes.done.connect(lambda done, _number: said.append(done.sentence))
    changes.refused.connect(lambda sentence, _number: refused.append(sentence))
    changes.busy_changed.connect(busy.append)
    ids = array("q", [prompt.id for prompt in made])
    changes.tag(ids, add=("one more",))
    qtbot.waitUntil(lambda: bool(refused), timeout=WAIT_MS)
    assert "50 tags at most" in refused[0]
    assert [prompt.tags for prompt in prompts.all_prompts(project)] == [()] * 9 + [full]
    changes.archive(ids, True)
    qtbot.waitUntil(lambda: bool(said), timeout=WAIT_MS)
    assert "Archiving… 4 of 10" in busy and "Archiving… 8 of 10" in busy and busy[-1] == ""
    assert prompt_search.totals(project) == (0, 10)
    assert changes.undo()
    qtbot.waitUntil(lambda: len(said) == 2, timeout=WAIT_MS)
    assert prompt_search.totals(project) == (10, 0) and not changes.undo()
    changes.close()
    context.open(None)


def test_many_that_are_added_keep_nobody_from_writing_for_long(qapp, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(changes_module, "_CHUNK", 4)
    context = Context()
    context.open(Project.create(tmp_path / "project"))
    project = context.project
    written = []

    def write_words(other: Project) -> None:
        with other.beside() as another:
            another.set_fact("somebody", "else writes before the words are there")
        written.append(prompt_search.count(other, prompt_search.PromptFilter(text="prompt"), at_most=100))
        real(other)

    real = settling.write_words
    monkeypatch.setattr(changes_module.settling, "write_words", write_words)
    changes = Changes(context)
    changes.open(project)
    said = []
    changes.done.connect(lambda done, _number: said.append(done.sentence))
    changes.add([((Message("user", f"prompt {number}"),), ("t",)) for number in range(9)], "pasted")
    qtbot.waitUntil(lambda: said == ["9 prompts added."], timeout=WAIT_MS)
    found = prompt_search.PromptFilter(text="prompt", tags=("t",))
    assert written == [0] and prompt_search.count(project, found, at_most=100) == 9 and settling.is_settled(project)
    assert changes.undo()
    qtbot.waitUntil(lambda: said[1:] == ["9 prompts taken back."], timeout=WAIT_MS)
    changes.close()
    context.open(None)


def test_a_list_that_is_selected_whole_is_painted_without_asking_every_row(qtbot, monkeypatch):
    asked = []

    def flags(self, index):
        asked.append(index.row())
        return super(PromptRows, self).flags(index)

    monkeypatch.setattr(PromptRows, "flags", flags, raising=False)
    table = PromptTable()
    qtbot.addWidget(table)
    table.resize(600, 400)
    table.rows.extend(range(1, 20_001))
    table.show()
    table.selectAll()
    table.grab()
    assert table.selected_count() == 20_000 and list(table.selected_ids()[-2:]) == [19_999, 20_000]
    assert 0 < len(asked) < 2_000


@pytest.mark.parametrize("order", [1, -1])
def test_a_prompt_is_looked_up_in_a_rising_or_falling_list(qapp, order):
    rows = PromptRows()
    rows.extend([2, 3, 5, 7, 11, 13][::order])
    assert [rows.row_of(one) for one in [2, 3, 5, 7, 11, 13][::order]] == [0, 1, 2, 3, 4, 5]
    assert [rows.row_of(one) for one in (1, 4, 14)] == [None] * 3
    rows.remove([3, 11, 99])
    assert list(rows.ids(0, 9)) == [2, 5, 7, 13][::order]
    rows.remove([5, 7])
    assert list(rows.ids(0, 9)) == [2, 13][::order]
    rows.remove([2, 13])
    assert rows.rowCount() == 0 and rows.row_of(2) is None

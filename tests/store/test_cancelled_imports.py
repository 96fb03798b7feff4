"""An import that a person cancels leaves nothing, whenever that is, but what others have built upon it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import GroupId, Message
from dpo_studio.exchange import importing, prompt_importing
from dpo_studio.exchange.readers import open_source
from dpo_studio.store import Project, completions, pace, prompts, rankings, settling, staging, waits

TABLES = (
    *("prompts", "prompt_tags", "prompt_tallies", "groups", "group_items", "completions"),
    *("rankings", "ranking_items", "ranking_tallies", "annotators", "waits", "facts"),
)
HELD = [
    {"prompt": f"P{n}", "completions": ["a", "b"], "ranks": ranks, "annotator": who}
    for n in range(4)
    for who, ranks in (("one", [1, 2]), ("two", [2, 1]))
]
#: Others' minds about what is there, one of them changed twice; new answers to old prompts; new prompts.
COMING = [
    *({"prompt": f"P{n}", "completions": ["a", "b"], "ranks": [1, 1], "annotator": "one"} for n in range(3)),
    *({"prompt": f"P{n}", "completions": ["a", "b"], "ranks": [2, 1], "annotator": "one"} for n in range(3)),
    *({"prompt": f"P{n}", "completions": ["a", "b"], "ranks": [2, 1], "annotator": "three"} for n in range(4)),
    *({"prompt": f"P{n}", "completions": ["a", "c"], "ranks": [2, 1], "annotator": "one"} for n in range(4)),
    *({"prompt": f"N{n}", "completions": ["a", "b"], "ranks": [2, 1], "annotator": "one"} for n in range(20)),
]
PROMPTS = [{"prompt": f"Question {number}, why?", "tags": ["t", "u"]} for number in range(60)]


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    for name in ("_FIRST", "_MOST", "_FEWEST"):
        monkeypatch.setattr(pace, name, 7)


@pytest.fixture
def folder(tmp_path):
    """A project with prompts and judgements of two people, for both of whom it is kept what waits."""
    for name, rows in (("held", HELD), ("rankings", COMING), ("prompts", PROMPTS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with Project.create(tmp_path / "p") as project:
        importing.judgements(project, tmp_path / "held.jsonl", kind="rankings")
        prompts.add(project, [Message("user", "Question 3, why?")], tags=["mine"])
        for name in ("one", "two", "three"):
            waits.ensure(project, name)
    return tmp_path / "p"


def everything(project):
    run = project.db.conn.execute
    assert run("PRAGMA foreign_key_check").fetchall() == []
    assert run("SELECT count(*) FROM sqlite_master WHERE name = 'rankings_are_kept'").fetchone() == (1,)
    assert not project.db.conn.in_transaction and run("PRAGMA foreign_keys").fetchone() == (1,)
    rows = {table: sorted(run(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}
    rows["words"] = run("SELECT rowid, text FROM prompts_text ORDER BY 1").fetchall()
    rows["tallies"] = [row for row in rows.pop("ranking_tallies") if row[-1]]
    return rows


def take(project, folder, kind, told=None):
    source = folder.parent / f"{kind}.jsonl"
    if kind == "prompts":
        return prompt_importing.run(project, open_source(source), {}, told=told)
    return importing.judgements(project, source, kind=kind, told=told)


@pytest.mark.parametrize("stage", ["written", "made searchable"])
@pytest.mark.parametrize("kind", ["prompts", "rankings"])
@pytest.mark.parametrize("how", ["marked", "interrupted"])
def test_nothing_is_left_of_what_was_cancelled_halfway(folder, kind, stage, how):
    heard = []

    def told(doing, done, total):
        heard.append((doing, done, total))
        if doing == stage and (done > total // 2 or stage != "written"):
            if how == "interrupted":
                raise KeyboardInterrupt
            staging.cancel(folder)

    with Project.open(folder) as project:
        before = everything(project)
        with pytest.raises(UserError if how == "marked" else KeyboardInterrupt):
            take(project, folder, kind, told)
        rows = len(PROMPTS if kind == "prompts" else COMING)
        assert ("written", rows, rows) in heard or stage == "written"
        assert heard[-1][0] == "taken back" and heard[-1][1] == heard[-1][2] > 7
        assert everything(project) == before
        assert [path.name for path in (folder / "imports").iterdir()] == ["lock"]
        take(project, folder, kind)
        assert prompts.count(project) == (64 if kind == "prompts" else 25)


def test_what_others_built_upon_stays(folder):
    """A person labels one of the new groups, goes on from an imported label, and asks an imported prompt."""
    kept = {}

    def told(doing, done, total):
        if doing != "written" or done < total or kept:
            return
        with project.beside() as other:
            new = next(g for g in completions.recent_groups(other, limit=30) if g.prompt.messages[0].content == "N3")
            kept["label"] = rankings.add(other, new, kind="skip", annotator="somebody").uuid
            old = completions.get_group(other, GroupId(1))
            kept["change"] = rankings.add(other, old, kind="skip", annotator="three").uuid
        staging.cancel(folder)

    with Project.open(folder) as project:
        before = everything(project)
        with pytest.raises(UserError, match="nothing was imported"):
            take(project, folder, "rankings", told)
        after = everything(project)
        new = {
            table: len(after[table]) - len(before[table]) for table in ("prompts", "groups", "completions", "rankings")
        }
        # The label on N3; on P0 the imported one that "three" changed, and that change.
        assert new == {"prompts": 1, "groups": 1, "completions": 2, "rankings": 3}
        assert set(kept.values()) <= {row[1] for row in after["rankings"]}
        assert rankings.counts(project, "somebody").done == 1
        assert waits.count(project, "one") == 1, (
            "the group that stays waits for who is no longer said to have judged it"
        )


KILLED = """
import os, sys
from dpo_studio.store import Project, pace, taking_back
pace._FIRST = pace._MOST = pace._FEWEST = 7
left = int(sys.argv[3])
real = getattr(taking_back, sys.argv[2])
def dying(*arguments):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    real(*arguments)
setattr(taking_back, sys.argv[2], dying)
Project.open(sys.argv[1])
"""


@pytest.mark.parametrize("where", ["_remove_rankings", "_remove_groups", "_remove_prompts"])
def test_what_is_interrupted_while_it_is_taken_back_is_gone_on_with(folder, where, monkeypatch):
    monkeypatch.setattr(settling, "_write", _written_and_then_cancelled)
    monkeypatch.setattr(settling.taking_back, "take_back", lambda *_: 1 / 0)
    with Project.open(folder) as project:
        before = everything(project)
        with pytest.raises(ZeroDivisionError):
            take(project, folder, "rankings")
        assert not settling.is_settled(project)
    monkeypatch.undo()
    assert subprocess.run([sys.executable, "-c", KILLED, str(folder), where, "1"], timeout=120).returncode == 9
    with Project.open(folder) as project:
        assert everything(project) == before and settling.is_settled(project)


_REAL_WRITE = settling._write


def _written_and_then_cancelled(project, path, total, told):
    _REAL_WRITE(project, path, total, told)
    staging.cancel(project.folder)
    raise settling.Cancelled


def test_a_mark_that_came_too_late_holds_for_no_later_import(folder):
    with Project.open(folder) as project:
        staging.cancel(folder)
        assert take(project, folder, "prompts").added == 59
        assert prompts.count(project) == 64

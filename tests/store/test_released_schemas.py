"""A project of every released schema opens, with what it held."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from dpo_studio.store import Project, completions, migrations, policies, prompt_search, prompts, rankings, runs

RELEASED = Path(__file__).parent / "released"
FILES = sorted(RELEASED.glob("schema-*/project.db"))


def test_every_schema_up_to_todays_is_here():
    assert {path.parent.name for path in FILES} == {f"schema-{n}" for n in range(1, migrations.SCHEMA_VERSION + 1)}


@pytest.mark.parametrize("released", FILES, ids=lambda path: path.parent.name)
def test_a_released_project_opens_with_its_contents(released, tmp_path):
    shutil.copyfile(released, tmp_path / "project.db")
    with Project.open(tmp_path) as project:
        assert project.guideline == "Shorter is better."
        assert project.db.conn.execute("PRAGMA user_version").fetchone() == (migrations.SCHEMA_VERSION,)
        assert project.db.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert prompts.count(project) == 5
        assert [p.title for p in prompts.all_prompts(project) if p.held_out] == ["你好吗？"]
        assert [p.title for p in prompts.without_group(project)] == ["Never answered"]
        assert [(p.name, p.round) for p in policies.all_policies(project)] == [("Starter", 0), ("Starter + Run 1", 1)]
        found = prompt_search.page(project, prompt_search.PromptFilter(text="HAIKU"))
        assert [prompts.get(project, one).title for one in found] == ["Write a haiku."]
        assert prompt_search.totals(project) == (5, 0)
        assert completions.count_unfinished(project) == 1
        counts = rankings.counts(project)
        assert (counts.ready, counts.rankings, counts.skips, counts.left) == (3, 1, 1, 1)
        ((group, ranking),) = rankings.labelled(project)
        assert rankings.ranks_of(group, ranking.ranks) == (2, 1, 2, None)
        assert (ranking.strength, ranking.note, ranking.seconds) == (2, "short", 3.5)
        assert ranking.presented == tuple(c.id for c in reversed(group.completions))
        last = group.completions[3]
        assert (last.text, last.token_ids, last.logp) == ("Answer 3 to Why is the sky blue?", (3, 2), -6.0)
        assert project.db.conn.execute("SELECT count(*) FROM rankings").fetchone() == (6,)
        (run,) = runs.all_runs(project)
        assert run.settings["method"] == "pl_dpo" and run.result_policy_id is not None
        rankings.undo(project)
        assert rankings.counts(project).left == 2


def test_two_who_open_an_older_project_at_once_both_get_it(tmp_path, monkeypatch):
    """As the window and a command do: each sees that something is missing before the other has added it."""
    shutil.copyfile(RELEASED / "schema-1" / "project.db", tmp_path / "project.db")
    both, kind = threading.Barrier(2), type(migrations.migrations)
    pending = kind.pending

    def slow(self, db):
        found = pending(self, db)
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return found

    def opened(_number: int) -> tuple[int, int]:
        with Project.open(tmp_path) as project:
            (version,) = project.db.conn.execute("PRAGMA user_version").fetchone()
            return version, rankings.counts(project, "nobody yet").left

    monkeypatch.setattr(kind, "pending", slow)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(opened, range(2))) == [(migrations.SCHEMA_VERSION, 3)] * 2

"""Two copies of a project become one: nothing lost, nothing twice, the other copy untouched."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpo_studio.cli import cli
from dpo_studio.cli_output import run
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, merging, policies, prompts, rankings

RELEASED = Path(__file__).parent / "released"


@pytest.fixture
def two(project, make_group, tmp_path):
    """A project of two groups, and the folder of a copy of it."""
    for number in range(2):
        make_group(project, f"Question {number}?")
    return project, _copy(project, tmp_path / "other")


def _copy(project, folder):
    folder.mkdir()
    with sqlite3.connect(folder / "project.db") as target:
        project.db.conn.backup(target)
    target.close()
    return folder


def _group(project, number=0):
    return completions.get_group(project, number + 1)


def _rank(project, ranks, number=0):
    return rankings.add(project, _group(project, number), ranks=ranks)


def _state(project):
    """Every row of every table but for facts, as text."""
    names = "policies prompts completions groups group_items rankings ranking_items prompt_tags".split()
    return {name: project.db.conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def _labels(project):
    """(uuid of the ranking, its kind, the texts' ranks) of every row, whoever made it."""
    found = set()
    for (ranking_id,) in project.db.conn.execute("SELECT id FROM rankings").fetchall():
        one = rankings.get(project, ranking_id)
        texts = {c.id: c.uuid for c in completions.get_group(project, one.group_id).completions}
        ranks = tuple(sorted((texts[c], rank) for c, rank in one.ranks.items()))
        found.add((one.uuid, one.kind, ranks))
    return found


def test_both_annotators_labels_stand_side_by_side(two):
    project, folder = two
    mine = _rank(project, [1, 2, 3, 4])
    with Project.open(folder) as other:
        its = _rank(other, [4, 3, 2, 1])
        _rank(other, [1, 1, 2, None], 1)
    done = merging.merge(project, folder, other_name="Ben")
    assert (done.rankings, done.groups, done.prompts, done.completions) == (2, 0, 0, 0)
    assert rankings.current(project, 1).id == mine.id
    ben = rankings.current(project, 1, "Ben")
    assert ben.uuid == its.uuid
    assert rankings.ranks_of(_group(project), ben.ranks) == (4, 3, 2, 1)
    assert [(g.id, r.annotator) for g, r in rankings.labelled(project)] == [(1, "me"), (1, "Ben"), (2, "Ben")]
    assert rankings.counts(project).left == 1
    assert rankings.counts(project, "Ben").left == 0


def test_two_of_one_name_are_asked_for_and_nothing_changes(two):
    project, folder = two
    _rank(project, [1, 2, 3, 4])
    with Project.open(folder) as other:
        _rank(other, [4, 3, 2, 1])
    before = _state(project)
    for no_name in ("", "   "):
        with pytest.raises(UserError, match="'me'") as said:
            merging.merge(project, folder, other_name=no_name)
        assert "--as NAME" in said.value.hint
        assert _state(project) == before
    merging.merge(project, folder, other_name="Ben")
    with Project.open(folder) as other, pytest.raises(UserError, match="'me'"):
        merging.merge(other, project.folder)


def test_a_copy_that_only_went_on_needs_no_name_and_keeps_its_chain(two, tmp_path):
    project, _ = two
    first = _rank(project, [1, 2, 3, 4])
    folder = _copy(project, tmp_path / "later")
    with Project.open(folder) as other:
        second = _rank(other, [2, 1, 3, 4])
        _rank(other, [1, 2, 2, 3], 1)
        rankings.undo(other)
        there = _state(other)
    assert merging.merge(project, folder).rankings == 3
    assert rankings.current(project, 1).uuid == second.uuid
    assert rankings.current(project, 1).supersedes == first.id
    assert rankings.current(project, 2) is None
    assert _state(project) == there
    assert rankings.undo(project).uuid == second.uuid
    assert rankings.current(project, 1).ranks == first.ranks


def test_new_rows_get_new_numbers_and_recipes_follow(two, make_group):
    project, folder = two
    policies.add(project, "only-here")
    make_group(project, "Only here?")
    with Project.open(folder) as other:
        policy = policies.add(other, "only-there")
        made = policies.add(other, "only-there", adapter="runs/1/adapter", parent_id=policy.id)
        prompt = prompts.add(other, [Message("user", "Only there?")], tags=["new"])
        recipe = [{"policy_id": made.id, "sampling": {}}, {"policy_id": policy.id, "sampling": {}}]
        group = completions.add_group(other, prompt.id, size=2, recipe=recipe)
        shown = [completions.add(other, group.id, text, policy_id=policy.id).id for text in ("x", "y")]
        repeat = completions.add_group(other, prompt.id, size=2)
        with other.transaction() as db:
            db.conn.execute("UPDATE groups SET repeat_of = ? WHERE id = ?", [group.id, repeat.id])
        rankings.add(other, completions.get_group(other, group.id), ranks=[2, 1], presented=shown[::-1])
    merging.merge(project, folder)
    here = completions.group_by_uuid(project, group.uuid)
    assert here.id != group.id
    assert here.prompt.tags == ("new",)
    assert [c.text for c in here.completions] == ["x", "y"]
    names = {one.id: (one.base, one.adapter) for one in policies.all_policies(project)}
    adapter = str(folder.resolve() / "runs/1/adapter")
    assert [names[entry["policy_id"]] for entry in here.recipe] == [("only-there", adapter), ("only-there", None)]
    assert completions.group_by_uuid(project, repeat.uuid).repeat_of == here.id
    one = rankings.current(project, here.id)
    assert [c.text for shown in one.presented for c in here.completions if c.id == shown] == ["y", "x"]


def test_what_either_holds_out_is_held_out_and_tags_are_joined(two):
    project, folder = two
    with Project.open(folder) as other:
        prompts.set_held_out(other, 1, True)
        with other.transaction() as db:
            db.conn.execute("UPDATE prompts SET tags = ? WHERE id = 2", [json.dumps(["theirs"])])
    with project.transaction() as db:
        db.conn.execute("UPDATE prompts SET held_out = 1, tags = ? WHERE id = 2", [json.dumps(["ours"])])
    assert merging.merge(project, folder).held_out == 1
    assert [(p.held_out, p.tags) for p in prompts.all_prompts(project)] == [(True, ()), (True, ("ours", "theirs"))]
    assert merging.merge(project, folder).held_out == 0


def test_answers_added_on_both_sides_are_all_kept(two):
    project, folder = two
    completions.add(project, 1, "mine")
    with Project.open(folder) as other:
        completions.add(other, 1, "theirs")
        _rank(other, [2, 2, 2, 2, 1])
    merging.merge(project, folder)
    group = _group(project)
    assert [c.text for c in group.completions] == ["a", "b", "c", "d", "mine", "theirs"]
    assert (group.size, group.ready) == (6, True)
    assert rankings.ranks_of(group, rankings.current(project, 1).ranks) == (2, 2, 2, 2, None, 1)


def test_a_group_that_the_other_finished_is_ready(project, make_group, tmp_path):
    prompt = prompts.add(project, [Message("user", "Half?")])
    completions.add(project, completions.add_group(project, prompt.id, size=3).id, "one")
    folder = _copy(project, tmp_path / "other")
    with Project.open(folder) as other:
        completions.add(other, 1, "two")
        completions.accept_as_is(other, 1)
    merging.merge(project, folder)
    assert [c.text for c in _group(project).completions] == ["one", "two"]
    assert (_group(project).size, rankings.counts(project).ready) == (2, 1)


def test_an_older_project_is_merged_and_left_as_it_is(project, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(RELEASED / "schema-1", folder)
    path = folder / "project.db"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    done = merging.merge(project, folder)
    assert (done.prompts, done.policies, done.groups, done.completions, done.rankings) == (5, 2, 4, 10, 6)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [one.name for one in folder.iterdir()] == ["project.db"]
    assert sum(r.kind == "ranking" for r in rankings.all_current(project)) == 1


def test_what_cannot_be_merged_is_refused(two, tmp_path):
    project, folder = two
    with pytest.raises(UserError, match="same project"):
        merging.merge(project, project.folder)
    with pytest.raises(UserError, match="not a DPO Studio project"):
        merging.merge(project, tmp_path)
    conn = sqlite3.connect(folder / "project.db")
    conn.execute("PRAGMA journal_mode = DELETE")
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    with pytest.raises(UserError, match="newer"):
        merging.merge(project, folder)


def test_the_command_merges_and_says_what(two, capfd):
    project, folder = two
    with Project.open(folder) as other:
        _rank(other, [4, 3, 2, 1])
    assert run(cli, ["merge", str(project.folder), str(folder), "--as", "Ben"]) == 0
    assert capfd.readouterr().out.startswith("Merged 1 judgement")
    assert run(cli, ["merge", str(project.folder), str(folder), "--as", "Ben", "--json"]) == 0
    assert set(json.loads(capfd.readouterr().out).values()) == {0}
    assert rankings.current(project, 1, "Ben") is not None


_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("rank"), st.integers(0, 1), st.permutations([1, 2, 3])),
        st.tuples(st.just("undo")),
        st.tuples(st.just("skip"), st.integers(0, 1)),
        st.tuples(st.just("answer"), st.integers(0, 1)),
    ),
    max_size=5,
)


def _act(project, acts):
    for what, *more in acts:
        if what == "undo":
            rankings.undo(project)
        elif what == "answer":
            completions.add(project, more[0] + 1, "own")
        elif what == "skip":
            rankings.add(project, _group(project, more[0]), kind="skip")
        else:
            group = _group(project, more[0])
            _rank(project, [*more[1], *[None] * (len(group.completions) - 3)], more[0])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shared=_ACTS, ours=_ACTS, theirs=_ACTS)
def test_any_two_copies_unite_whichever_takes_the_other(tmp_path_factory, shared, ours, theirs):
    at = tmp_path_factory.mktemp("merge")
    with Project.create(at / "a") as a:
        for number in range(2):
            prompt = prompts.add(a, [Message("user", f"Question {number}?")])
            group = completions.add_group(a, prompt.id, size=3)
            for text in "abc":
                completions.add(a, group.id, text)
        _act(a, shared)
        with Project.open(_copy(a, at / "b")) as b:
            _act(a, ours)
            _act(b, theirs)
            both = _labels(a) | _labels(b)
            stood = {(r.group_id, r.uuid) for r in rankings.all_current(a)}
            merging.merge(a, at / "b", other_name="Ben")
            assert _labels(a) == both
            assert stood <= {(r.group_id, r.uuid) for r in rankings.all_current(a)}
            once = _state(a)
            assert merging.merge(a, at / "b", other_name="Ben").rankings == 0
            assert _state(a) == once
            merging.merge(b, at / "a", other_name="Ann")
            assert _labels(b) == both

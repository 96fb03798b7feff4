"""Imports of rankings and pairs: shapes, the round trip of an export, all or nothing, never twice."""

from __future__ import annotations

import json

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.exchange import dataset, importing
from dpo_studio.store import Project, completions, prompts, rankings
from tests.exchange import labelled_project


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as opened:
        yield opened


def _file(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def _held(project):
    """Everything a ranking export is to bring along, by prompt and without any id."""
    return sorted(
        repr(
            (
                group.prompt.messages,
                group.prompt.held_out,
                [(c.text, c.finish_reason) for c in group.completions],
                rankings.ranks_of(group, ranking.ranks),
                (ranking.annotator, ranking.strength, ranking.note, ranking.flags, ranking.confidence),
            )
        )
        for group, ranking in rankings.labelled(project)
    )


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_an_export_of_rankings_imports_to_the_same_rankings(tmp_path, project, file_format):
    with labelled_project.make(tmp_path / "source", held_out=(1, 6)) as source:
        expected = _held(source)
        folder = dataset.write(source, dataset.plan(source, "ranking"), tmp_path / "out", file_format=file_format)
    assert importing.detect(folder) == "rankings"
    done = importing.judgements(project, folder, kind="rankings")
    assert (done.rankings, done.duplicates, done.prompts, done.groups) == (4, 0, 4, 4)
    assert len(expected) == 4 and _held(project) == expected


def test_importing_twice_changes_nothing(tmp_path, project):
    with labelled_project.make(tmp_path / "source") as source:
        folder = dataset.write(source, dataset.plan(source, "ranking"), tmp_path / "out")
    importing.judgements(project, folder, kind="rankings")
    before = (rankings.counts(project), rankings.all_current(project))
    done = importing.judgements(project, folder, kind="rankings")
    assert (done.rankings, done.duplicates, done.groups) == (0, 4, 0)
    assert (rankings.counts(project), rankings.all_current(project)) == before


def test_the_same_comparison_asked_twice_stays_two_groups(tmp_path, project):
    row = {"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2]}
    path = _file(tmp_path, {**row, "group": "first"}, {**row, "group": "second", "ranks": [2, 1]})
    for expected in (2, 0):
        done = importing.judgements(project, path, kind="rankings")
        assert (done.rankings, done.groups) == (expected, expected)
    assert sorted(tuple(r.ranks.values()) for r in rankings.all_current(project)) == [(1, 2), (2, 1)]


def test_ranks_follow_the_texts_when_the_completions_come_in_another_order(tmp_path, project):
    first = {"prompt": "Q?", "completions": ["a", "b", "c"], "ranks": [1, 2, 3]}
    again = {"prompt": "Q?", "completions": ["c", "a", "b"], "ranks": [1, 2, None], "annotator": "Ann"}
    importing.judgements(project, _file(tmp_path, first), kind="rankings")
    done = importing.judgements(project, _file(tmp_path, again), kind="rankings")
    (group,) = completions.recent_groups(project)
    assert done.groups == 0
    ranking = rankings.current(project, group.id, "Ann")
    assert {c.text: ranking.ranks[c.id] for c in group.completions} == {"a": 2, "b": None, "c": 1}


def test_a_group_is_named_by_its_uuid(tmp_path, project):
    prompt = prompts.add(project, [Message("user", "Q?")])
    group = completions.add_group(project, prompt.id, size=2)
    for text in "ab":
        completions.add(project, group.id, text)
    path = _file(tmp_path, {"group": group.uuid, "ranks": [2, 1], "note": "b is kinder"})
    importing.judgements(project, path, kind="rankings", annotator_kind="judge")
    ranking = rankings.current(project, group.id, "judge", annotator_kind="judge")
    assert (list(ranking.ranks.values()), ranking.annotator_kind, ranking.note) == ([2, 1], "judge", "b is kinder")
    assert rankings.counts(project).left == 1, "a judge's label is not the person's"
    with pytest.raises(UserError, match="no group nowhere"):
        importing.judgements(project, _file(tmp_path, {"group": "nowhere", "ranks": [1, 2]}), kind="rankings")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "not an object"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [0, 1]}, "never 0"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1]}, "needs 2 ranks"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [None, None]}, "at least one ranked"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 1.5]}, "not a rank"),
        ({"prompt": "Q?", "completions": ["a", "b"]}, "no ranks"),
        ({"prompt": "Q?", "completions": ["a"], "ranks": [1]}, "from 2 to 9"),
        ({"prompt": "Q?", "completions": ["a", " "], "ranks": [1, 2]}, "completion is empty"),
        ({"prompt": "", "completions": ["a", "b"], "ranks": [1, 2]}, "prompt is empty"),
        ({"prompt": [{"role": "robot", "content": "x"}], "completions": ["a", "b"], "ranks": [1, 2]}, "not a role"),
        ({"completions": ["a", "b"], "ranks": [1, 2]}, "no prompt"),
        ({"ranks": [1, 2]}, "neither completions nor a group"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2], "strength": 9}, "strength is 9"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2], "confidence": 0.3}, "confidence is 0.3"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2], "confidence": True}, "confidence is True"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2], "finish_reasons": ["stop"]}, "finish_reasons"),
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2], "finish_reasons": 3}, "finish_reasons"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_one_bad_row_and_nothing_is_imported(tmp_path, project, row, reason):
    good = {"prompt": "Good?", "completions": ["a", "b"], "ranks": [1, 2]}
    path = _file(tmp_path, good, row)
    with pytest.raises(importing.ImportRefused, match="1 of 2 rows") as caught:
        importing.judgements(project, path, kind="rankings")
    (refused,) = caught.value.refused
    assert refused.place == "line 2" and reason in refused.reason
    assert prompts.count(project) == 0 and rankings.counts(project).ready == 0
    done = importing.judgements(project, path, kind="rankings", skip_bad=True)
    assert (done.rankings, len(done.refused), prompts.count(project)) == (1, 1, 1)


def test_refused_rows_are_listed_in_the_order_of_the_file(tmp_path, project):
    good = {"prompt": "Good?", "completions": ["a", "b"], "ranks": [1, 2]}
    unknown = {"group": "nowhere", "ranks": [1]}
    path = _file(tmp_path, unknown, "{not json", good, {**good, "ranks": [0, 1]}, unknown)
    done = importing.judgements(project, path, kind="rankings", skip_bad=True)
    assert [one.place for one in done.refused] == ["line 1", "line 2", "line 4", "line 5"]


def test_half_a_surrogate_pair_is_replaced_and_known_again(tmp_path, project):
    """JSON can spell it, no file can hold it: an emoji that was cut in the middle."""
    row = {"prompt": "Q? \ud83d", "completions": ["a \ud83d", "b"], "ranks": [2, 1], "note": "cut \ude00"}
    path = _file(tmp_path, json.dumps(row))
    assert importing.judgements(project, path, kind="rankings").rankings == 1
    ((group, ranking),) = rankings.labelled(project)
    assert [c.text for c in group.completions] == ["a \ufffd", "b"]
    assert rankings.ranks_of(group, ranking.ranks) == (2, 1)
    again = importing.judgements(project, path, kind="rankings")
    assert (again.rankings, again.duplicates) == (0, 1)


def test_a_row_refused_only_by_the_project_takes_the_others_back(tmp_path, project):
    good = {"prompt": "Good?", "completions": ["a", "b"], "ranks": [1, 2]}
    with pytest.raises(importing.ImportRefused):
        importing.judgements(project, _file(tmp_path, good, {"group": "nowhere", "ranks": [1]}), kind="rankings")
    assert prompts.count(project) == 0 and completions.recent_groups(project) == []


def _pair(**columns):
    return {"prompt": "Q?", "chosen": "good", "rejected": "bad", **columns}


_USER, _GOOD, _BAD = (
    {"role": r, "content": c} for r, c in (("user", "Q?"), ("assistant", "good"), ("assistant", "bad"))
)


@pytest.mark.parametrize(
    "row",
    [
        _pair(),
        _pair(prompt=[_USER]),
        _pair(prompt=[_USER], chosen=[_GOOD], rejected=[_BAD]),
        _pair(chosen=[_USER, _GOOD], rejected=[_USER, _BAD]),
        _pair(prompt=None, chosen=[_USER, _GOOD], rejected=[_USER, _BAD]),
        _pair(prompt="", chosen=[_USER, _GOOD], rejected=[_USER, _BAD]),
        {"input": {"messages": [_USER]}, "preferred_output": [_GOOD], "non_preferred_output": [_BAD]},
        {"conversations": [{"from": "human", "value": "Q?"}], "chosen": _GOOD, "rejected": _BAD},
        _pair(prompt=None, chosen="\n\nHuman: Q?\n\nAssistant: good", rejected="\n\nHuman: Q?\n\nAssistant: bad"),
    ],
    ids=[
        "text",
        "prompt messages",
        "messages",
        "prompt repeated",
        "implicit",
        "blank",
        "OpenAI",
        "ShareGPT",
        "transcript",
    ],
)
def test_every_shape_of_a_pair_is_the_same_ranking(tmp_path, project, row):
    path = _file(tmp_path, row)
    assert importing.detect(path) == "pairs"
    importing.judgements(project, path, kind="pairs")
    ((group, ranking),) = rankings.labelled(project)
    assert group.prompt.messages == (Message("user", "Q?"),)
    assert [c.text for c in group.completions] == ["good", "bad"]
    assert rankings.ranks_of(group, ranking.ranks) == (1, 2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_pair(rejected="good"), "same text"),
        (_pair(prompt=None), "no prompt"),
        (_pair(chosen=[_USER], rejected=[_USER]), "does not end with an assistant"),
        (_pair(prompt=None, chosen=[_USER, _GOOD], rejected=[_BAD]), "different conversations"),
        (_pair(chosen=[{"role": "assistant", "content": None}]), "without a role and a text"),
        (_pair(chosen=""), "empty"),
    ],
)
def test_a_pair_that_cannot_be_one_is_refused_with_the_reason(tmp_path, project, row, reason):
    with pytest.raises(importing.ImportRefused) as caught:
        importing.judgements(project, _file(tmp_path, row), kind="pairs")
    assert reason in caught.value.refused[0].reason


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("absent.jsonl", None, "There is no file"),
        ("empty.jsonl", b"", "holds no rows"),
        ("latin.jsonl", '{"prompt": "é"}'.encode("latin-1"), "No column is the ranks"),
        ("broken.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("object.json", b"{}", "No column is the ranks"),
        ("table.xlsx", b"a,b", "a .xlsx file, which is not read"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path, project, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        importing.judgements(project, tmp_path / name, kind="rankings")

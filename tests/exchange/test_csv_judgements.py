"""Pairs, rankings and completions from the cells of a spreadsheet: as text, as JSON, in numbered columns, gathered."""

from __future__ import annotations

import csv
import json

import pytest

from dpo_studio.exchange import dataset, importing
from dpo_studio.store import Project, completions, rankings
from tests.exchange import labelled_project


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as opened:
        yield opened


def _csv(tmp_path, header, *rows):
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _ranked(project):
    """The rank of each answer, by prompt."""
    return {
        group.prompt.title: dict(
            zip([one.text for one in group.completions], rankings.ranks_of(group, ranking.ranks), strict=True)
        )
        for group, ranking in rankings.labelled(project)
    }


def _groups(project):
    return [sorted(one.text for one in group.completions) for group in reversed(completions.recent_groups(project))]


def test_pairs_as_text_and_as_messages_in_a_cell(tmp_path, project):
    turns = [{"role": "user", "content": "Two?"}, {"role": "assistant", "content": "yes"}]
    other = [turns[0], {"role": "assistant", "content": "no"}]
    path = _csv(
        tmp_path,
        ["prompt", "chosen", "rejected", "strength", "confidence", "flags", "annotator"],
        ["One?", "<b>good</b>", "<script>alert(1)</script>", "2", "0.75", "unsafe, odd", "Ann"],
        ["Two?", json.dumps(turns), json.dumps(other), "", "", "", "Ann"],
        ["Three?", "[1, 2]", "{not json", "", "", "", "Ann"],
    )
    assert importing.detect(path) == "pairs"
    assert importing.judgements(project, path, kind="pairs").rankings == 3
    assert _ranked(project) == {
        "One?": {"<b>good</b>": 1, "<script>alert(1)</script>": 2},
        "Two?": {"yes": 1, "no": 2},
        "Three?": {"[1, 2]": 1, "{not json": 2},
    }
    first = rankings.all_current(project)[0]
    assert (first.strength, first.confidence, first.flags, first.annotator) == (2, 0.75, ("unsafe", "odd"), "Ann")


def test_rankings_with_lists_in_cells(tmp_path, project):
    path = _csv(
        tmp_path,
        ["prompt", "completions", "ranks", "held_out"],
        ["One?", '["a", "b, c", "d"]', "[2, 1, null]", "true"],
        ["Two?", '["a", "b"]', "1, 1", "no"],
        ["Three?", "a, b", "1,2", ""],
        ["Four?", '["a", "b"]', "first", ""],
    )
    assert importing.detect(path) == "rankings"
    done = importing.judgements(project, path, kind="rankings", skip_bad=True)
    assert _ranked(project) == {"One?": {"a": 2, "b, c": 1, "d": None}, "Two?": {"a": 1, "b": 1}}
    assert [group.prompt.held_out for group, _ in rankings.labelled(project)] == [True, False]
    assert [one.place for one in done.refused] == ["line 4", "line 5"]
    assert all("as JSON" in one.reason for one in done.refused)


def test_rankings_in_numbered_columns(tmp_path, project):
    path = _csv(
        tmp_path,
        ["question", "Answer 1", "Answer 2", "Answer 3", "Rank 1", "Rank 2", "Rank 3"],
        ["One?", "a", "b", "c", "2", "1.0", "3"],
        ["Two?", "a", "", "c", "1", "", ""],
        ["Three?", "a", "b", "", "1", "2", "3"],
        ["Four?", "a", "b", "", "1", "best", ""],
    )
    assert importing.detect(path) == "rankings"
    done = importing.judgements(project, path, kind="rankings", skip_bad=True)
    assert _ranked(project) == {"One?": {"a": 2, "b": 1, "c": 3}, "Two?": {"a": 1, "c": None}}
    assert [(one.place, one.reason.split(".")[0]) for one in done.refused] == [
        ("line 4", "it ranks an answer that is empty"),
        ("line 5", "'best' is not a rank"),
    ]


def test_completions_without_a_judgement_wait_for_one(tmp_path, project):
    path = _csv(tmp_path, ["prompt", "response_a", "response_b"], ["One?", "a", "b"], ["One?", "b", "a"])
    assert importing.detect(path) == "completions"
    done = importing.judgements(project, path, kind="completions")
    assert (done.rankings, done.duplicates, _groups(project)) == (1, 1, [["a", "b"]])
    assert rankings.counts(project).left == 1
    again = importing.judgements(project, path, kind="completions")
    assert (again.rankings, again.duplicates) == (0, 2)


def test_one_completion_a_row_is_gathered_by_its_prompt(tmp_path, project):
    rows = [["Many?", f"answer {number:02}"] for number in range(11)]
    path = _csv(
        tmp_path,
        ["prompt", "answer"],
        ["One?", "a"],
        ["Two?", "c"],
        ["One?", "b"],
        ["One?", "a"],
        ["Alone?", "x"],
        *rows,
    )
    assert importing.detect(path) == "prompts", "a data set of examples is no comparison unless it is said"
    done = importing.judgements(project, path, kind="completions", said={"completion": "answer"}, skip_bad=True)
    assert _groups(project)[0] == ["a", "b"]
    assert [len(group) for group in _groups(project)[1:]] == [6, 5]
    assert done.duplicates == 1
    assert [one.place for one in done.refused] == ["line 3", "line 6"]


def test_an_export_written_to_a_spreadsheet_comes_back(tmp_path, project):
    with labelled_project.make(tmp_path / "source") as source:
        rows = [dict(row) for row in dataset.plan(source, "ranking").splits["train"]]
    packed = [[json.dumps(v) if isinstance(v, list) else v for v in row.values()] for row in rows]
    path = _csv(tmp_path, list(rows[0]), *packed)
    done = importing.judgements(project, path, kind=importing.detect(path))
    assert done.rankings == len(rows) and not done.refused
    back = [dict(row) for row in dataset.plan(project, "ranking").splits["train"]]
    strip = lambda row: {name: value for name, value in row.items() if name != "group"}  # noqa: E731
    assert [strip(row) for row in back] == [strip(row) for row in rows]

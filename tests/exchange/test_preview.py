"""What an import would do, said before it is done: shapes, counts, and a project left as it was."""

from __future__ import annotations

import hashlib
import json

import pytest

from dpo_studio.cli import cli
from dpo_studio.cli_output import run
from dpo_studio.core.types import Message
from dpo_studio.exchange import importing, preview, readers
from dpo_studio.store import Project, prompts

KEYS = {
    *("format", "formats", "source", "reader", "encoding", "blocks", "splits", "columns", "meanings", "choices"),
    *("cells", "rows", "total", "added", "prompts", "duplicates", "refused", "refused_count", "notes", "problem"),
    "hint",
}


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as opened:
        prompts.add(opened, [Message("user", "there")])
        yield opened


def _preview(project, tmp_path, text, name="rows.csv", **asked):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    answer = preview.preview(project, readers.open_source(path), **asked)
    assert set(answer) == KEYS
    return json.loads(json.dumps(answer))


def _dump(project):
    return hashlib.sha256("\n".join(project.db.conn.iterdump()).encode()).hexdigest()


def test_a_column_is_said_to_be_nothing(tmp_path, project, capsys):
    text = "Question,text,tags\nfirst,second,x\n"
    answer = _preview(
        project, tmp_path, text, said={"tags": "", "system": "Question", "prompt": "text", "messages": ""}
    )
    assert answer["meanings"] == {"system": "Question", "prompt": "text"} and answer["rows"][0]["tags"] == []
    answer = _preview(project, tmp_path, text, said={"messages": ""})
    assert answer["meanings"] == {"prompt": "Question", "tags": "tags"}
    answer = _preview(project, tmp_path, text, said={"prompt": ""})
    assert "No column is the prompt" in answer["problem"]
    source = str(tmp_path / "rows.csv")
    assert run(cli, ["import", "--column", "tags=", "--json", str(project.folder), source]) == 0
    assert json.loads(capsys.readouterr().out)["imported"] == 1
    assert prompts.all_prompts(project)[-1].tags == ()


def test_prompts_with_system_and_tags(tmp_path, project):
    before = _dump(project)
    text = 'id,Question,system,tags\n1,there,,\n2,"two\nlines",Be short.,"a,b"\n3,,,\n4,there,,x\n'
    answer = _preview(project, tmp_path, text, tags=["all"])
    assert (answer["format"], answer["reader"], answer["encoding"]) == ("prompts", "CSV", "UTF-8")
    assert answer["columns"] == ["id", "Question", "system", "tags"]
    assert answer["meanings"] == {"prompt": "Question", "system": "system", "tags": "tags"}
    assert answer["cells"][1] == ["2", "two\nlines", "Be short.", "a,b"]
    assert answer["rows"][1] == {
        "place": "line 3",
        "new": True,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "two\nlines"}],
        "tags": ["a", "b", "all"],
        "completions": [],
        "annotator": "",
    }
    assert [row["new"] for row in answer["rows"]] == [False, True, False]
    counts = [answer[name] for name in ("total", "added", "prompts", "duplicates", "refused_count")]
    assert counts == [4, 1, 1, 2, 1]
    assert answer["refused"] == [{"place": "line 5", "reason": "its prompt is empty"}]
    assert _dump(project) == before


def test_several_turns_and_an_answer_that_is_left_out(tmp_path, project):
    turns = [
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello"},
        {"from": "human", "value": "Who are you?"},
        {"from": "gpt", "value": "A model"},
    ]
    answer = _preview(project, tmp_path, json.dumps({"conversations": turns}), "rows.jsonl")
    assert [turn["role"] for turn in answer["rows"][0]["messages"]] == ["user", "assistant", "user"]
    assert answer["meanings"] == {"messages": "conversations"}
    assert any("left out" in note for note in answer["notes"])


def test_a_said_column_and_one_that_is_not_found(tmp_path, project):
    text = "id,ask\n1,Why?\n"
    lost = _preview(project, tmp_path, text)
    assert "No column is the prompt" in lost["problem"] and lost["hint"]
    assert (lost["columns"], lost["cells"], lost["added"]) == (["id", "ask"], [["1", "Why?"]], 0)
    assert "prompt" in lost["choices"]
    found = _preview(project, tmp_path, text, said={"prompt": "ask"})
    assert (found["problem"], found["added"], found["meanings"]) == ("", 1, {"prompt": "ask"})


@pytest.mark.parametrize("kind", ["pairs", "rankings", "completions"])
def test_what_was_judged_elsewhere_shows_its_answers_and_leaves_no_trace(tmp_path, project, kind):
    row = {
        "pairs": {"prompt": "Q?", "chosen": "good", "rejected": "bad", "annotator": "Ann"},
        "rankings": {"prompt": "Q?", "completions": ["bad", "good"], "ranks": [2, 1], "annotator": "Ann"},
        "completions": {"prompt": "Q?", "completions": ["good", "bad"]},
    }[kind]
    before = _dump(project)
    text = f"{json.dumps(row)}\n{json.dumps(row)}\n{json.dumps({**row, 'prompt': ''})}\n"
    answer = _preview(project, tmp_path, text, "rows.jsonl")
    assert answer["format"] == kind
    counts = [answer[name] for name in ("total", "added", "prompts", "duplicates", "refused_count")]
    assert counts == [3, 1, 1, 1, 1]
    ranks = {one["text"]: one["rank"] for one in answer["rows"][0]["completions"]}
    assert ranks == ({"good": None, "bad": None} if kind == "completions" else {"good": 1, "bad": 2})
    assert [row["new"] for row in answer["rows"]] == [True, False]
    assert _dump(project) == before
    with pytest.raises(importing.ImportRefused):
        importing.judgements(project, tmp_path / "rows.jsonl", kind=kind)
    done = importing.judgements(project, tmp_path / "rows.jsonl", kind=kind, skip_bad=True)
    assert (done.rankings, done.duplicates, done.prompts, len(done.refused)) == (1, 1, 1, 1)


def test_plain_text_has_no_columns(tmp_path, project):
    answer = _preview(project, tmp_path, "one\ntwo\n\nthree\n", "p.txt")
    assert (answer["blocks"], answer["columns"], answer["choices"], answer["added"]) == ("paragraphs", [], [], 2)
    assert answer["rows"][0]["messages"] == [{"role": "user", "content": "one\ntwo"}]


def test_the_command_answers_in_json_and_in_words(tmp_path, project, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("prompt\nthere\nnew\n" + "x" * 5000 + "\n", encoding="utf-8")
    project.close()
    arguments = ["import", str(project.folder), str(path), "--preview"]
    assert run(cli, [*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == KEYS and answer["added"] == 2
    cut = answer["rows"][2]["messages"][0]["content"]
    assert len(cut) == 4000 and cut.endswith("x…")
    assert run(cli, arguments) == 0
    said = capsys.readouterr().out
    assert "2 of 3 rows would be imported" in said and "line 2 (there already)" in said

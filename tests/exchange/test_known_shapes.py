"""Rows as the field's data sets hold them: each shape gives the prompt, the answers and the tags that stand in it."""

from __future__ import annotations

import json

import pyarrow
import pyarrow.parquet
import pytest

from dpo_studio.core.types import Message
from dpo_studio.exchange import importing, prompt_importing, prompt_tables, readers
from dpo_studio.exchange.columns import kind_of
from dpo_studio.store import Project, completions, prompts, rankings

TURNS = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}, {"role": "user", "content": "And?"}]
TALK = tuple(Message(turn["role"], turn["content"]) for turn in TURNS)
BRIEF = {"role": "system", "content": "Be brief."}


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as opened:
        yield opened


def _jsonl(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"messages": TURNS},
        {"prompt": TURNS},
        {"conversation": {"role": ["user", "assistant", "user"], "content": ["Q?", "A.", "And?"]}},
        {"input": {"messages": TURNS, "tools": []}},
        {"messages": [{"role": turn["role"].upper(), "content": turn["content"]} for turn in TURNS]},
        {"messages": [{"role": turn["role"], "content": [{"text": turn["content"]}]} for turn in TURNS]},
        {
            "conversations": [
                {"from": {"user": "human", "assistant": "gpt"}[t["role"]], "value": t["content"]} for t in TURNS
            ]
        },
        {"messages": json.dumps(TURNS)},
        {"prompt": "\n\nHuman: Q?\n\nAssistant: A.\n\nHuman: And?\n\nAssistant:"},
    ],
    ids=["messages", "prompt", "lists", "OpenAI", "capitals", "parts", "ShareGPT", "JSON in a text", "transcript"],
)
def test_a_conversation_is_the_same_however_it_is_written(tmp_path, row):
    (read,) = prompt_tables.read(_jsonl(tmp_path, row)).rows
    assert read == (TALK, ())


def test_lists_of_roles_and_texts_in_parquet(tmp_path):
    """As `datasets` stores a Sequence of structs."""
    kind = pyarrow.struct([("role", pyarrow.list_(pyarrow.string())), ("content", pyarrow.list_(pyarrow.string()))])
    values = {"role": ["user", "assistant", "user"], "content": ["Q?", "A.", "And?"]}
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"conversation": pyarrow.array([values], kind)}), path)
    assert prompt_tables.read(path).rows == [(TALK, ())]


def test_lists_of_different_lengths_are_refused(tmp_path):
    table = prompt_tables.read(_jsonl(tmp_path, {"messages": {"role": ["user"], "content": ["Q?", "A."]}}))
    assert table.rows == [] and "without a role and a text" in table.refused[0][1]


def test_cells_as_pandas_writes_them(tmp_path, project):
    """`DataFrame.to_csv` writes lists of dicts, and lists of texts, in Python's spelling."""
    import pandas

    answers = [[TURNS[0], {"role": "assistant", "content": text}] for text in ("it's good", 'a "bad" one')]
    pandas.DataFrame({"chosen": [answers[0]], "rejected": [answers[1]]}).to_csv(tmp_path / "pairs.csv")
    assert importing.judgements(project, tmp_path / "pairs.csv", kind="pairs").rankings == 1
    ((group, ranking),) = rankings.labelled(project)
    assert group.prompt.messages == (Message("user", "Q?"),)
    assert [one.text for one in group.completions] == ["it's good", 'a "bad" one']
    pandas.DataFrame({"messages": [TURNS]}).to_csv(tmp_path / "talks.csv", index=False)
    assert prompt_tables.read(tmp_path / "talks.csv").rows == [(TALK, ())]
    frame = pandas.DataFrame({"prompt": ["Which?"], "completions": [["a", "b"]], "ranks": [[2, None]]}, dtype=object)
    frame.to_csv(tmp_path / "ranked.csv", index=False)
    assert importing.judgements(project, tmp_path / "ranked.csv", kind="rankings").rankings == 1
    assert [tuple(one.ranks.values()) for one in rankings.all_current(project)][-1] == (1, None)


def test_an_instruction_brings_its_input(tmp_path, project):
    rows = [
        {"instruction": "Sum it up.", "input": "A long story.", "output": "Short."},
        {"instruction": "Greet me.", "input": "", "output": "Hello!"},
    ]
    done = prompt_importing.run(project, readers.open_source(_jsonl(tmp_path, *rows)), {})
    assert [one.title for one in prompts.all_prompts(project)] == ["Sum it up. A long story.", "Greet me."]
    assert done.columns.meant == {"prompt": "instruction", "input": "input"}
    pair = {"instruction": "Sum it up.", "context": "Another.", "chosen": "a", "rejected": "b"}
    importing.judgements(project, _jsonl(tmp_path, pair), kind="pairs")
    assert prompts.all_prompts(project)[-1].messages == (Message("user", "Sum it up.\n\nAnother."),)
    beside = {"prompt": "Whole?", "input": "of something else"}
    assert prompt_tables.read(_jsonl(tmp_path, beside)).rows == [((Message("user", "Whole?"),), ())]
    said = prompt_tables.read(_jsonl(tmp_path, beside), {"input": "input"})
    assert said.rows == [((Message("user", "Whole?\n\nof something else"),), ())]
    wrong = prompt_tables.read(_jsonl(tmp_path, {"instruction": TURNS, "input": "more"}))
    assert wrong.rows == [] and "input" in wrong.refused[0][1]


def test_the_same_system_prompt_in_both_places_is_one(tmp_path):
    rows = [{"messages": [BRIEF, TURNS[0]], "system": text} for text in (" Be brief.", "Be kind.")]
    table = prompt_tables.read(_jsonl(tmp_path, *rows))
    assert table.rows == [((Message("system", "Be brief."), Message("user", "Q?")), ())]
    assert [place for place, _ in table.refused] == ["line 2"]


@pytest.mark.parametrize(
    "answers",
    [
        {"completions": ["a", "b"]},
        {"answer_1": "a", "answer_2": "b"},
        {"chosen": "a", "rejected": "b"},
        {"completions": ["a", "b"], "ranks": [1, 2]},
    ],
    ids=["completions", "numbered", "pairs", "rankings"],
)
@pytest.mark.parametrize("tags", ["x, y", ["x", "y"]])
def test_tags_come_along_with_answers(tmp_path, project, answers, tags):
    path = _jsonl(tmp_path, {"prompt": "Q?", "tags": tags, **answers})
    importing.judgements(project, path, kind=kind_of(readers.open_source(path), {}))
    assert [one.tags for one in prompts.all_prompts(project)] == [("x", "y")]
    held = project.db.conn.execute("SELECT tag FROM prompt_tags ORDER BY tag").fetchall()
    assert [row[0] for row in held] == ["x", "y"]


def test_tags_of_answers_that_are_gathered(tmp_path, project):
    rows = [
        {"prompt": "Q?", "answer": text, "tag": tag} for text, tag in (("a", "x"), ("b", 7), ("b", ["y", float("nan")]))
    ]
    said = {"completion": "answer"}
    importing.judgements(project, _jsonl(tmp_path, *rows), kind="completions", said=said)
    assert [one.tags for one in prompts.all_prompts(project)] == [("x", "7", "y")]


def test_answers_that_are_numbered_from_zero(tmp_path, project):
    path = _jsonl(tmp_path, {"prompt": "Q?", "response_0": "a", "response_1": "b", "response_0_source": "m"})
    assert kind_of(readers.open_source(path), {}) == "completions"
    importing.judgements(project, path, kind="completions")
    (group,) = completions.recent_groups(project)
    assert [one.text for one in group.completions] == ["a", "b"]


def test_a_completion_of_several_turns_is_refused_and_not_cut(tmp_path, project):
    answer = {"role": "assistant", "content": "A."}
    other = {"role": "assistant", "content": "B."}
    whole = {"prompt": [TURNS[0]], "completions": [[answer], [TURNS[0], other]]}
    cut = {"prompt": [TURNS[0]], "completions": [[answer], [answer, TURNS[2], other]]}
    done = importing.judgements(project, _jsonl(tmp_path, whole, cut), kind="completions", skip_bad=True)
    assert done.groups == 1 and "one message of the assistant" in done.refused[0].reason
    (group,) = completions.recent_groups(project)
    assert [one.text for one in group.completions] == ["A.", "B."]


@pytest.mark.parametrize("indent", [None, 1])
def test_rows_inside_one_object_are_read(tmp_path, project, indent):
    path = tmp_path / "rows.json"
    rows = [{"prompt": "Q?", "chosen": "a", "rejected": "b"}, {"prompt": "R?", "chosen": "a", "rejected": ""}]
    path.write_text(json.dumps({"version": "1", "data": rows}, indent=indent), encoding="utf-8")
    source = readers.open_source(path)
    assert kind_of(source, {}) == "pairs"
    done = importing.judgements(project, source, kind="pairs", skip_bad=True)
    assert (done.rankings, [one.place for one in done.refused]) == (1, ["row 2"])
    assert done.notes == ["Its rows stand under 'data'."]


@pytest.mark.parametrize("row", [{"messages": TURNS}, {"prompt": "Q?", "sources": [{"url": "x"}]}, {"chosen": TURNS}])
def test_one_row_that_holds_a_list_stays_one_row(tmp_path, row):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(row), encoding="utf-8")
    assert [found.values for found in readers.open_source(path).rows()] == [row]

"""Prompts from CSV, TSV, JSONL and Parquet: columns guessed and said, broken files, all or nothing."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.exchange import importing, prompt_tables
from dpo_studio.store import Project, prompt_import, prompts, rankings


def _file(tmp_path, text, name="rows.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_columns_are_guessed_and_cells_kept_as_they_are(tmp_path, encoding):
    text = 'id,Question,system,tags\r\n1,"Why, ""é""?\r\nSay <script>x</script>","Be short.","a, b,a"\r\n2,Hi,,\r\n'
    table = prompt_tables.read(_file(tmp_path, text, encoding=encoding))
    assert table.columns == {"prompt": "Question", "system": "system", "tags": "tags"}
    asked = Message("user", 'Why, "é"?\r\nSay <script>x</script>')
    assert table.rows == [((Message("system", "Be short."), asked), ("a", "b")), ((Message("user", "Hi"),), ())]


def test_a_said_column_holds_over_the_guess(tmp_path):
    path = _file(tmp_path, "prompt\tnote\nA\tB\n", "rows.tsv")
    assert prompt_tables.read(path, {"prompt": "note"}).rows == [((Message("user", "B"),), ())]


def test_messages_in_parquet_and_as_json_in_a_cell(tmp_path):
    import pyarrow
    import pyarrow.parquet

    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"messages": [turns], "tags": [["x"]]}), path)
    table = prompt_tables.read(path)
    assert table.rows == [((Message("user", "Q"),), ("x",))] and table.answers_left_out == 1
    cell = '[{""role"": ""user"", ""content"": ""Q""}]'
    assert prompt_tables.read(_file(tmp_path, f'messages\n"{cell}"\n')).rows == [((Message("user", "Q"),), ())]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('prompt\nfine\n"never closed\nmore\n', "line 3"),
        ("", "no header"),
        ("prompt,prompt\na,b\n", "twice"),
        ("answer,id\na,1\n", "The columns are: answer, id"),
        ("How do I bake?\nWhy?\n", "first line was taken for the names"),
        ("prompt\n", "no rows"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        prompt_tables.read(_file(tmp_path, text))


def test_bad_rows_are_listed_with_their_lines(tmp_path):
    table = prompt_tables.read(_file(tmp_path, "prompt,tags\ngood,\na,b,c\n ,x\nn\x00l,\n" + "x" * 1_000_001 + ",\n"))
    assert [row[0][0].content for row in table.rows] == ["good"]
    assert [place for place, _ in table.refused] == ["line 3", "line 4", "line 5", "line 6"]


def test_pairs_are_read_from_csv(tmp_path):
    path = _file(tmp_path, "prompt,chosen,rejected\nQ?,good,bad\n")
    assert importing.detect(path) == "pairs"
    with Project.create(tmp_path / "project") as project:
        assert importing.judgements(project, path, kind="pairs").rankings == 1
        [(group, ranking)] = rankings.labelled(project)
        by_text = dict(zip([c.text for c in group.completions], rankings.ranks_of(group, ranking.ranks), strict=True))
        assert by_text["good"] < by_text["bad"]


def test_adding_counts_what_is_new_and_a_bad_one_adds_none(tmp_path):
    with Project.create(tmp_path / "project") as project:
        first = [((Message("user", text),), ("t",)) for text in "aab"]
        assert prompt_import.add(project, first, source="s") == 2
        assert [(p.tags, p.source) for p in prompts.all_prompts(project)] == [(("t",), "s")] * 2
        looked_up = project.db.conn.execute("SELECT count(*) FROM prompt_tags WHERE tag = 't'").fetchone()[0]
        assert looked_up == 2
        with pytest.raises(UserError):
            prompt_import.add(project, [((Message("user", "new"),), ()), ((Message("user", " "),), ())])
        assert prompts.count(project) == 2


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet"]), st.booleans())
def test_any_bytes_are_read_or_refused_in_words(raw, suffix, headed):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{suffix}"
        path.write_bytes(b"prompt,tags\n" + raw if headed else raw)
        try:
            table = prompt_tables.read(path)
        except UserError:
            return
        for conversation, _ in table.rows:
            prompts.check(conversation)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1))
def test_what_the_csv_library_writes_is_read_back(texts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["prompt"], *[[text] for text in texts]])
        table = prompt_tables.read(path)
        assert [row[0][0].content for row in table.rows] == [text for text in texts if text.strip()]
        assert len(table.refused) == sum(not text.strip() for text in texts)

"""Files that are broken, huge, or in another encoding: said in words with their lines, and nothing by halves."""

from __future__ import annotations

import gzip
import json
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_studio.cli import cli
from dpo_studio.cli_output import run
from dpo_studio.core.errors import UserError
from dpo_studio.exchange import encodings, files, importing, preview, prompt_importing, readers
from dpo_studio.exchange.refusals import ImportRefused
from dpo_studio.store import Project, completions, prompts

FRENCH = "prompt\nOù est la bibliothèque près de l'école ?\nÀ bientôt et c'est déjà l'été\nÇa va très bien même ici\n"
RUSSIAN = "prompt\nРасскажи мне короткую историю о большой собаке\nСколько будет два плюс два и почему\n"
JAPANESE = "prompt\n東京の天気について教えてください。\nこれは日本語の文章です。短くまとめてください。\n"


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (FRENCH, "utf-8", "UTF-8"),
        (FRENCH, "utf-8-sig", "UTF-8"),
        (FRENCH, "utf-16", "UTF-16"),
        (FRENCH, "utf-16-le", "UTF-16"),
        (FRENCH, "utf-16-be", "UTF-16"),
        (FRENCH, "utf-32", "UTF-32"),
        (FRENCH, "cp1252", "Windows-1252"),
        (FRENCH, "latin-1", "Windows-1252"),
        ("prompt\n“Smart” quotes — and a dash… costs 5 €\n", "cp1252", "Windows-1252"),
        ("prompt\ncafé\n", "latin-1", "Windows-1252"),
        (RUSSIAN, "cp1251", "Windows-1251"),
        (JAPANESE, "cp932", "Shift JIS"),
    ],
)
def test_the_encoding_is_found_and_said(tmp_path, text, codec, name):
    path = tmp_path / "p.csv"
    path.write_bytes(text.encode(codec))
    source = readers.open_source(path)
    assert [row.values["prompt"] for row in source.rows()] == text.splitlines()[1:]
    assert source.encoding == name
    assert bool(source.notes) == (name != "UTF-8")
    said = readers.open_source(path, readers.Asked(encoding=codec))
    assert [row.values["prompt"] for row in said.rows()] == text.splitlines()[1:]


def test_an_encoding_that_is_not_one_or_not_the_right_one(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes("prompt\nété\n".encode("cp1252"))
    with pytest.raises(UserError, match="no encoding called 'nonsense'"):
        readers.open_source(path, readers.Asked(encoding="nonsense"))
    with pytest.raises(UserError, match="--encoding"):
        list(readers.open_source(path, readers.Asked(encoding="ascii")).rows())


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.txt"])
def test_bytes_that_are_not_utf_8_among_many_that_are_cost_their_line(tmp_path, project, name):
    lines = ["été à l'école", "déjà vu", "bad", "très bien", "naïve"]
    texts = [json.dumps(line, ensure_ascii=False) if name.endswith("l") else line for line in lines]
    body = "\n".join(["prompt", *texts] if name.endswith("v") else texts).encode()
    (tmp_path / name).write_bytes(body.replace(b"bad", b"b\xe9d"))
    source = readers.open_source(tmp_path / name)
    with pytest.raises(ImportRefused, match="1 of 5 rows"):
        prompt_importing.run(project, source, {})
    done = prompt_importing.run(project, source, {}, skip_bad=True)
    assert (done.added, [one.place for one in done.refused]) == (4, [f"line {4 if name.endswith('v') else 3}"])
    assert "not UTF-8" in done.refused[0].reason


def test_lines_of_two_encodings_are_not_guessed_at(tmp_path, project):
    """Two programs wrote to one file: what is UTF-8 is read as that, the others are named."""
    lines = ["Was heißt schön?", "Grüße aus Köln", "naïve", "Viele Grüße"]
    codecs = ["utf-8", "cp1252", "utf-8", "cp1252"]
    body = b"\n".join(line.encode(codec) for line, codec in zip(lines, codecs, strict=True))
    (tmp_path / "p.txt").write_bytes(body)
    source = readers.open_source(tmp_path / "p.txt")
    done = prompt_importing.run(project, source, {}, skip_bad=True)
    assert (done.added, [one.place for one in done.refused]) == (2, ["line 2", "line 4"])
    assert {prompt.title for prompt in prompts.all_prompts(project)} == {lines[0], lines[2]}


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (
            "他们说这座桥建于一八六四年，很长，但是不宽。请问怎样修理自行车轮胎？春天的时候人们种树。我们学习历史。",
            "gb18030",
        ),
        ("他們說這座橋建於一八六四年，很長，但是不寬。請問怎樣修理自行車輪胎？春天的時候人們種樹。", "big5"),
        ("この橋は一八六四年に建てられました。とても長いですが、広くはありません。", "euc_jp"),
        ("이 다리는 천팔백육십사 년에 지어졌습니다. 매우 길지만 넓지는 않습니다.", "cp949"),
        ("Этот мост построили в тысяча восемьсот шестьдесят четвёртом году, он очень длинный.", "koi8_r"),
    ],
)
def test_older_encodings_look_like_utf_8_by_chance_alone(tmp_path, text, codec):
    lines = [text[begin : begin + 7] for begin in range(0, len(text), 7)]
    (tmp_path / "p.txt").write_bytes("\n".join(lines).encode(codec))
    assert not encodings.find(lambda: (tmp_path / "p.txt").open("rb")).damaged


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.txt", "p.jsonl.gz"])
def test_a_line_that_is_too_long_is_passed_over_not_held(tmp_path, project, name, monkeypatch):
    """The same with 2 million characters for 16, so that the test is quick; the line is twenty times as long."""
    monkeypatch.setattr(files, "LONGEST_LINE", 2_000_000)
    opened = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "wb") as file:
        file.write(b"prompt\n" if "csv" in name else b"")
        file.write(b'"one"\n')
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b'\n"two"\n')
    tracemalloc.start()
    source = readers.open_source(tmp_path / name)
    done = prompt_importing.run(project, source, {}, skip_bad=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.added == 2
    assert [(one.place, one.reason) for one in done.refused] == [
        (f"line {3 if 'csv' in name else 2}", f"it {files.TOO_LONG}")
    ]
    assert peak < 25_000_000
    assert files.TOO_LONG == "is longer than 16 million characters"


def test_a_quote_that_is_not_closed_imports_nothing(tmp_path, project):
    path = tmp_path / "p.csv"
    path.write_text("prompt\n" + "good\n" * 3 + '"never closed\n' + "more\n" * 2000)
    with pytest.raises(UserError, match="line 5"):
        prompt_importing.run(project, readers.open_source(path), {}, skip_bad=True)
    assert prompts.count(project) == 0
    path.write_text('prompt,tags\n"said "hi" twice",a\nfine,b\n')
    with pytest.raises(UserError, match="line 2"):
        prompt_importing.run(project, readers.open_source(path), {}, skip_bad=True)


def test_cells_apart_by_semicolons_and_the_line_that_says_so(tmp_path):
    path = tmp_path / "p.csv"
    for text in ("prompt;tags\na,b;x\n", "sep=;\nprompt;tags\na,b;x\n", "prompt|tags\na,b|x\n"):
        path.write_text(text)
        (row,) = readers.open_source(path).rows()
        assert row.values == {"prompt": "a,b", "tags": "x"}
        assert row.place == f"line {len(text.splitlines())}"


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        (["user", "system", "user"], "turn 2 is a system turn"),
        (["assistant", "user"], "begins with the assistant"),
        (["system", "assistant", "user"], "begins with the assistant"),
        (["user", "user"], "turns 1 and 2 are both the user's"),
        (["user", "assistant", "assistant", "user"], "turns 2 and 3 are both the assistant's"),
        (["system"], "ends with the system"),
        (["user", "robot"], "the role 'robot'"),
    ],
)
def test_turns_out_of_order_are_refused(tmp_path, project, turns, reason):
    rows = [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(turns)]
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"messages": rows}) + "\n")
    with pytest.raises(ImportRefused) as caught:
        prompt_importing.run(project, readers.open_source(path), {})
    assert reason in caught.value.refused[0].reason
    pair = {"prompt": rows, "chosen": "a", "rejected": "b"}
    path.write_text(json.dumps(pair) + "\n")
    with pytest.raises(ImportRefused):
        importing.judgements(project, path, kind="pairs")
    assert prompts.count(project) == 0


BASE = {"prompt": "Q?", "completions": ["a", "b"], "ranks": [1, 2]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (json.dumps({**BASE, "ranks": [10**400, 1]}), None),
        ('{"prompt": "Q?", "completions": ["a", "b"], "ranks": [1e999, 1]}', "not a rank"),
        ('{"prompt": "Q?", "completions": ["a", "b"], "ranks": [NaN, 1]}', "not a rank"),
        ('{"prompt": "Q?", "completions": ["a", "b"], "ranks": [' + "9" * 5000 + ", 1]}", "thousands of digits"),
        (json.dumps({**BASE, "strength": 10**30}), "strength is 1"),
        (json.dumps({**BASE, "confidence": 1e308}), "confidence is 1e"),
        (json.dumps({**BASE, "completions": ["a\0", "b"]}), "NUL"),
        (json.dumps({**BASE, "prompt": "\0"}), "NUL"),
        ('{"prompt": ' + "[" * 5000 + "]" * 5000 + "}", "nested too deeply"),
        (json.dumps({**BASE, "completions": ["", "b"]}), "completion is empty"),
        (json.dumps({**BASE, "completions": [{"a": 1}, "b"]}), "not text"),
        (json.dumps({**BASE, "annotator": ["a"]}), "not text"),
        (json.dumps({**BASE, "completions": {"a": 1}}), "not a list"),
    ],
)
def test_odd_values_cost_their_row(tmp_path, project, line, reason):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({**BASE, "prompt": "Good?"}) + "\n" + line + "\n")
    done = importing.judgements(project, path, kind="rankings", skip_bad=True)
    if reason is None:
        assert done.rankings == 2
    else:
        assert done.rankings == 1 and done.refused[0].place == "line 2" and reason in done.refused[0].reason


def test_groups_that_are_called_alike_but_differ(tmp_path, project):
    """A uuid names one group: what says otherwise is refused, and one that another project used is no matter."""
    rows = [
        {**BASE, "group": "same"},
        {**BASE, "group": "same", "completions": ["b", "a"], "annotator": "Ann"},
        {**BASE, "group": "same", "completions": ["b", "c"]},
        {**BASE, "group": "same", "prompt": "Another?"},
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = importing.judgements(project, path, kind="rankings", skip_bad=True)
    assert (done.rankings, done.groups) == (2, 1)
    assert [(one.place, "with other answers" in one.reason) for one in done.refused] == [
        ("line 3", True),
        ("line 4", True),
    ]
    (group,) = completions.recent_groups(project)
    path.write_text(json.dumps({**BASE, "group": group.uuid, "prompt": "Third?"}))
    assert importing.judgements(project, path, kind="rankings").groups == 1
    assert len({one.uuid for one in completions.recent_groups(project)}) == 2


def test_all_refused_rows_are_in_the_answer_and_twenty_on_the_screen(tmp_path, project, capsys):
    path = tmp_path / "p.csv"
    path.write_text("prompt,tags\ngood,\n" + "a,b,c\n" * 30)
    project.close()
    arguments = ["import", str(project.folder), str(path)]
    assert run(cli, arguments) == 2
    err = capsys.readouterr().err
    assert "line 3: it has 3 cells" in err and "And 10 more." in err and "30 of 31 rows" in err
    assert run(cli, [*arguments, "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["refused"]) == 30
    assert run(cli, [*arguments, "--skip-bad"]) == 0
    out = capsys.readouterr().out
    assert "Imported 1 prompt." in out and "And 10 more." in out


def test_a_file_that_breaks_off_leaves_nothing_behind(tmp_path, project):
    whole = gzip.compress(("prompt\n" + "".join(f"question {n} {n * 7919}\n" for n in range(3000))).encode())
    path = tmp_path / "p.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="is damaged"):
        prompt_importing.run(project, readers.open_source(path), {}, skip_bad=True)
    assert prompts.count(project) == 0 and not project.fact("prompts_in_bulk")


def _state(project):
    tables = ("prompts", "groups", "completions", "rankings", "prompts_text", "prompt_tags", "facts")
    return [project.db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


STARTS = [
    b"",
    b"prompt,chosen,rejected\n",
    b"prompt,completions,ranks\nQ?,",
    b'{"prompt": "Q?", "chosen": ',
    b'{"prompt": "Q?", "completions": ["a", "b"], "ranks": ',
    b'[{"messages": [{"role": "user", "content": "',
    b"\xff\xfe",
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(STARTS),
    st.one_of(
        st.binary(max_size=120),
        st.text(st.sampled_from('[]{}",:\n\\ud8a1e9-. \t;\x00é'), max_size=120).map(lambda text: text.encode()),
    ),
    st.sampled_from(["txt", "csv", "tsv", "jsonl", "json", "parquet", "arrow", "csv.gz"]),
    st.sampled_from(["prompts", "pairs", "rankings", "completions"]),
    st.booleans(),
)
def test_whatever_bytes_there_are_it_is_all_or_nothing_and_in_words(shared, start, rest, suffix, kind, skip_bad):
    path = Path(tempfile.gettempdir()) / f"fuzz-{id(shared)}.{suffix}"
    path.write_bytes(gzip.compress(start + rest) if suffix.endswith("gz") else start + rest)
    before = _state(shared)
    try:
        source = readers.open_source(path)
        said = preview.preview(shared, source, kind=kind)
        assert _state(shared) == before
        if kind == "prompts":
            done = prompt_importing.run(shared, source, {}, skip_bad=skip_bad)
            assert said["added"] == done.added
        else:
            taken = importing.judgements(shared, source, kind=kind, skip_bad=skip_bad)
            assert (said["added"], said["prompts"]) == (taken.rankings, taken.prompts)
    except UserError as error:
        assert str(error)
        assert _state(shared) == before
    finally:
        path.unlink()
    for prompt in prompts.all_prompts(shared):
        prompts.check(prompt.messages)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Project.create(tmp_path_factory.mktemp("fuzz") / "project") as opened:
        opened.db.conn.execute("PRAGMA synchronous = OFF")
        yield opened


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_parquet_file_is_words_too(damaged, data):
    project, whole, path = damaged
    at = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.binary(min_size=1, max_size=4))
    path.write_bytes(whole[:at] + change + whole[at + len(change) :])
    before = _state(project)
    try:
        preview.preview(project, readers.open_source(path))
    except UserError as error:
        assert str(error)
    assert _state(project) == before


@pytest.fixture(scope="module", params=["parquet", "arrow"])
def damaged(request, tmp_path_factory):
    import pyarrow
    import pyarrow.parquet

    folder = tmp_path_factory.mktemp("damaged")
    path = folder / f"p.{request.param}"
    turns = [[{"role": "user", "content": f"Question {n}?"}] for n in range(20)]
    table = pyarrow.table({"messages": turns, "tags": [["a", "b"]] * 20})
    if request.param == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    with Project.create(folder / "project") as project:
        yield project, path.read_bytes(), path

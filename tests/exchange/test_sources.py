"""Every kind of source gives the same rows: text, JSON, CSV, Parquet, Arrow, packed, in folders, as saved data sets."""

from __future__ import annotations

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.exchange import json_rows, preview, readers
from dpo_studio.store import Project, prompts

ROWS = [{"prompt": f"Question {number}?", "tags": "a,b"} for number in range(3)]


def _write(folder, name):
    """The rows in a file of this name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = name.removesuffix(".gz").split(".")[-1]
    table = pyarrow.Table.from_pylist(ROWS)
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif kind == "arrow":
        with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        text = {
            "jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
            "json": json.dumps(ROWS, indent=1),
            "csv": "prompt,tags\n" + "".join(f'{row["prompt"]},"{row["tags"]}"\n' for row in ROWS),
            "tsv": "prompt\ttags\n" + "".join(f"{row['prompt']}\t{row['tags']}\n" for row in ROWS),
            "txt": "".join(f"{row['prompt']}\n" for row in ROWS),
        }[kind]
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def _asked(source):
    return [row.values["prompt"] for row in source.rows()]


EXPECTED = [row["prompt"] for row in ROWS]
NAMES = ["p.jsonl", "p.json", "p.csv", "p.tsv", "p.txt", "p.parquet", "p.arrow", "P.JSONL.gz", "p.csv.gz", "p.txt.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_of_file_gives_the_same_prompts(tmp_path, name):
    source = readers.open_source(_write(tmp_path, name.lower()).rename(tmp_path / name))
    assert _asked(source) == EXPECTED == _asked(source), "a source is read again from its start"


def test_a_folder_is_its_files_in_order_without_what_is_about_them(tmp_path):
    for name in ("b/train.csv", "a/train.jsonl", ".cache/p.jsonl", "a/test.jsonl"):
        _write(tmp_path, name)
    (tmp_path / "dataset_infos.json").write_text("{}")
    source = readers.open_source(tmp_path)
    assert [row.place for row in source.rows()][::3] == [
        "a/test.jsonl, line 1",
        "a/train.jsonl, line 1",
        "b/train.csv, line 2",
    ]
    assert source.reader == "folder of JSON lines and CSV"
    assert [row.place for row in readers.open_source(tmp_path / "a", readers.Asked(split="train")).rows()][
        0
    ] == "line 1"
    with pytest.raises(UserError, match="no file of a split 'dev'"):
        readers.open_source(tmp_path, readers.Asked(split="dev"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no JSON"):
        readers.open_source(tmp_path / "empty")


def test_what_the_datasets_library_saves_is_read_without_it(tmp_path):
    from datasets import Dataset, DatasetDict

    data = Dataset.from_list([{**row, "vector": [0.5]} for row in ROWS])
    data.save_to_disk(tmp_path / "one", num_shards=2)
    source = readers.open_source(tmp_path / "one")
    assert _asked(source) == EXPECTED and source.reader == "Hugging Face data set"
    assert source.notes == ["Columns that hold no text were not read: vector."]
    DatasetDict(test=data.select([0]), train=data).save_to_disk(tmp_path / "two")
    source = readers.open_source(tmp_path / "two")
    assert (_asked(source), source.splits) == (EXPECTED, ["test", "train"])
    assert source.notes[0] == "It has the splits test, train; train is read (in a terminal: --split says which)."
    assert _asked(readers.open_source(tmp_path / "two", readers.Asked(split="test"))) == EXPECTED[:1]
    with pytest.raises(UserError, match="The splits are: test, train"):
        readers.open_source(tmp_path / "two", readers.Asked(split="dev"))
    (tmp_path / "one" / "state.json").write_text("[")
    with pytest.raises(UserError, match="not a whole data set"):
        readers.open_source(tmp_path / "one")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('"a"\n"b"\n', ["a", "b"]),
        ('[{"role": "user", "content": "a"}]\n["x"]\n', [[{"role": "user", "content": "a"}], ["x"]]),
        ('[\n "a",\n {"prompt": "b"}\n]', ["a", {"prompt": "b"}]),
        ('  ["a","b"]  ', ["a", "b"]),
        ("[]", []),
        ('{\n "prompt": "a"\n}\n', [{"prompt": "a"}]),
        ('{"prompt": "a"}', [{"prompt": "a"}]),
        ('\n\n{"prompt": "a"}\n\n{"prompt": "b"}', [{"prompt": "a"}, {"prompt": "b"}]),
        ("[12, 34 ,\n56]", [12, 34, 56]),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_json_of_every_layout(tmp_path, monkeypatch, text, values, chunk):
    monkeypatch.setattr(json_rows, "_CHUNK", chunk)
    (tmp_path / "p.json").write_text(text, encoding="utf-8")
    source = readers.open_source(tmp_path / "p.json")
    assert [row.bare if row.values is None else row.values for row in source.rows()] == [
        value if isinstance(value, str | list | dict) else None for value in values
    ]


@pytest.mark.parametrize(
    "text", ['["a", "b"', '["a" "b"]', '["a",]', '["a"] x', "[,]", '{"a": \n', '["a",\n{"b":\n', "[\n\n"]
)
def test_json_that_breaks_off_is_refused_whole(tmp_path, text):
    (tmp_path / "p.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="is not JSON"):
        list(readers.open_source(tmp_path / "p.json").rows())


def test_columns_of_pictures_and_bytes_are_left_out(tmp_path):
    table = pyarrow.table(
        {
            "prompt": pyarrow.array(["a", None, "c"]).dictionary_encode(),
            "image": pyarrow.array([b"x", b"y", b"z"]),
            "score": [1.5, 2.5, None],
            "messages": pyarrow.array([[], [], []], pyarrow.list_(pyarrow.struct([("role", pyarrow.string())]))),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "p.parquet")
    with Project.create(tmp_path / "project") as project:
        answer = preview.preview(project, readers.open_source(tmp_path / "p.parquet"))
        assert (answer["columns"], answer["added"]) == (["prompt", "score", "messages"], 2)
        assert answer["refused"] == [{"place": "row 2", "reason": "its prompt is empty"}]
        assert prompts.count(project) == 0


def test_what_is_not_there_or_not_known_says_so(tmp_path):
    for given, said in (
        (tmp_path / "p.csv", "no file"),
        (tmp_path / "p.parquet", "no file"),
        ("folder/p.csv", "no file"),
        ("./p", "no file"),
    ):
        with pytest.raises(UserError, match=said):
            readers.open_source(given)
    with pytest.raises(UserError, match="owner/name"):
        readers.open_source("squad")
    (tmp_path / "p.jsonl.zst").write_bytes(b"(\xb5/\xfd")
    with pytest.raises(UserError, match=r"a \.zst file"):
        readers.open_source(tmp_path / "p.jsonl.zst")
    (tmp_path / "p.pdf").write_bytes(b"%PDF")
    with pytest.raises(UserError, match=r"a \.pdf file"):
        readers.open_source(tmp_path / "p.pdf")
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(b"prompt\na\n")[:-9])
    with pytest.raises(UserError, match="is damaged"):
        list(readers.open_source(tmp_path / "p.csv.gz").rows())

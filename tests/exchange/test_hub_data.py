"""Data sets from a Hub, which is a local one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpo_studio.exchange import hub_data
from tests.local_hub import LocalHub, ask

ASK = """
import json, sys
from dpo_studio.core.errors import UserError
from dpo_studio.exchange import readers
for line in sys.stdin:
    name, asked = json.loads(line)
    try:
        source = readers.open_source(name, readers.Asked(**asked))
        rows = [row.values["prompt"] for row in source.rows()]
        said = {"name": source.name, "splits": source.splits, "rows": rows}
    except UserError as error:
        said = {"message": error.message, "hint": error.hint}
    print(json.dumps(said), flush=True)
"""


def jsonl(*prompts: str) -> bytes:
    return "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts).encode()


CARD = b"""---
configs:
- config_name: short
  data_files:
  - split: train
    path: "short/*.jsonl"
- config_name: long
  data_files: {train: long/a.jsonl, test: [long/b.jsonl]}
---
# A data set
"""

FOLDERS = b"""---
configs:
- config_name: short
  data_dir: short
- config_name: long
  data_dir: long
  data_files: a*.jsonl
  default: true
---
"""


def test_data_sets_come_from_the_hub_and_what_cannot_is_said(hub: LocalHub, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["turned"]}), tmp_path / "p.parquet")
    hub.files = {
        "o/plain": {
            "README.md": b"# No card",
            "data/train-0.jsonl": jsonl("a", "b"),
            "data/train-1.jsonl": jsonl("c"),
            "data/validation-0.jsonl": jsonl("v"),
            "plain.py": b"raise SystemExit",
        },
        "o/configs": {
            "README.md": CARD,
            "short/0.jsonl": jsonl("s"),
            "long/a.jsonl": jsonl("l"),
            "long/b.jsonl": jsonl("t"),
        },
        "o/folders": {
            "README.md": FOLDERS,
            "short/train.jsonl": jsonl("s"),
            "short/test.jsonl": jsonl("t"),
            "long/a.jsonl": jsonl("l"),
            "long/b.jsonl": jsonl("m"),
        },
        "o/pictures": {"a.png": b"png", "own.py": b"raise SystemExit"},
        "o/other": {"rows.xml": b"<a/>"},
        "o/gated": {"a.jsonl": jsonl("a")},
    }
    hub.converted = {"o/other": {"default/train/0000.parquet": (tmp_path / "p.parquet").read_bytes()}}
    hub.gated = {"o/gated"}
    asked = [
        ("o/plain", {}),
        ("o/plain", {"split": "validation"}),
        ("o/plain", {"split": "dev"}),
        ("o/configs", {}),
        ("o/configs", {"config": "short"}),
        ("o/configs", {"config": "long", "split": "test"}),
        ("o/configs", {"config": "middle"}),
        ("o/pictures", {}),
        ("o/other", {}),
        ("o/gated", {}),
        ("o/absent", {}),
        ("o/folders", {}),
        ("https://huggingface.co/datasets/o/folders", {"config": "short", "split": "test"}),
    ]
    said = ask(ASK, hub.url, tmp_path / "home", asked)
    assert said[0] == {"name": "o/plain (train)", "splits": ["train", "validation"], "rows": ["a", "b", "c"]}
    assert said[1]["rows"] == ["v"]
    assert "no split 'dev'" in said[2]["message"] and "train, validation" in said[2]["hint"]
    assert "several configurations" in said[3]["message"] and "short, long" in said[3]["hint"]
    assert (said[4]["rows"], said[5]["rows"], said[5]["splits"]) == (["s"], ["t"], ["train", "test"])
    assert "no configuration 'middle'" in said[6]["message"]
    assert "holds no JSON" in said[7]["message"]
    assert said[8]["rows"] == ["turned"]
    assert "terms" in said[9]["message"] and "hf auth login" in said[9]["hint"]
    assert "no data set called o/absent" in said[10]["message"]
    assert (said[11]["rows"], said[12]["rows"], said[12]["splits"]) == (["l"], ["t"], ["train", "test"])
    assert not [name for name in hub.fetched if name.endswith((".py", ".png"))]
    assert "o/configs/long/a.jsonl" not in hub.fetched, "only the split that was asked for"

    # With the Hub gone, what was downloaded still works, and the rest is a sentence.
    hub.close()
    asked = [("o/plain", {}), ("o/other", {}), ("o/configs", {"config": "long"}), ("o/else", {})]
    kept, turned, part, gone = ask(ASK, hub.url, tmp_path / "home", asked)
    assert "not all here" in part["message"]
    assert (kept["rows"], turned["rows"]) == (["a", "b", "c"], ["turned"])
    assert "could not be reached" in gone["message"] and gone["hint"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("owner/name", True),
        ("o/data.set-1", True),
        ("name", False),
        ("a/b/c", False),
        ("./a", False),
        ("a/b.csv", False),
    ],
)
def test_what_can_be_the_name_of_a_data_set(name: str, is_one: bool) -> None:
    assert hub_data.is_id(name) is is_one


@pytest.mark.parametrize(
    "address",
    [
        "https://huggingface.co/datasets/o/d",
        "https://huggingface.co/datasets/o/d/viewer/default/train?row=3",
        "hf://datasets/o/d@main/data/train.parquet",
        "o/d",
    ],
)
def test_an_address_of_a_data_set_is_its_name(address: str) -> None:
    assert hub_data.id_of(address) == "o/d"
    assert hub_data.id_of("a/folder/in/which") == "a/folder/in/which"

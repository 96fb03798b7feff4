"""Exports of data: the pairs worked by hand, opened by `datasets`, and what is left out."""

from __future__ import annotations

import json
import os

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.exchange import dataset, writing
from dpo_studio.store import Project, completions, rankings
from tests.exchange import labelled_project


@pytest.fixture
def project(tmp_path):
    with labelled_project.make(tmp_path / "project", held_out=(1,)) as opened:
        yield opened


def _texts(rows):
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows]


def test_every_strictly_ordered_pair_is_a_row(project):
    planned = dataset.plan(project, "preference")
    # [2, 3, 1, null] over red, green, blue, grey: blue > red > green > grey, six pairs.
    first = [("blue", "red"), ("blue", "green"), ("blue", "grey"), ("red", "green"), ("red", "grey"), ("green", "grey")]
    # Of same, same, other ranked 1, 2, 3 the pair of equal texts says nothing.
    last = [("same", "other"), ("same", "other")]
    assert sorted(_texts(planned.splits["train"])) == sorted(first + last)
    assert sorted(_texts(planned.splits["test"])) == [("one", "three"), ("two", "three")]
    assert planned.rankings == 3


def test_a_row_is_conversational_with_an_explicit_prompt(project):
    row = dataset.plan(project, "preference").splits["train"][0]
    assert set(row) == {"prompt", "chosen", "rejected", "annotator", "annotator_kind"}
    assert (row["annotator"], row["annotator_kind"]) == (project.annotator, "person")
    assert [message["role"] for message in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert row["prompt"][1]["content"] == "Salut — ça va? 你好 👋"
    assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"


def test_best_against_worst_gives_one_row_a_ranking(project):
    planned = dataset.plan(project, "preference", pairs="best_worst", held_out="together")
    assert sorted(_texts(planned.splits["train"])) == [("blue", "grey"), ("one", "three"), ("same", "other")]
    assert "test" not in planned.splits


def test_what_is_left_out_is_counted_with_its_reason(project):
    reasons = {item.code: item.count for item in dataset.plan(project, "preference", held_out="leave-out").left_out}
    assert reasons == {"skip": 1, "all_bad": 1, "all_tied": 1, "same_text": 1, "held_out": 1, "unlabelled": 1}
    reasons = {item.code: item.count for item in dataset.plan(project, "ranking").left_out}
    assert reasons == {"skip": 1, "all_bad": 1, "unlabelled": 1}, "a ranking export keeps complete ties"


def test_judges_are_left_out_and_an_undone_label_counts_as_unlabelled(project):
    group = completions.recent_groups(project)[1]
    rankings.add(project, group, ranks=[1, 2], annotator="bot", annotator_kind="judge")
    rankings.undo(project)
    planned = dataset.plan(project, "ranking")
    assert {item.code: item.count for item in planned.left_out}["judge"] == 1
    assert "same" not in {row["completions"][0] for row in planned.splits["train"]}


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind", ["preference", "ranking"])
def test_datasets_opens_the_folder_and_the_file(project, tmp_path, monkeypatch, kind, file_format):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    planned = dataset.plan(project, kind)
    folder = dataset.write(project, planned, tmp_path / "out", file_format=file_format)
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in opened.items()} == planned.counts
    for split, rows in planned.splits.items():
        assert opened[split].column_names == list(planned.columns)
        assert list(opened[split]) == list(rows)
    builder = "json" if file_format == "jsonl" else "parquet"
    files = str(folder / f"train.{file_format}")
    alone = datasets.load_dataset(builder, data_files=files, cache_dir=str(tmp_path / "cache"), split="train")
    assert list(alone) == list(planned.splits["train"])


def test_the_card_holds_the_guideline_the_counts_and_a_yaml_header(project, tmp_path):
    import yaml

    planned = dataset.plan(project, "preference")
    folder = dataset.write(project, planned, tmp_path / "out")
    text = (folder / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---\n")[1])
    assert header["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.jsonl"},
        {"split": "test", "path": "test.jsonl"},
    ]
    assert '> Warm: "kind" words\n> before facts.' in text
    assert "| train | 8 |" in text and "| test | 2 |" in text
    assert "- 1 skip\n" in text and "- 1 complete tie\n" in text


def test_a_folder_with_something_in_it_is_refused_and_left_alone(project, tmp_path):
    planned = dataset.plan(project, "ranking")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="not empty"):
            dataset.write(project, planned, tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["mine", "project"]


def test_an_earlier_export_is_replaced_whole_when_asked(project, tmp_path):
    target = tmp_path / "out"
    dataset.write(project, dataset.plan(project, "ranking"), target, file_format="parquet")
    with pytest.raises(UserError, match="earlier export"):
        dataset.write(project, dataset.plan(project, "preference"), target)
    dataset.write(project, dataset.plan(project, "preference"), target, overwrite=True)
    assert sorted(os.listdir(target)) == ["README.md", "test.jsonl", "train.jsonl"]
    assert sorted(os.listdir(tmp_path)) == ["out", "project"]


def test_an_export_that_fails_leaves_nothing_and_keeps_the_one_before(tmp_path):
    target = tmp_path / "out"
    with writing.destination(target) as folder:
        (folder / "README.md").write_text(writing.MARK)
    with pytest.raises(UserError, match="could not be written: No space left"):
        with writing.destination(target, overwrite=True) as folder:
            (folder / "train.jsonl").write_text("half")
            raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(target) == ["README.md"]


def test_nothing_to_export_is_a_sentence(tmp_path):
    with Project.create(tmp_path / "empty") as empty:
        with pytest.raises(UserError, match="nothing to export"):
            dataset.write(empty, dataset.plan(empty, "preference"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_line_separators_inside_texts_do_not_break_lines(project, tmp_path):
    folder = dataset.write(project, dataset.plan(project, "ranking"), tmp_path / "out")
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0])["prompt"][3]["content"] == "Question 0?\u2028Next line."

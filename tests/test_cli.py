"""The command line without a model: what it prints where, its exit statuses, and the data commands."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest

from dpo_studio import cli
from dpo_studio.cli_output import run
from dpo_studio.store import Project, prompt_import, prompts, rankings
from tests.exchange import labelled_project
from tests.groups import add_group


@pytest.fixture
def call(capfd):
    """Run a command in this process; returns its status, what stdout holds and what stderr holds."""

    def called(*arguments):
        capfd.readouterr()
        status = run(cli.cli, [str(argument) for argument in arguments])
        said = capfd.readouterr()
        return status, said.out, said.err

    return called


@pytest.fixture
def folder(tmp_path):
    Project.create(tmp_path / "project").close()
    return tmp_path / "project"


def _rows(tmp_path, *rows, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from dpo_studio.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'pyarrow', 'PySide6', 'sqlite_utils', 'numpy')"
        " if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for command in ("new", "import", "generate", "label", "merge", "train", "export", "doctor", "tour"):
        assert f"\n  {command} " in done.stdout
    assert "worker" not in done.stdout


def test_new_makes_a_project_with_its_guideline(call, tmp_path):
    status, out, _ = call("new", tmp_path / "fresh", "--guideline", "Short and warm.", "--json")
    assert status == 0
    assert json.loads(out) == {
        "project": str(tmp_path / "fresh"),
        "sample": False,
        "prompts": 0,
        "groups": 0,
        "rankings": 0,
        "guideline": "Short and warm.",
    }
    with Project.open(tmp_path / "fresh") as project:
        assert project.guideline == "Short and warm."
    status, out, err = call("new", tmp_path / "fresh")
    assert (status, out) == (2, "") and "is a project already" in err and "Traceback" not in err


def test_new_sample_copies_the_bundled_project(call, tmp_path, monkeypatch):
    from dpo_studio.core import bundled

    labelled_project.make(tmp_path / "bundle" / "project").close()
    monkeypatch.setattr(bundled, "folder", lambda name: tmp_path / "bundle")
    status, out, _ = call("new", tmp_path / "mine", "--sample", "--json")
    assert status == 0
    assert {name: json.loads(out)[name] for name in ("sample", "prompts", "groups", "rankings")} == {
        "sample": True,
        "prompts": 7,
        "groups": 7,
        "rankings": 4,
    }
    status, _, err = call("new", tmp_path / "mine", "--sample")
    assert status == 2 and "is not empty" in err


def test_a_mistake_is_one_line_on_stderr_and_an_object_with_json(call, tmp_path):
    arguments = ("import", tmp_path / "nowhere", tmp_path / "p.txt")
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1 and "is not a DPO Studio project" in err
    status, out, _ = call(*arguments, "--json")
    answer = json.loads(out)
    assert status == 2 and "is not a DPO Studio project" in answer["error"] and answer["hint"]


def test_wrong_usage_is_a_mistake_too(call):
    for arguments in (("export", "p", "out"), ("generate",), ("train", "p", "--nonsense"), ("--nonsense",)):
        status, _, err = call(*arguments)
        assert status == 2 and "Traceback" not in err and len(err.strip().splitlines()) == 1, arguments
    status, out, _ = call("export", "p", "out", "--json")
    assert status == 2 and "--as" in json.loads(out)["error"]


def test_a_bug_is_status_1_with_its_traceback(call, folder, monkeypatch):
    monkeypatch.setattr(prompt_import, "add_stored", lambda *args, **kwargs: 1 / 0)
    source = folder.parent / "p.txt"
    source.write_text("One?\n")
    status, out, err = call("import", folder, source, "--json")
    assert status == 1 and "ZeroDivisionError" in json.loads(out)["error"]
    assert "Traceback" in err


def test_a_word_that_is_no_command_is_a_project_to_open(call, folder, monkeypatch):
    from types import ModuleType

    import dpo_studio.ui

    opened = []
    app = ModuleType("dpo_studio.ui.app")
    app.main = lambda project: opened.append(project) or 0
    monkeypatch.setitem(sys.modules, "dpo_studio.ui.app", app)
    monkeypatch.setattr(dpo_studio.ui, "app", app, raising=False)
    assert call(folder)[0] == 0 and call()[0] == 0
    assert opened == [folder, None]
    status, _, err = call("exprot")
    assert status == 2 and "`dpo-studio export`" in err and len(opened) == 2


def test_prompts_are_imported_once(call, folder, tmp_path):
    (tmp_path / "p.txt").write_text("One?\nTwo?\nOne?\n", encoding="utf-8")
    status, out, _ = call("import", folder, tmp_path / "p.txt", "--json")
    assert status == 0 and json.loads(out) == {
        "format": "prompts",
        "imported": 2,
        "duplicates": 1,
        "refused": [],
        "ids": [[1, 2]],
    }
    with Project.open(folder) as project:
        assert [prompt.title for prompt in prompts.all_prompts(project)] == ["One?", "Two?"]


def test_a_bad_line_imports_nothing_unless_it_may_be_left_out(call, folder, tmp_path):
    source = _rows(tmp_path, {"prompt": "One?"}, {"prompt": 7})
    status, out, _ = call("import", folder, source, "--json")
    answer = json.loads(out)
    assert status == 2 and [item["place"] for item in answer["refused"]] == ["line 2"]
    with Project.open(folder) as project:
        assert prompts.count(project) == 0
    status, out, _ = call("import", folder, source, "--skip-bad", "--json")
    assert status == 0 and json.loads(out)["imported"] == 1


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"prompt": "Q?", "completions": ["a", "b"], "ranks": [2, 1]}, "rankings"),
        ({"prompt": "Q?", "chosen": "b", "rejected": "a"}, "pairs"),
        ({"prompt": "Q?"}, "prompts"),
        ({"messages": [{"role": "user", "content": "Q?"}]}, "prompts"),
    ],
)
def test_import_recognises_what_a_file_holds(call, folder, tmp_path, row, kind):
    status, out, _ = call("import", folder, _rows(tmp_path, row), "--json")
    answer = json.loads(out)
    assert status == 0 and (answer["format"], answer["imported"]) == (kind, 1)


def test_label_takes_rankings_by_group_and_by_content(call, folder, tmp_path):
    with Project.open(folder) as project:
        group = add_group(project, "Q?", ("a", "b"))
    source = _rows(tmp_path, {"group": group.uuid, "ranks": [2, 1]})
    status, out, _ = call("label", folder, "--from", source, "--json")
    assert status == 0 and json.loads(out)["imported"] == 1
    by_content = _rows(tmp_path, {"prompt": "Q?", "completions": ["b", "a"], "ranks": [1, 2], "annotator": "Bo"})
    status, out, _ = call("label", folder, "--from", by_content, "--judge", "--json")
    answer = json.loads(out)
    assert status == 0 and (answer["imported"], answer["groups"]) == (1, 0)
    with Project.open(folder) as project:
        standing = rankings.all_current(project, annotator_kind=None)
        assert [(r.annotator, r.annotator_kind, list(r.ranks.values())) for r in standing] == [
            ("me", "person", [2, 1]),
            ("Bo", "judge", [2, 1]),
        ]


def test_export_writes_what_its_preview_said(call, tmp_path):
    labelled_project.make(tmp_path / "colours", held_out=(1,)).close()
    status, out, _ = call("export", tmp_path / "colours", "--as", "preference", "--preview", "--json")
    preview = json.loads(out)
    assert status == 0 and preview["rows"] == {"train": 8, "test": 2} and len(preview["first_rows"]) == 3
    assert {item["code"]: item["count"] for item in preview["left_out"]}["skip"] == 1
    target = tmp_path / "out"
    status, out, _ = call("export", tmp_path / "colours", target, "--as", "preference", "--json")
    answer = json.loads(out)
    assert status == 0 and answer["rows"] == preview["rows"] and answer["folder"] == str(target)
    with (target / "train.jsonl").open(encoding="utf-8") as file:
        assert [json.loads(line) for line in file][:3] == preview["first_rows"]
    status, _, err = call("export", tmp_path / "colours", target, "--as", "ranking")
    assert status == 2 and "earlier export" in err


def test_export_as_adapter_without_a_run_says_what_to_do(call, folder, tmp_path):
    status, _, err = call("export", folder, tmp_path / "out", "--as", "adapter")
    assert status == 2 and "No run has left an adapter yet" in err and "dpo-studio train" in err


def test_stdout_holds_the_object_alone_whatever_libraries_print(call, folder, tmp_path, monkeypatch):
    from dpo_studio.exchange import columns

    kind_of = columns.kind_of
    monkeypatch.setattr(columns, "kind_of", lambda *asked: (print("chatter"), kind_of(*asked))[1])
    _, out, err = call("import", folder, _rows(tmp_path, {"prompt": "Q?"}), "--json")
    assert json.loads(out)["imported"] == 1 and "chatter" in err


def test_doctor_says_what_is_there(call):
    status, out, _ = call("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert status == 0 and checks["torch"]["ok"] and checks["Python"]["says"].startswith(sys.version.split()[0])
    assert {"Device", "Starter model", "Model cache", "Window", "Sample"} <= set(checks)


def test_a_reader_that_has_seen_enough_is_no_bug(tmp_path):
    """`dpo-studio … | head -0`: the pipe is gone before the result is printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dpo_studio", "new", str(tmp_path / "p")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    said = process.stderr.read()
    assert (process.wait(60), said) == (0, "")
    assert (tmp_path / "p" / "project.db").is_file()


def test_a_full_disk_is_a_sentence_wherever_it_is_met(call, folder, monkeypatch):
    from dpo_studio.exchange import dataset

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dataset, "plan", full)
    status, out, err = call("export", folder, folder.parent / "out", "--as", "ranking", "--json")
    assert status == 2 and "disk is full" in json.loads(out)["error"] and "Free some space" in json.loads(out)["hint"]
    assert "Traceback" not in err


def test_prompts_come_from_csv_with_said_columns_and_tags(call, folder, tmp_path):
    source = tmp_path / "p.csv"
    source.write_text("id,ask,tags\n1,Why?,own\n2,Why?,\n3,How?,\n", encoding="utf-8")
    arguments = ("import", folder, source, "--json")
    status, _, err = call(*arguments)
    assert status != 0 and "id, ask, tags" in err
    status, _, err = call(*arguments, "--column", "prompt=aks")
    assert status != 0 and "'aks'" in err
    status, _, err = call(*arguments, "--column", "prompt")
    assert status != 0 and "prompt=NAME" in err
    status, out, _ = call(*arguments, "--column", "prompt=ask", "--tags", "all, of them")
    assert status == 0 and json.loads(out) == {
        "format": "prompts",
        "imported": 2,
        "duplicates": 1,
        "refused": [],
        "ids": [[1, 2]],
    }
    with Project.open(folder) as project:
        assert [p.tags for p in prompts.all_prompts(project)] == [("own", "all", "of them"), ("all", "of them")]
    status, out, _ = call("import", folder, source, "--column", "prompt=ask", "--tags", "more")
    assert status == 0 and out == "Imported 0 prompts. 3 were there already (what is there keeps its tags).\n"


def test_a_ragged_csv_imports_nothing_unless_rows_may_be_left_out(call, folder, tmp_path):
    source = tmp_path / "p.csv"
    source.write_text("prompt,tags\nWhy?,\nHow?,a,b\n", encoding="utf-8")
    status, out, _ = call("import", folder, source, "--json")
    assert status != 0
    with Project.open(folder) as project:
        assert prompts.count(project) == 0
    status, out, _ = call("import", folder, source, "--skip-bad", "--json")
    answer = json.loads(out)
    assert status == 0 and answer["imported"] == 1 and answer["refused"][0]["place"] == "line 3"

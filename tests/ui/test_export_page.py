"""The Export page, with the real command behind it: previews, exports by keys, what it says."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPushButton, QRadioButton

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs
from dpo_studio.ui.context import Context
from dpo_studio.ui.exchange.page import ExportPage
from tests.exchange import labelled_project

_WAIT_MS = 30_000


@pytest.fixture
def context(qapp):
    context = Context()
    yield context
    context.open(None)


@pytest.fixture
def page(context, qtbot):
    page = ExportPage(context)
    qtbot.addWidget(page)
    page.resize(1000, 800)
    page.ensure_built()
    page.show()
    yield page
    page.commands.close()


def _open(context, tmp_path):
    project = labelled_project.make(tmp_path / "colours", held_out=(1,))
    context.open(project)
    return project


def _add_run(project):
    run = runs.create(project, policies.add(project, "starter"), TrainingSettings())
    folder = project.folder / run.folder
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"0" * 1_500_000)
    done = events.RunDone("finished", 30, 9.0, "adapter", {})
    (folder / "events.jsonl").write_text(events.to_line(done), encoding="utf-8")
    return run


def _until_previewed(page, qtbot, *, rows):
    qtbot.waitUntil(lambda: len(page.form.preview.cards()) == rows, timeout=_WAIT_MS)


def _until_exported(page, qtbot):
    qtbot.waitUntil(lambda: bool(page.form.result.text()) and page.form.export_button.isEnabled(), timeout=_WAIT_MS)


def test_without_rankings_one_sentence_and_one_button_that_goes_where_they_begin(page, context, qtbot, tmp_path):
    context.open(project := Project.create(tmp_path / "new"))

    def led_to():
        context.groups_changed.emit()
        button = next(b for b in page.findChildren(QPushButton) if b.isVisible())
        with qtbot.waitSignal(context.page_wanted) as wanted:
            qtbot.keyClick(button, Qt.Key.Key_Space)
        return button.text(), *wanted.args

    assert led_to() == ("Add prompts", "prompts")
    prompt = prompts.add(project, [Message("user", "Hello?")])
    assert led_to() == ("Generate answers", "generate")
    group = completions.add_group(project, prompt.id, size=2)
    for text in ("one", "two"):
        completions.add(project, group.id, text)
    assert led_to() == ("Go to Label", "label")
    assert not page.form.isVisible()


def test_the_preview_shows_counts_three_rows_and_what_is_left_out(page, context, qtbot, tmp_path):
    _open(context, tmp_path)
    _until_previewed(page, qtbot, rows=3)
    assert page.form.preview.summary.text() == (
        "8 pairs to train on and 2 pairs held out, in a test split, from 3 rankings"
    )
    assert page.form.preview.left_out.text() == (
        "Left out: 1 skip, 1 comparison whose answers are all bad, 1 complete tie,"
        " 1 pair of identical answers, 1 comparison nobody has judged."
    )
    page.form.pairs.setCurrentIndex(1)
    qtbot.waitUntil(lambda: page.form.preview.summary.text().startswith("2 pairs to train on"), timeout=_WAIT_MS)


def test_an_export_by_keys(page, context, qtbot, tmp_path):
    _open(context, tmp_path)
    page.form.cards["preference"].radio.setFocus()
    qtbot.keyClick(page.form.cards["preference"].radio, Qt.Key.Key_Right)
    assert page.form.kind == "ranking"
    target = tmp_path / "colours-rankings"
    assert page.form.target.text() == str(target)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert not page.form.export_button.isEnabled()
    _until_exported(page, qtbot)
    assert page.form.result.text() == f"Wrote 4 rows and a card to {target}."
    assert page.form.open_button.isVisible()
    rows = [json.loads(line) for line in (target / "train.jsonl").open(encoding="utf-8")]
    assert [row["ranks"] for row in rows] == [[2, 3, 1, None], [1, 1], [1, 2, 3]]


def test_a_second_export_to_the_same_folder_is_refused_until_it_is_allowed(page, context, qtbot, tmp_path):
    _open(context, tmp_path)
    page.export()
    _until_exported(page, qtbot)
    page.export()
    qtbot.waitUntil(lambda: "holds an earlier export" in page.form.result.text(), timeout=_WAIT_MS)
    assert not page.form.open_button.isVisible()
    page.form.overwrite.setChecked(True)
    page.form.file_format.setCurrentIndex(1)
    page.export()
    qtbot.waitUntil(lambda: "Wrote" in page.form.result.text(), timeout=_WAIT_MS)
    assert (tmp_path / "colours-preference" / "train.parquet").is_file()
    assert not (tmp_path / "colours-preference" / "train.jsonl").exists()


def test_a_run_with_an_adapter_can_be_chosen_and_exported(page, context, qtbot, tmp_path):
    project = _open(context, tmp_path)
    assert not page.form.cards["adapter"].radio.isEnabled()
    _add_run(project)
    context.runs_changed.emit()
    assert page.form.cards["adapter"].radio.isEnabled()
    qtbot.mouseClick(page.form.cards["adapter"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.form.preview.summary.text() == "Run 1: 2 files, 1.5 MB", timeout=_WAIT_MS)
    page.export()
    _until_exported(page, qtbot)
    assert page.form.result.text().startswith("Wrote the adapter of Run 1")
    config = json.loads((tmp_path / "colours-adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_a_model_that_was_trained_whole_is_exported_as_a_model(page, context, qtbot, tmp_path):
    project = _open(context, tmp_path)
    run = runs.create(project, policies.add(project, "starter"), TrainingSettings(trains="full"))
    folder = project.folder / run.folder
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "model" / "model.safetensors").write_bytes(b"0" * 2_500_000)
    (folder / "events.jsonl").write_text(events.to_line(events.RunDone("finished", 30, 9.0, "model", {})))
    context.runs_changed.emit()
    assert not page.form.cards["adapter"].radio.isEnabled(), "it has no adapter"
    qtbot.mouseClick(page.form.cards["model"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.form.preview.summary.text() == "Run 1: 2 files, 2.5 MB", timeout=_WAIT_MS)
    assert page.form.preview.left_out.isHidden()
    page.export()
    _until_exported(page, qtbot)
    assert (tmp_path / "colours-model" / "model.safetensors").stat().st_size == 2_500_000
    # A run with an adapter can be either.
    _add_run(project)
    context.runs_changed.emit()
    assert [page.form.run.itemText(n) for n in range(page.form.run.count())] == ["Run 2", "Run 1"]
    qtbot.mouseClick(page.form.cards["adapter"], Qt.MouseButton.LeftButton)
    assert [page.form.run.itemText(n) for n in range(page.form.run.count())] == ["Run 2"]


def test_a_new_label_changes_the_preview(page, context, qtbot, tmp_path):
    project = _open(context, tmp_path)
    _until_previewed(page, qtbot, rows=3)
    group = rankings.next_groups(project)[0]
    rankings.add(project, group, ranks=[1, 2])
    context.rankings_changed.emit()
    qtbot.waitUntil(lambda: page.form.preview.summary.text().startswith("9 pairs to train on"), timeout=_WAIT_MS)


def test_another_project_forgets_the_folder_of_the_one_before(page, context, qtbot, tmp_path):
    _open(context, tmp_path)
    page.form.target.setText("/somewhere/else")
    (tmp_path / "b").mkdir()
    _open(context, tmp_path / "b")
    assert page.form.target.text() == str(tmp_path / "b" / "colours-preference")


def test_every_control_has_a_name(page, context, qtbot, tmp_path):
    _open(context, tmp_path)
    for kind in (QPushButton, QLineEdit, QComboBox, QRadioButton):
        for widget in page.findChildren(kind):
            assert widget.accessibleName(), widget


def test_the_run_that_is_asked_for_is_chosen(page, context, qtbot, tmp_path):
    project = _open(context, tmp_path)
    first, _last = _add_run(project), _add_run(project)
    context.runs_changed.emit()
    context.run_wanted.emit("generate", first)
    assert page.form.kind == "preference", "that was for another page"
    context.run_wanted.emit("export", first)
    assert (page.form.kind, page.form.run.currentData()) == ("adapter", first.uuid)

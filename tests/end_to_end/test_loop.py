"""The whole loop in the real window, by keys, on the starter model.

Generate for three prompts with k = 4, rank, undo, rank again, train with PL-DPO, stop, look at the curves
and the answers before and after, export, and load everything back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core import events
from dpo_studio.jobs.training import EventTail
from dpo_studio.store import Project, completions, policies, rankings, runs
from dpo_studio.ui.main_window import MainWindow
from dpo_studio.ui.settings_store import SettingsStore

pytestmark = [pytest.mark.starter, pytest.mark.timeout(900)]

#: None of these falls among the held-out prompts.
PROMPTS = ("Name three fruits.", "What is the sea?", "How do I boil an egg?")
PATIENCE_MS = 240_000


@pytest.fixture
def window(
    closed_windows_are_gone, qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starter: Path
) -> Iterator[MainWindow]:
    monkeypatch.setenv("DPO_STUDIO_SETTINGS", str(tmp_path / "window-settings.ini"))
    (tmp_path / "window-settings.ini").write_text("[label]\nannotator=Ada\n", encoding="utf-8")
    window = MainWindow(SettingsStore(), documents=tmp_path / "documents")
    window.show()
    with qtbot.waitExposed(window):
        pass
    assert window.create_project(tmp_path / "project", "Shorter is better.")
    yield window
    with qtbot.waitSignal(window.closed, timeout=30_000):
        window.close()
    window.deleteLater()


def _page(window: MainWindow, name: str):
    window.show_page(name)
    page = next(page for page in window.pages if page.name == name)
    assert page.isVisible()
    return page


def _generate(qtbot, window: MainWindow) -> None:
    page = _page(window, "generate")
    QApplication.clipboard().setText("\n".join(PROMPTS))
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.current_page.name == "prompts")
    qtbot.keyClick(window.current_page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.isVisible() and page.table.selected_count() == len(PROMPTS), timeout=10_000)
    page.form.k.setValue(4)
    page.form.numbers.fields["max_new_tokens"].setText("24")
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.answering.job is not None, timeout=10_000)
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=PATIENCE_MS)
    project = window.context.project
    assert rankings.counts(project).ready == len(PROMPTS)
    for group in completions.recent_groups(project):
        assert len(group.completions) == 4
        for completion in group.completions:
            assert completion.token_ids and len(completion.token_ids) <= 24
            assert completion.tokenizer_hash and completion.seed is not None
            assert completion.logp is not None and completion.logp < 0
            assert completion.policy_id == group.policy_id and completion.sampling["max_new_tokens"] == 24


def _label(qtbot, window: MainWindow) -> None:
    page = _page(window, "label")
    project = window.context.project
    first = rankings.next_groups(project)[0]
    page.setFocus()
    for key in ("3", "1", "4"):  # the last is implied
        qtbot.keyClick(page, key)
    ranking = rankings.current(project, first.id)
    assert ranking is not None, "the label is in the database before the next item shows"
    shown = ranking.presented
    assert [ranking.ranks[shown[place]] for place in (2, 0, 3, 1)] == [1, 2, 3, 4]
    qtbot.wait(50)
    qtbot.keyClick(page, Qt.Key.Key_Z)
    assert rankings.current(project, first.id) is None
    assert rankings.counts(project).left == len(PROMPTS)
    qtbot.wait(50)
    for keys in ("12=3\r", "2\r", "4321"):  # a tie, a best one, a whole order
        for key in keys[:3] if keys == "4321" else keys:
            qtbot.keyClick(page, Qt.Key.Key_Return if key == "\r" else key)
        qtbot.wait(50)
    counts = rankings.counts(project)
    assert (counts.rankings, counts.left) == (3, 0)
    tied = rankings.current(project, first.id)
    assert sorted(rank or 0 for rank in tied.ranks.values()) == [0, 1, 2, 2]


def _train(qtbot, window: MainWindow) -> Path:
    page = _page(window, "train")
    assert page.setup.train_button.isEnabled()
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    project = window.context.project
    qtbot.waitUntil(lambda: bool(runs.all_runs(project)), timeout=10_000)
    run = runs.all_runs(project)[0]
    folder = project.folder / run.folder

    def steps() -> int:
        return sum(isinstance(event, events.StepDone) for event in EventTail(folder).read())

    qtbot.waitUntil(lambda: steps() >= 3, timeout=PATIENCE_MS)
    view = page.view
    qtbot.waitUntil(lambda: view.stop_button.isEnabled())
    view.stop()
    qtbot.waitUntil(lambda: runs.get(project, run.id).result_policy_id is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: view.ending_frame.isVisible(), timeout=10_000)
    done = [event for event in EventTail(folder).read() if isinstance(event, events.RunDone)]
    assert [event.reason for event in done] == ["stopped"]
    assert done[0].steps < json.loads((folder / "settings.json").read_text())["training"]["epochs"]
    first = next(event for event in EventTail(folder).read() if isinstance(event, events.StepDone))
    assert first.metrics["margin"] == pytest.approx(0, abs=0.02), "the policy starts as its reference"
    for metric in ("loss", "reward_best", "reward_worst", "margin", "accuracy"):
        assert len(view.feed.record.train[metric]) >= 3
    assert view.answers.prompts_shown == 3
    return folder


def _reopen(qtbot, window: MainWindow) -> None:
    """The same curves come back from the run's folder."""
    folder = window.context.project.folder
    window.close_project()
    assert window.open_project(folder)
    page = _page(window, "train")
    page.show_run(runs.all_runs(window.context.project)[0].id)
    qtbot.waitUntil(lambda: len(page.view.feed.record.train.get("loss", ())) >= 3, timeout=10_000)


def _export(qtbot, window: MainWindow, tmp_path: Path) -> None:
    page = _page(window, "export")
    for kind in ("preference", "ranking", "adapter"):
        page.form.cards[kind].radio.setChecked(True)
        page.form.target.setText(str(tmp_path / kind))
        qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        assert not page.form.export_button.isEnabled()
        qtbot.waitUntil(page.form.export_button.isEnabled, timeout=60_000)
        assert (tmp_path / kind / "README.md").is_file()


def _load_back(project: Path, exports: Path) -> None:
    import torch
    from datasets import load_dataset
    from peft import PeftModel

    from dpo_studio.core.types import Message
    from dpo_studio.models.load import load
    from dpo_studio.models.logprobs import token_logps

    rows = load_dataset(str(exports / "ranking"), split="train")
    assert len(rows) == 3 and set(rows.column_names) >= {"prompt", "completions", "ranks"}
    # 1 ≻ 2 = 3 ≻ rest orders 3 + 2 pairs, a best one of four 3, a whole order of four 6.
    pairs = load_dataset(str(exports / "preference"), split="train")
    assert len(pairs) == 5 + 3 + 6
    assert set(pairs.column_names) >= {"prompt", "chosen", "rejected"}

    with Project.open(project) as opened:
        trained = policies.all_policies(opened)[-1]
        group = completions.recent_groups(opened)[-1]
    base = load("starter", dtype="float32")
    tuned = PeftModel.from_pretrained(load("starter", dtype="float32").model, exports / "adapter")
    ids = base.chat.prompt_ids([Message("user", "Hello")])
    answer = list(group.completions[0].token_ids)
    with torch.no_grad():
        before, after = token_logps(base.model, ids, answer), token_logps(tuned, ids, answer)
    assert (before - after).abs().max() > 1e-4, "training changed the model"
    assert trained.round == 1


def test_the_whole_loop(qtbot, window: MainWindow, tmp_path: Path) -> None:
    _generate(qtbot, window)
    _label(qtbot, window)
    _train(qtbot, window)
    _reopen(qtbot, window)
    _export(qtbot, window, tmp_path / "exports")
    _load_back(window.context.project.folder, tmp_path / "exports")

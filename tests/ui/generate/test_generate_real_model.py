"""Generate with a real model process: it answers, fails, is killed, and goes with the page."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from dpo_studio.core import events
from dpo_studio.store import Project, completions, policies
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
from tests.ui.generate.driving import WAIT_MS, add_prompts, settle


def choose_model(page: GeneratePage, folder: Path, *, tokens: int, k: int = 2) -> None:
    page.form.model.setCurrentIndex(page.form.model.findData("other"))
    page.form.model.other_row.edit.setText(str(folder))
    page.form.k.setValue(k)
    page.form.numbers.fields["max_new_tokens"].setText(str(tokens))


def test_a_real_model_answers_and_joins_the_project(
    page: GeneratePage, context: Context, tiny_llama: Path, qtbot
) -> None:
    add_prompts(page, qtbot, "One?", "Two?")
    choose_model(page, tiny_llama, tokens=12, k=3)
    page.generate()
    assert policies.all_policies(context.project) == []  # not before it could be loaded
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.answering.problem == ("", "")
    (policy,) = policies.all_policies(context.project)
    assert policy.base == str(tiny_llama.resolve())
    assert page.form.model.policy_id == policy.id
    groups = completions.recent_groups(context.project)
    assert [len(group.completions) for group in groups] == [3, 3]
    assert all(c.token_ids and c.logp < 0 and c.policy_id == policy.id for g in groups for c in g.completions)
    first_pid = page.answering.process.pid

    page.table.selectAll()
    page.generate()  # the process lives on, and a second set of answers is another one
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.answering.process.pid == first_pid
    groups = completions.recent_groups(context.project)
    assert len(groups) == 4
    assert len({c.seed for g in groups for c in g.completions}) == 12


def test_a_model_that_cannot_be_loaded_leaves_nothing_behind(
    page: GeneratePage, context: Context, tmp_path: Path, qtbot
) -> None:
    add_prompts(page, qtbot, "One?")
    (tmp_path / "nothing").mkdir()
    choose_model(page, tmp_path / "nothing", tokens=5)
    page.generate()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert page.queue.problem.isVisible() and "nothing" in page.queue.problem.text()
    assert policies.all_policies(context.project) == []
    assert completions.count_unfinished(context.project) == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killing_the_model_process_keeps_what_was_finished(
    page: GeneratePage, context: Context, tiny_llama: Path, qtbot
) -> None:
    add_prompts(page, qtbot, *(f"Question {n}?" for n in range(10)))
    choose_model(page, tiny_llama, tokens=30)
    page.generate()
    kept: list[events.CompletionFinished] = []
    page.answering.answer_kept.connect(kept.append)
    qtbot.waitUntil(lambda: len(kept) >= 3, timeout=WAIT_MS)
    os.kill(page.answering.process.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert "it was killed" in page.queue.problem.text() and "Continue" in page.queue.problem.text()
    with Project.open(context.project.folder) as opened_again:
        rows = opened_again.db.execute("SELECT text FROM completions").fetchall()
    assert sorted(row[0] for row in rows) == sorted(event.text for event in kept)
    before = {(e.group, e.candidate): e.text for e in kept}

    settle(page, qtbot)
    page.queue.continue_button.click()
    qtbot.waitUntil(lambda: page.answering.job is None, timeout=WAIT_MS)
    assert completions.count_unfinished(context.project) == 0
    groups = completions.recent_groups(context.project)
    assert len(groups) == 10 and all(len(group.completions) == 2 for group in groups)
    now = {(g.id, c.candidate): c.text for g in groups for c in g.completions}
    assert all(now[key] == text for key, text in before.items())


def test_a_page_that_goes_takes_its_process_with_it(context: Context, qapp: QApplication, tiny_llama: Path, qtbot):
    page = GeneratePage(context)
    page.ensure_built()
    page.show()
    add_prompts(page, qtbot, "One?")
    choose_model(page, tiny_llama, tokens=5)
    page.generate()
    qtbot.waitUntil(lambda: page.answering.process.pid is not None, timeout=WAIT_MS)
    pid = page.answering.process.pid
    page.shut_down()
    page.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

"""Training from the page with the real worker process, on a tiny model: the button, the curves, stop, kill, resume."""

from __future__ import annotations

import os
import signal

import pytest
from PySide6.QtCore import Qt

from dpo_studio.core.types import Message
from dpo_studio.jobs import training
from dpo_studio.store import Project, completions, policies, prompts, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.train.page import TrainPage

TIMEOUT_MS = 120_000


@pytest.fixture
def page(qtbot, light, tmp_path, tiny_llama):
    project = Project.create(tmp_path / "project")
    policy = policies.add(project, str(tiny_llama))
    for index in range(8):
        prompt = prompts.add(project, [Message("user", f"What should I bring on walk {index}?")])
        prompts.set_held_out(project, prompt.id, index >= 6)
        group = completions.add_group(project, prompt.id, size=3, policy_id=policy.id)
        for text in ("Water and bread.", "A warm coat, I think.", "The dog does not mind."):
            completions.add(project, group.id, f"{text} {index}", policy_id=policy.id)
        rankings.add(project, completions.get_group(project, group.id), ranks=[1, 2, 3])
    context = Context()
    made = TrainPage(context)
    qtbot.addWidget(made)
    context.open(project)
    made.ensure_built()
    made.resize(1200, 800)
    made.show()
    fields = made.setup.advanced.fields
    fields["device"].setCurrentIndex(fields["device"].findData("cpu"))
    fields["dtype"].setCurrentIndex(fields["dtype"].findData("float32"))
    yield made
    for feed in made.follower.feeds.values():
        if feed.live:
            feed.ask("stop")
    context.open(None)


def worker_pid(page: TrainPage) -> int:
    return page.view.feed._thread._process.pid


def test_the_button_trains_and_the_curves_fill(qtbot, page):
    fields = page.setup.advanced.fields
    fields["epochs"].setText("3")
    fields["batch_groups"].setText("4")
    fields["evaluate_every"].setText("2")
    qtbot.mouseClick(page.setup.train_button, Qt.MouseButton.LeftButton)
    assert page.view is not None and page.badge() == "● running"
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None, timeout=TIMEOUT_MS)
    assert page.view.feed.outcome.state == "finished", page.view.feed.outcome
    record = page.view.feed.record
    assert record.steps == 6 and list(record.train["loss"].steps) == [1, 2, 3, 4, 5, 6]
    assert list(record.held_out["margin"].steps) == [0, 2, 4, 6]
    page.view.curves._repaint()
    card = page.view.curves.cards["loss"]
    assert len(card._lines[card.spec.lines[0]].getOriginalDataset()[0]) == 6
    assert page.view.answers.prompts_shown == 4
    assert all({"before", "after"} <= set(phases) for phases in record.answers.values())
    assert page.view.tabs.currentIndex() == 1, "the answers before and after come up by themselves"
    trained = [policy for policy in policies.all_policies(page.context.project) if policy.adapter]
    assert len(trained) == 1
    adapter = page.context.project.folder / trained[0].adapter
    assert (adapter / "adapter_model.safetensors").is_file()


def test_stop_keeps_a_policy(qtbot, page):
    page.setup.advanced.fields["epochs"].setText("500")
    page.setup.advanced.fields["batch_groups"].setText("4")
    qtbot.mouseClick(page.setup.train_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.view.feed.record.step >= 3, timeout=TIMEOUT_MS)
    assert page.badge().endswith("/1000")
    qtbot.mouseClick(page.view.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None, timeout=TIMEOUT_MS)
    assert page.view.feed.outcome.state == "stopped"
    assert "what it had learnt is kept" in page.view.ending_label.text()
    assert any(policy.adapter for policy in policies.all_policies(page.context.project))


def test_a_killed_worker_is_told_and_resumes(qtbot, page):
    fields = page.setup.advanced.fields
    fields["epochs"].setText("500")
    fields["checkpoint_every"].setText("2")
    fields["evaluate_every"].setText("0")
    qtbot.mouseClick(page.setup.train_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.view.feed.record.step >= 5, timeout=TIMEOUT_MS)
    os.kill(worker_pid(page), signal.SIGKILL)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None, timeout=TIMEOUT_MS)
    killed_at = page.view.feed.record.step
    assert page.view.feed.outcome.state == "interrupted"
    assert "it was killed" in page.view.ending_label.text() and page.view.resume_button.isVisible()

    qtbot.mouseClick(page.view.resume_button, Qt.MouseButton.LeftButton)
    feed = page.view.feed
    qtbot.waitUntil(lambda: feed.record.started is not None and feed.record.started.first_step > 0, timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: feed.record.step > killed_at, timeout=TIMEOUT_MS)
    steps = list(feed.record.train["loss"].steps)
    assert steps == list(range(1, steps[-1] + 1)), "no step is missing or there twice"
    page.context.open(None)
    run_folder = feed.run_folder
    assert training.is_alive(run_folder), "closing the project leaves training on"
    training.ask(run_folder, "stop")
    qtbot.waitUntil(lambda: training.outcome(run_folder).state == "stopped", timeout=TIMEOUT_MS)

"""A Train page on a project with labels, and runs that seem to be trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpo_studio.jobs import training
from dpo_studio.store import Project
from dpo_studio.ui.context import Context
from dpo_studio.ui.train.page import TrainPage
from tests.ui.train import stories
from tests.ui.train.watching import Said


@pytest.fixture
def project(tmp_path) -> Project:
    return stories.project_with_labels(tmp_path / "project", rankings_count=6, held_out=2, ties=1)


@pytest.fixture
def open_page(qtbot, light):
    """Opens a page on a project and shows it; what was followed is let go of at the end."""
    contexts = []

    def opened(project: Project | None) -> TrainPage:
        context = Context()
        page = TrainPage(context)
        page.said = Said(context)
        qtbot.addWidget(page)
        contexts.append((context, page))
        if project is not None:
            context.open(project)
        page.ensure_built()
        page.resize(1280, 800)
        page.show()
        page.activateWindow()
        qtbot.waitUntil(page.isActiveWindow)
        return page

    yield opened
    for context, _page in contexts:
        context.open(None)


@pytest.fixture
def live(monkeypatch):
    """Runs that seem to be trained: the lock is held here, and starting a worker only notes the wish."""
    held = {}

    def hold(folder: Path) -> None:
        held[folder] = training.lock(folder)
        held[folder].acquire()

    def let_go(folder: Path) -> None:
        held.pop(folder).release()

    hold.let_go = let_go
    yield hold
    for lock in held.values():
        lock.release()

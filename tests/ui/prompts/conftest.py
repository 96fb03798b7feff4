"""The Prompts page on a project of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from dpo_studio.store import Project, prompts
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompts.page import PromptsPage
from tests.ui.prompts.driving import listed, say


@pytest.fixture
def context(qapp: QApplication, tmp_path: Path, light):
    made = Context()
    made.open(Project.create(tmp_path / "project"))
    made.said = []
    made.message.connect(lambda text, level: made.said.append(text))
    yield made
    made.open(None)


@pytest.fixture
def page(context: Context, closed_windows_are_gone, qtbot):
    made = PromptsPage(context)
    qtbot.addWidget(made)
    made.resize(1200, 800)
    made.ensure_built()
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


@pytest.fixture
def filled(page, context, qtbot):
    for text in ("Bake a cake", "How do cakes rise?", "Why is the sky blue?"):
        prompts.add(context.project, say(text), source="typed", tags=("sky",) if "sky" in text else ())
    context.prompts_changed.emit()
    listed(page, qtbot, 3)
    return page

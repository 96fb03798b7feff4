"""The Generate page on a project of its own, without a model process unless a test asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from dpo_studio.core import commands
from dpo_studio.store import Project
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage


@pytest.fixture
def context(qapp: QApplication, tmp_path: Path):
    made = Context()
    made.open(Project.create(tmp_path / "project"))
    yield made
    made.open(None)


@pytest.fixture
def page(context: Context, closed_windows_are_gone, qtbot):
    made = GeneratePage(context)
    qtbot.addWidget(made)
    made.resize(1200, 800)
    made.ensure_built()
    made.show()
    yield made
    made.answering.process.close()
    made.form.model.server_row.close_commands()
    made.shut_down()


@pytest.fixture
def sent(page: GeneratePage, monkeypatch: pytest.MonkeyPatch) -> list[commands.Command]:
    """The commands that would go to the model process, which is not started."""
    told: list[commands.Command] = []
    monkeypatch.setattr(page.answering.process, "send", told.append)
    monkeypatch.setattr(page.answering.process, "kill", lambda: told.append(commands.Cancel("killed")))
    return told

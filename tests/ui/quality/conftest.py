"""A project of its own for each test, and the Quality page on it."""

from __future__ import annotations

import pytest

from dpo_studio.store import Project
from dpo_studio.ui.context import Context
from dpo_studio.ui.quality.page import QualityPage


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        yield made


@pytest.fixture
def context(qtbot, project):
    context = Context()
    context.open(project)
    yield context
    context.open(None)


@pytest.fixture
def page(qtbot, context):
    page = QualityPage(context)
    qtbot.addWidget(page)
    page.resize(1100, 800)
    yield page
    page.shut_down()

"""The Label page on a project of its own."""

from __future__ import annotations

import pytest

from dpo_studio.store import Project
from dpo_studio.ui.context import Context
from dpo_studio.ui.label import item_stack
from dpo_studio.ui.label.page import LabelPage
from tests.groups import add_group


@pytest.fixture(autouse=True)
def quick_hands(monkeypatch):
    """Tests click as soon as the window is there; a person's click would have been meant for the window."""
    monkeypatch.setattr(item_stack, "ACTIVATING_S", 0.0)


@pytest.fixture
def context(qtbot, tmp_path):
    made = Context()
    made.open(Project.create(tmp_path / "p"))
    yield made
    made.open(None)


@pytest.fixture
def show_page(qtbot, context):
    """A function that shows the page on what the project holds, with the keys' focus."""

    def show_page(*, size=(1280, 760)):
        page = LabelPage(context)
        qtbot.addWidget(page)
        page.ensure_built()
        page.resize(*size)
        page.show()
        page.activateWindow()
        qtbot.waitUntil(page.hasFocus)
        return page

    return show_page


@pytest.fixture
def open_page(context, show_page):
    """A function that adds groups of these sizes and shows the page on them."""

    def open_page(*sizes):
        for number, size in enumerate(sizes):
            add_group(context.project, f"prompt {number}", size)
        return show_page()

    return open_page

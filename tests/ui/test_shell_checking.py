"""A project opens at once; whether it is whole is looked at behind the window."""

from __future__ import annotations

import os
import time

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, backup, checking, prompts
from dpo_studio.ui.main_window import MainWindow
from dpo_studio.ui.settings_store import SettingsStore

WAIT_MS = 20_000


@pytest.fixture
def folder(tmp_path):
    with Project.create(tmp_path / "project") as project:
        prompts.add_many(project, ([Message("user", f"{number} " + "x" * 500)] for number in range(300)))
    return tmp_path / "project"


@pytest.fixture
def window(qtbot):
    made = MainWindow(SettingsStore(), page_sources=())
    qtbot.addWidget(made)
    made.said = []
    made.context.message.connect(lambda text, level: made.said.append((text, level)))
    yield made
    made.context.open(None)


def test_the_day_s_backup_is_made_behind_the_window(window, folder, qtbot):
    assert window.open_project(folder)
    qtbot.waitUntil(lambda: backup.newest(folder) is not None, timeout=WAIT_MS)
    qtbot.waitUntil(window.checking.thread_.isFinished, timeout=WAIT_MS)
    assert window.said == [] and window.context.project is not None


def test_a_backup_that_cannot_be_written_is_told(window, folder, qtbot):
    (folder / "backups").rmdir()
    (folder / "backups").write_text("a file in the way")
    assert window.open_project(folder)
    qtbot.waitUntil(lambda: bool(window.said), timeout=WAIT_MS)
    assert window.said[0][0].startswith("Today's backup could not be written") and window.said[0][1] == "info"
    assert window.context.project is not None


def test_a_damaged_project_is_closed_again_with_the_way_back(window, folder, qtbot):
    Project.open(folder).close()
    path = folder / "project.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(8192))
    window.open_project(folder)
    qtbot.waitUntil(lambda: bool(window.said), timeout=WAIT_MS)
    assert "database is damaged" in window.said[0][0] and window.said[0][1] == "error"
    assert str(backup.newest(folder)) in window.said[0][0]
    assert window.context.project is None and window.stack.currentWidget() is window.welcome


def test_another_project_does_not_wait_for_the_one_before(window, folder, qtbot, tmp_path, monkeypatch):
    Project.create(tmp_path / "other").close()
    real = checking.look_through

    def slow(conn, place):
        while place == folder:  # until it is interrupted
            conn.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT max(i) FROM n"
            )
        real(conn, place)

    monkeypatch.setattr(checking, "look_through", slow)
    assert window.open_project(folder)
    qtbot.wait(100)
    began = time.perf_counter()
    assert window.open_project(tmp_path / "other")
    assert time.perf_counter() - began < 5
    qtbot.waitUntil(lambda: backup.newest(tmp_path / "other") is not None, timeout=WAIT_MS)
    assert backup.newest(folder) is None and window.said == []

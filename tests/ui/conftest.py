"""A window of its own for each test: settings, documents and style in temporary places."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch, closed_windows_are_gone) -> Path:
    """The person's own settings are never read or written; the name was asked before."""
    path = tmp_path / "window-settings.ini"
    path.write_text("[label]\nannotator=me\n", encoding="utf-8")
    monkeypatch.setenv("DPO_STUDIO_SETTINGS", str(path))
    return path


@pytest.fixture
def light(qapp):
    """The application in the light look, whatever the machine's is."""
    from dpo_studio.ui import theme

    theme.apply(qapp, "light", scale=1.0)
    yield theme
    theme.apply(qapp, "light", scale=1.0)

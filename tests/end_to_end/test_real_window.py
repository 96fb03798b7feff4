"""The app as a process on a real X display: real key presses, a label in the database, a clean end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpo_studio.store import Project, rankings
from dpo_studio.store.sample import copy_sample

NEEDED = ("Xvfb", "xdotool")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="X11 is looked at on Linux"),
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)} (Debian packages)"
    ),
    pytest.mark.timeout(120),
]


@pytest.fixture
def display(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a program on a display of its own."""
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as said:
        number = said.readline().strip()
    environment = {**os.environ, "DISPLAY": f":{number}", "DPO_STUDIO_SETTINGS": str(tmp_path / "settings.ini")}
    environment.pop("QT_QPA_PLATFORM", None)
    environment.pop("WAYLAND_DISPLAY", None)
    yield environment
    server.terminate()
    server.wait(10)


def _xdotool(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        ["xdotool", *arguments], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def _wait_for(what, *, seconds: float = 30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail("it did not happen in time")


def test_labels_by_real_keys(display: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    with copy_sample(folder) as project:
        group = rankings.next_groups(project)[0]
        left = rankings.counts(project).left
    app = subprocess.Popen([sys.executable, "-m", "dpo_studio", str(folder)], env=display, stderr=subprocess.PIPE)
    try:
        found = _xdotool(display, "search", "--sync", "--onlyvisible", "--name", f"{folder.name} – DPO Studio")
        _xdotool(display, "windowfocus", "--sync", found.split()[0])  # there is no window manager to do it
        _xdotool(display, "key", "ctrl+3")
        time.sleep(1)

        def current():
            with Project.open(folder) as opened:
                return rankings.current(opened, group.id)

        _xdotool(display, "key", "--delay", "80", "2", "1", "3")
        ranking = _wait_for(current)
        shown = [ranking.ranks[completion] for completion in ranking.presented]
        assert shown == [2, 1, 3, 4], "the fourth is implied"
        with Project.open(folder) as opened:
            assert rankings.counts(opened).left == left - 1
        _xdotool(display, "key", "ctrl+z")
        _wait_for(lambda: current() is None)
        if shutil.which("setxkbmap"):  # on a French keyboard the same places give no digits without Shift
            subprocess.run(["setxkbmap", "fr"], env=display, check=True, timeout=60)
            _xdotool(display, "key", "--delay", "80", "12", "10", "11")  # key codes: the third, first and second key
            french = _wait_for(current)
            assert [french.ranks[completion] for completion in french.presented] == [2, 3, 1, 4]
            assert french.strength == 1 and french.presented == ranking.presented
            _xdotool(display, "key", "z")
            _wait_for(lambda: current() is None)
        _xdotool(display, "key", "ctrl+q")
        _, errors = app.communicate(timeout=30)
        assert app.returncode == 0, errors.decode()
    finally:
        if app.poll() is None:
            app.kill()

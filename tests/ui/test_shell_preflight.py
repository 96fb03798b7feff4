"""What is said when no window can open, and the installation's own check."""

import ctypes
import importlib.util
import os
import socket
import subprocess
import sys

import pytest

from dpo_studio.ui import app, machine, preflight

LINUX = sys.platform.startswith("linux")
pytestmark = pytest.mark.skipif(not LINUX, reason="the preflight looks closely on Linux only")


@pytest.fixture
def everything_loads(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())


def test_no_display_is_one_sentence(everything_loads):
    said = str(preflight.problem({}))
    assert said.startswith("There is no display here")
    assert "dpo-studio tour" in said


@pytest.mark.parametrize("name", ["offscreen", "minimal", "offscreen:size=800x600"])
def test_off_screen_needs_no_display(everything_loads, name):
    assert preflight.problem({"QT_QPA_PLATFORM": name}) is None


def test_missing_libraries_are_named_with_one_command(monkeypatch):
    def load(name):
        if name in ("libEGL.so.1", "libxcb-cursor.so.0"):
            raise OSError(name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    off_screen = str(preflight.problem({"QT_QPA_PLATFORM": "offscreen"}))
    assert off_screen.endswith("Type: sudo apt-get install -y libegl1")
    on_screen = str(preflight.problem({"DISPLAY": ":0"}))
    assert on_screen.endswith("Type: sudo apt-get install -y libegl1 libxcb-cursor0")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "sudo" not in str(preflight.problem({"DISPLAY": ":0"}))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "libxcb-cursor.so.0" in str(preflight.problem({"DISPLAY": ":0"}))


def test_a_display_that_does_not_answer(everything_loads, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "_X_SOCKETS", tmp_path)
    said = str(preflight.problem({"DISPLAY": ":4711"}))
    assert said.startswith("The display ':4711' does not answer")


def test_a_display_that_answers(everything_loads, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "_X_SOCKETS", tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "X4711"))
        server.listen()
        assert preflight.problem({"DISPLAY": ":4711.0"}) is None
        assert preflight.x_server_answers("unix:4711")
    assert not preflight.x_server_answers("nonsense")


def test_wayland_counts_where_its_socket_is(everything_loads, tmp_path):
    environment = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert preflight.problem(environment) is not None
    (tmp_path / "wayland-0").touch()
    assert preflight.problem(environment) is None


def test_without_pyside(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "PySide6" in str(preflight.problem({}))


def test_main_says_it_and_ends_with_2(monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert app.main(None) == 2
    assert "There is no display here" in capsys.readouterr().err


def test_memory_counts_this_process():
    size = machine.memory_bytes()
    assert size is not None and size > 20e6
    assert machine.in_words(310_000_000) == "310 MB"
    assert machine.in_words(2_140_000_000) == "2.1 GB"


def test_memory_counts_workers_of_this_process(tmp_path):
    program = "import sys, time; x = bytearray(80_000_000); print('up', flush=True); time.sleep(60)"
    script = tmp_path / "dpo_studio"
    script.mkdir()
    before = machine.memory_bytes()
    worker = subprocess.Popen(
        [sys.executable, "-c", program, "dpo_studio", "worker", "generate"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout.readline().strip() == "up"
        assert machine.memory_bytes() - before > 70e6
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def test_the_window_imports_nothing_heavy_before_a_project_opens():
    program = (
        "import sys, dpo_studio.ui.app, dpo_studio.ui.main_window\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'numpy', 'pyqtgraph', 'sqlite_utils'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert said.stdout.strip() == "[]", said.stderr

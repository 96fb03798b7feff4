"""Starting the window: preflight, application, main window, and a clean end."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from . import preflight

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

log = logging.getLogger("dpo_studio.ui")


def main(project_folder: Path | None, *, check: Path | None = None) -> int:
    """Open the window and stay until it is closed; returns the exit status.

    Args:
        project_folder: the project to open; None opens what was open last.
        check: open it off-screen instead, walk its pages and save their pictures there (see `check`).
    """
    if check is not None:
        return _check(check)
    problem = preflight.problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    from . import theme
    from .main_window import MainWindow
    from .settings_store import SettingsStore

    app = make_application()
    settings = SettingsStore()
    theme.apply(app, settings.theme_mode, scale=settings.text_scale)
    window = MainWindow(settings)
    window.errors.install()
    window.closed.connect(app.quit)
    stop = _end_on_signals(app, window.close)

    def open_first() -> None:
        log.info("first paint after %.2f s", seconds_since_start())
        if project_folder is not None:
            window.open_project(project_folder)
        else:
            window.open_last()

    window.first_painted.connect(open_first)
    window.show()
    status = app.exec()
    stop()
    window.errors.remove()
    return status


def check(out: Path) -> int:
    """Open the window off-screen on a copy of the sample, walk its pages, save a picture of each.

    Args:
        out: a folder for the pictures, or the .png of the first page (the others beside it).

    Returns:
        0, or 1 after printing what failed, or 2 when no window can open here at all.
    """
    return _check(out)


def make_application() -> QApplication:
    """The one QApplication, with its name and icon."""
    from PySide6.QtGui import QIcon
    from PySide6.QtWidgets import QApplication

    from dpo_studio.core import bundled

    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    app.setOrganizationName("DPO Studio")
    app.setApplicationName("DPO Studio")
    app.setDesktopFileName("dpo-studio")
    app.setQuitOnLastWindowClosed(False)  # MainWindow.closed ends the app, once its jobs have
    try:
        app.setWindowIcon(QIcon(str(bundled.folder("resources") / "icons" / "app.svg")))
    except FileNotFoundError:
        pass
    return app


def seconds_since_start() -> float:
    """Seconds since this process began, interpreter and imports included."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return up - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.perf_counter() - _IMPORTED_AT


_IMPORTED_AT = time.perf_counter()


def _check(out: Path) -> int:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    problem = preflight.problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    from .self_check import walk

    return walk(out)


def _end_on_signals(app: QApplication, close: Callable[[], object]) -> Callable[[], None]:
    """Close the window in good order at Ctrl+C or SIGTERM. Returns what undoes this."""
    import signal
    import socket

    from PySide6.QtCore import QSocketNotifier

    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    before_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read, app)

    def on_signal() -> None:
        received = reader.recv(64)
        if any(number in received for number in (signal.SIGINT, signal.SIGTERM)):
            close()

    def undo() -> None:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()

    notifier.activated.connect(on_signal)
    return undo

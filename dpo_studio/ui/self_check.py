"""Proof that an installation works: the real window, off-screen, page by page, with a picture of each."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from dpo_studio.core.errors import UserError

from . import projects, theme
from .app import make_application, seconds_since_start
from .main_window import MainWindow
from .settings_store import SettingsStore

PAINT_LIMIT_S = 20.0
SETTLE_S = 0.6
SIZE = (1280, 800)


def walk(out: Path) -> int:
    """Open the window on a copy of the sample, show every page, save pictures; 0 when nothing failed.

    Args:
        out: a folder for the pictures, or the .png of the first page.
    """
    app = make_application()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dpo-studio-check-", ignore_cleanup_errors=True) as temporary:
        scratch = Path(temporary)
        settings = SettingsStore(scratch / "settings.ini")
        theme.apply(app, "light")
        window = MainWindow(settings, documents=scratch)
        window.errors.install()
        window.errors.caught.connect(lambda sentence, details: failures.append(f"{sentence}\n{details}".strip()))
        painted: list[float] = []
        window.first_painted.connect(lambda: painted.append(seconds_since_start()))
        window.resize(*SIZE)
        window.show()
        _wait(app, lambda: bool(painted), PAINT_LIMIT_S)
        if painted:
            print(f"First paint {painted[0]:.2f} s after the start.")
        else:
            failures.append(f"The window was not painted within {PAINT_LIMIT_S:.0f} s.")
        _open_something(window, scratch, failures)
        for page in window.pages:
            window.show_page(page.name)
            _wait(app, lambda: False, SETTLE_S)
            if window.current_page is not page:
                failures.append(f"The page {page.title} could not be shown.")
        pictures = _photograph(window, app, out, failures)
        ended: list[bool] = []
        window.closed.connect(lambda: ended.append(True))
        window.close()
        if not _wait(app, lambda: bool(ended), PAINT_LIMIT_S):
            failures.append("The window did not close.")
    for failure in failures:
        print(failure, file=sys.stderr)
    if not failures:
        print(f"Every page of the rail opened; pictures: {', '.join(str(picture) for picture in pictures)}")
    return 1 if failures else 0


def _open_something(window: MainWindow, scratch: Path, failures: list[str]) -> None:
    """The sample; without one, say so and go on with an empty project."""
    try:
        project = projects.copy_sample(scratch)
        folder = project.folder
        project.close()
    except UserError as error:
        failures.append(str(error))
        folder = scratch / "Empty"
        projects.create_project(folder, "").close()
    if not window.open_project(folder):
        failures.append(window.messages.error.label.text() or f"{folder} could not be opened.")
    if not window.pages:
        failures.append("No page could be made.")


def _photograph(window: MainWindow, app: QApplication, out: Path, failures: list[str]) -> list[Path]:
    """A picture of each page, the first under the name that was asked for."""
    single = out.suffix.lower() == ".png"
    folder = out.parent if single else out
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number, page in enumerate(window.pages):
        window.show_page(page.name)
        _wait(app, lambda: False, 0.2)
        stem = f"{out.stem}-{page.name}" if single else f"window-{page.name}"
        path = out if single and number == 0 else folder / f"{stem}.png"
        if window.grab().save(str(path)):
            pictures.append(path)
        else:
            failures.append(f"The picture {path} could not be written.")
    return pictures


def _wait(app: QApplication, done: object, limit_s: float) -> bool:
    """Let the window live until something is so, or the time is up; whether it is so."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        if callable(done) and done():
            return True
        time.sleep(0.005)
    return False

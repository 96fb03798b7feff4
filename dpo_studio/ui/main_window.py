"""The main window: rail, pages, messages, status bar, and what the menus do.

What a page shows and does is the page's own; what is remembered is in settings_store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

import dpo_studio
from dpo_studio.core.errors import UserError

from . import closing, projects, theme
from .checking import Checking
from .context import Context
from .error_hook import ErrorHook
from .key_overview import KeyOverview
from .menus import Menus
from .merging import Merging
from .message_bar import MessageBar
from .page import Page
from .page_registry import PAGES, PageSource, make_pages
from .palette import Palette
from .rail import Rail
from .settings_store import SettingsStore
from .settling import Settling
from .status_bar import StatusBar
from .welcome import WelcomePage

if TYPE_CHECKING:
    from dpo_studio.store import Project

TEXT_STEP = 0.1
DEFAULT_SIZE = (1240, 820)
SMALLEST_SIZE = (720, 480)


class MainWindow(QMainWindow):
    """The window of the app.

    Signals:
        first_painted: it is on the screen for the first time.
        closed: it was closed, and every job that ends with it has ended.
    """

    first_painted = Signal()
    closed = Signal()

    def __init__(
        self,
        settings: SettingsStore,
        *,
        page_sources: Sequence[PageSource] = PAGES,
        documents: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.context = Context(self)
        self.errors = ErrorHook(self)
        self.pages: list[Page] = []
        self._page_sources = page_sources
        self._documents = documents
        self._pages_made = False

        self.rail = Rail()
        self.messages = MessageBar()
        self.welcome = WelcomePage()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.welcome)
        self.status = StatusBar(self.context)
        self._lay_out()
        self.palette_overlay = Palette(self.centralWidget())
        self.key_overview = KeyOverview(self.centralWidget())
        self.menus = Menus(self.menuBar(), self)
        self.merging = Merging(self.context, self.menus.merge, self)
        self.checking = Checking(self.context, self)
        self.settling = Settling(self.context, self)
        self._connect()

        _FirstPaint(self)
        self.setMinimumSize(*SMALLEST_SIZE)
        self.resize(*DEFAULT_SIZE)
        if settings.geometry is not None:
            self.restoreGeometry(settings.geometry)
        self._show_project()

    # What can be asked of it

    def open_project(self, folder: Path) -> bool:
        """Open a project; a sentence is shown when that fails. Whether it was opened."""
        return self._open(lambda: projects.open_project(folder))

    def create_project(self, folder: Path, guideline: str) -> bool:
        """Make a project and open it."""
        return self._open(lambda: projects.create_project(folder, guideline), page="prompts")

    def open_sample(self) -> bool:
        """Copy the sample into the person's documents and open it."""
        parent = self._documents or projects.documents_folder()
        return self._open(lambda: projects.copy_sample(parent), page="label")

    def open_last(self) -> None:
        """Open what was open when the window closed, if it is still there."""
        last = self.settings.last_project
        if last is not None and (last / "project.db").is_file():
            self.open_project(last)

    def close_project(self) -> None:
        """Go back to the welcome page."""
        if self._may_leave_project():
            self._leave_page()
            self.context.open(None)
            self.settings.last_project = None

    def show_page(self, name: str) -> None:
        """Go to a page of the rail; unknown names are left alone."""
        page = next((page for page in self.pages if page.name == name), None)
        if page is None or self.context.project is None:
            return
        if page is not self.current_page:
            self._leave_page()
        page.ensure_built()
        self.stack.setCurrentWidget(page)
        self.rail.show_current(name)
        self.settings.last_page = name
        self._yield_keys(page)
        page.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def current_page(self) -> Page | None:
        """The page of the rail that is shown; None on the welcome page."""
        page = self.stack.currentWidget()
        return page if isinstance(page, Page) else None

    def set_theme(self, mode: str) -> None:
        self.settings.theme_mode = mode
        self._apply_look()

    def change_text_scale(self, step: float) -> None:
        """Make text larger or smaller; a step of 0 is the usual size."""
        scale = 1.0 if step == 0 else theme.text_scale() + step
        self.settings.text_scale = min(max(scale, theme.SMALLEST_SCALE), theme.LARGEST_SCALE)
        self._apply_look()

    def show_palette(self) -> None:
        """Ctrl+K: the page's own actions first, then the window's. Once more closes it."""
        if self.palette_overlay.isVisible():
            self.palette_overlay.close_overlay()
            return
        page = self.current_page
        own = page.actions_for_palette() if page is not None and page.built else []
        self.palette_overlay.open_with([*own, *(a for a in self.menus.all_actions() if a is not self.menus.actions)])

    def show_keys(self) -> None:
        """F1 or ?: the keys of the page that is shown. Once more closes it."""
        if self.key_overview.isVisible():
            self.key_overview.close_overlay()
            return
        page = self.current_page
        self.key_overview.open_with(page.title if page else "", page.key_help() if page else [])

    def undo(self) -> None:
        """Undo on the page that is shown, if it can."""
        page = self.current_page
        undo = getattr(page, "undo", None)
        if callable(undo):
            undo()
        elif page is not None:
            self.context.say(f"There is nothing to undo on {page.title}.")

    # Events of Qt

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.messages.dismiss():
            return
        button = self.focusWidget()
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if (
            enter
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            and isinstance(button, QAbstractButton)
        ):
            button.click()  # outside dialogs Qt lets only Space press a button; nothing on the page wanted this Enter
            return
        super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Write down what is unsaved; generation ends and keeps what is finished, training goes on."""
        self.settings.geometry = self.saveGeometry()
        self._leave_page()
        if self.context.project is not None:
            self.settings.last_project = self.context.project.folder
        self.settings.save()
        closing.wind_down(self.context.jobs, self, then=self._on_wound_down)
        event.accept()

    def _on_wound_down(self) -> None:
        for page in self.pages:
            shut_down = getattr(page, "shut_down", None)
            if callable(shut_down):
                shut_down()
        self.context.open(None)
        self.errors.remove()
        self.closed.emit()

    # Inside

    def _lay_out(self) -> None:
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.messages)
        right.addWidget(self.stack, 1)
        top = QHBoxLayout()
        top.setSpacing(0)
        top.addWidget(self.rail)
        top.addLayout(right, 1)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top, 1)
        column.addWidget(self.status)
        self.setCentralWidget(whole)

    def _connect(self) -> None:
        self.context.message.connect(self.messages.show_message)
        self.context.page_wanted.connect(self.show_page)
        self.context.project_changed.connect(self._show_project)
        self.errors.caught.connect(self._on_error_caught)
        self.rail.chosen.connect(self._on_rail_chosen)
        self.status.job_ended.connect(self._on_job_ended)
        self.first_painted.connect(self.status.start_watching)

        self.welcome.sample_asked.connect(self.open_sample)
        self.welcome.open_asked.connect(self._ask_for_project)
        self.welcome.form_asked.connect(self._show_new_project)
        self.welcome.project_asked.connect(self.open_project)
        self.welcome.creation_asked.connect(self.create_project)
        self.welcome.forget_asked.connect(self._forget)

        menus = self.menus
        for action, slot in (
            (menus.new, self._show_new_project),
            (menus.open, self._ask_for_project),
            (menus.open_sample, self.open_sample),
            (menus.close_project, self.close_project),
            (menus.quit, self.close),
            (menus.undo, self.undo),
            (menus.larger, lambda: self.change_text_scale(TEXT_STEP)),
            (menus.smaller, lambda: self.change_text_scale(-TEXT_STEP)),
            (menus.usual_size, lambda: self.change_text_scale(0)),
            (menus.keys, self.show_keys),
            (menus.actions, self.show_palette),
            (menus.about, self._say_about),
        ):
            action.triggered.connect(lambda _checked=False, slot=slot: slot())
        for mode, action in menus.themes.items():
            action.setChecked(mode == self.settings.theme_mode)
            action.triggered.connect(lambda _checked=False, mode=mode: self.set_theme(mode))

    def _open(self, make: Callable[[], Project], *, page: str = "") -> bool:
        if not self._may_leave_project():
            return False
        try:
            project = make()
        except UserError as error:
            self.context.complain(error)
            return False
        self._leave_page()
        self.messages.clear()
        self.settings.add_recent(project.folder)
        self.settings.last_project = project.folder
        self._make_pages()
        if page:
            self.settings.last_page = page
        self.context.open(project)
        return True

    def _make_pages(self) -> None:
        if self._pages_made:
            return
        self._pages_made = True
        self.pages = make_pages(
            self.context,
            self._page_sources,
            on_failure=lambda error: self.errors.handle(type(error), error, error.__traceback__),
        )
        for page in self.pages:
            self.stack.addWidget(page)
        self.rail.set_pages(self.pages)
        self.menus.set_pages(self.pages, self.show_page)

    def _show_project(self) -> None:
        project = self.context.project
        self.menus.set_project_open(project is not None)
        recent = self.settings.recent
        self.menus.set_recent([f for f in recent if (f / "project.db").is_file()], self.open_project)
        self.rail.setVisible(project is not None and bool(self.pages))
        self.status.setVisible(project is not None)
        if project is None:
            self.setWindowTitle("DPO Studio")
            self.welcome.set_recent(recent)
            self.stack.setCurrentWidget(self.welcome)
            self.welcome.show_start()
            return
        self.setWindowTitle(f"{project.folder.name} – DPO Studio")
        self.rail.refresh()
        names = [page.name for page in self.pages]
        wanted = self.settings.last_page
        if names:
            self.show_page(wanted if wanted in names else "label" if "label" in names else names[0])

    def _leave_page(self) -> None:
        page = self.current_page
        if page is not None and page.built:
            page.leave()

    def _may_leave_project(self) -> bool:
        busy = [job for job in self.context.jobs.jobs if not closing.outlives_window(job)]
        if busy:
            self.context.complain(UserError(f"This project is still {busy[0].title}.", "Stop that first, or wait."))
        return not busy

    def _yield_keys(self, page: Page) -> None:
        """Where a page has its own action for Undo's or the overview's key, the key is the page's."""
        taken = {keys.toString() for action in page.findChildren(QAction) for keys in action.shortcuts()}
        taken |= {shortcut.key().toString() for shortcut in page.findChildren(QShortcut)}
        for action, keys in ((self.menus.undo, ("Ctrl+Z",)), (self.menus.keys, ("F1", "?"))):
            action.setShortcuts([QKeySequence(key) for key in keys if key not in taken])

    def _show_new_project(self) -> None:
        if self._may_leave_project():
            if self.context.project is not None:
                self.close_project()
            self.welcome.show_form(projects.free_folder(self._documents or projects.documents_folder(), "My project"))

    def _ask_for_project(self) -> None:
        start = self.settings.recent[0].parent if self.settings.recent else Path.home()
        name = QFileDialog.getExistingDirectory(self, "Open a project folder", str(start))
        if name:
            self.open_project(Path(name))

    def _forget(self, folder: Path) -> None:
        self.settings.remove_recent(folder)
        self.welcome.set_recent(self.settings.recent)

    def _apply_look(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, self.settings.theme_mode, scale=self.settings.text_scale)

    def _on_rail_chosen(self, name: str) -> None:
        self.show_page(name)
        self.rail.show_current(self.current_page.name if self.current_page else "")

    def _on_error_caught(self, sentence: str, details: str) -> None:
        self.messages.show_message(sentence, "error", details)

    def _on_job_ended(self, title: str) -> None:
        if not self.isActiveWindow():
            QApplication.alert(self)
            if self.messages.info.isHidden() and self.messages.error.isHidden():
                self.context.say(f"Ended: {title}.")  # well or not: its page says how

    def _say_about(self) -> None:
        self.context.say(
            f"DPO Studio {dpo_studio.__version__}: label preferences, train on them, see the difference."
            " Everything stays on this machine. Apache-2.0."
        )


class _FirstPaint(QObject):
    """Watches the window until it is painted for the first time, then never again."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self._window.removeEventFilter(self)
            QTimer.singleShot(0, self._window, self._window.first_painted.emit)
        return False

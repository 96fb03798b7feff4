"""What is shown while no project is open: the sample, a new project, one from disk, recent ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from . import theme

_COLUMN_WIDTH = 640
PROJECT_FILE = "project.db"


class RecentRow(QFrame):
    """One recent project: open it, or take it off the list.

    Signals:
        opened, removed: what was asked for.
    """

    opened = Signal()
    removed = Signal()

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.folder = folder
        self.missing = not (folder / PROJECT_FILE).is_file()
        self.open_button = QPushButton(folder.name)
        self.open_button.setProperty("role", "link")
        self.open_button.setAccessibleName(f"Open {folder.name}")
        self.open_button.setDisabled(self.missing)
        self.open_button.clicked.connect(self.opened)
        place = QLabel(f"no longer there: {folder}" if self.missing else str(folder.parent))
        place.setProperty("role", "warning" if self.missing else "muted")
        place.setTextFormat(Qt.TextFormat.PlainText)
        place.setContentsMargins(5, 0, 0, 0)
        place.setWordWrap(True)
        remove = QToolButton()
        remove.setText("✕")
        remove.setToolTip("Take off this list; the project itself stays")
        remove.setAccessibleName(f"Take {folder.name} off the list of recent projects")
        remove.clicked.connect(self.removed)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignLeft)
        words.addWidget(place)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_S, theme.SPACE_S, theme.SPACE_S, theme.SPACE_S)
        row.addLayout(words, 1)
        row.addWidget(remove)


class NewProjectForm(QWidget):
    """Where the project goes and what "better" means in it.

    Signals:
        submitted: (folder, guideline).
        cancelled: the person went back.
    """

    submitted = Signal(Path, str)
    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        heading = QLabel("New project")
        heading.setProperty("role", "heading")
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("A new folder")
        self.folder.setAccessibleName("Folder of the new project")
        self.folder.textChanged.connect(self._on_changed)
        self.folder.returnPressed.connect(self.submit)
        choose = QPushButton("Choose…")
        choose.setAccessibleName("Choose the folder's place")
        choose.clicked.connect(self._choose)
        self.guideline = QPlainTextEdit()
        self.guideline.setTabChangesFocus(True)
        self.guideline.setPlaceholderText("For example: short, plain answers that say so when they are not sure.")
        self.guideline.setAccessibleName("What makes an answer better?")
        self.guideline.setFixedHeight(6 * self.fontMetrics().lineSpacing())
        self.create_button = QPushButton("Create project")
        self.create_button.setProperty("role", "primary")
        self.create_button.clicked.connect(self.submit)
        back = QPushButton("Back")
        back.clicked.connect(self.cancelled)
        hint = QLabel("Written down once, shown beside every comparison.")
        hint.setProperty("role", "muted")
        hint.setWordWrap(True)

        place = QHBoxLayout()
        place.addWidget(self.folder, 1)
        place.addWidget(choose)
        buttons = QHBoxLayout()
        buttons.addWidget(self.create_button)
        buttons.addWidget(back)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(heading)
        column.addSpacing(theme.SPACE_M)
        column.addWidget(_label_for("Folder", self.folder))
        column.addLayout(place)
        column.addSpacing(theme.SPACE_M)
        column.addWidget(_label_for("What makes an answer better?", self.guideline))
        column.addWidget(self.guideline)
        column.addWidget(hint)
        column.addSpacing(theme.SPACE_M)
        column.addLayout(buttons)
        column.addStretch(1)
        self._on_changed()

    def suggest(self, folder: Path) -> None:
        """Fill in a folder to begin with, and put the cursor where writing starts."""
        self.folder.setText(str(folder))
        self.guideline.clear()
        self.guideline.setFocus()

    def submit(self) -> None:
        text = self.folder.text().strip()
        if text:
            self.submitted.emit(Path(text).expanduser(), self.guideline.toPlainText().strip())

    def _choose(self) -> None:
        start = self.folder.text() or str(Path.home())
        name, _ = QFileDialog.getSaveFileName(
            self, "A folder for the new project", start, "", options=QFileDialog.Option.ShowDirsOnly
        )
        if name:
            self.folder.setText(name)

    def _on_changed(self) -> None:
        self.create_button.setEnabled(bool(self.folder.text().strip()))


class WelcomePage(QWidget):
    """The first thing a person sees.

    Signals:
        sample_asked, open_asked: a button was pressed.
        project_asked: a recent project's folder.
        creation_asked: (folder, guideline) of a new project.
        forget_asked: a folder to take off the recent list.
        form_asked: the new-project form is wanted.
    """

    sample_asked = Signal()
    open_asked = Signal()
    form_asked = Signal()
    project_asked = Signal(Path)
    creation_asked = Signal(Path, str)
    forget_asked = Signal(Path)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page-welcome")
        self.recent_rows: list[RecentRow] = []
        self.form = NewProjectForm()
        self.form.submitted.connect(self.creation_asked)
        self.form.cancelled.connect(self.show_start)
        self._start = self._make_start()
        self._stack = QStackedLayout()
        self._stack.addWidget(self._start)
        self._stack.addWidget(self.form)
        inner = QWidget()
        inner.setMaximumWidth(_COLUMN_WIDTH)
        inner.setLayout(self._stack)
        middle = QWidget()
        row = QHBoxLayout(middle)
        row.setContentsMargins(theme.SPACE_XL, 2 * theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL)
        row.addStretch(1)
        row.addWidget(inner, 20)
        row.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(middle)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scroll)

    def show_start(self) -> None:
        self._stack.setCurrentWidget(self._start)
        self.sample_button.setFocus()

    def show_form(self, folder: Path) -> None:
        """Ask for a new project's folder and guideline."""
        self._stack.setCurrentWidget(self.form)
        self.form.suggest(folder)

    @property
    def form_shown(self) -> bool:
        return self._stack.currentWidget() is self.form

    def set_recent(self, folders: Sequence[Path]) -> None:
        """Show these recent projects, those that are gone marked so."""
        for row in self.recent_rows:
            self._recent.removeWidget(row)
            row.deleteLater()
        self.recent_rows = []
        for folder in folders:
            row = RecentRow(folder)
            row.opened.connect(lambda folder=folder: self.project_asked.emit(folder))
            row.removed.connect(lambda folder=folder: self.forget_asked.emit(folder))
            self._recent.addWidget(row)
            self.recent_rows.append(row)
        self._recent_heading.setVisible(bool(folders))

    def _make_start(self) -> QWidget:
        start = QWidget()
        heading = QLabel("DPO Studio")
        heading.setProperty("role", "heading")
        purpose = QLabel(
            "Teach a language model on your own machine to answer the way you want: let it write several answers,"
            " say which are better, train, and see the difference."
        )
        purpose.setWordWrap(True)
        self.sample_button = QPushButton("Open sample")
        self.sample_button.setProperty("role", "primary")
        self.sample_button.clicked.connect(self.sample_asked)
        self.new_button = QPushButton("New project")
        self.new_button.clicked.connect(self.form_asked)
        self.open_button = QPushButton("Open…")
        self.open_button.setAccessibleName("Open a project folder")
        self.open_button.clicked.connect(self.open_asked)
        hint = QLabel("The sample has prompts, answers and labels already, so every page has something to show.")
        hint.setProperty("role", "muted")
        hint.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.SPACE_M)
        for button in (self.sample_button, self.new_button, self.open_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        self._recent_heading = QLabel("Recent projects")
        self._recent_heading.setProperty("role", "subheading")
        self._recent = QVBoxLayout()
        self._recent.setSpacing(theme.SPACE_S)
        column = QVBoxLayout(start)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_M)
        column.addWidget(heading)
        column.addWidget(purpose)
        column.addSpacing(theme.SPACE_M)
        column.addLayout(buttons)
        column.addWidget(hint)
        column.addSpacing(theme.SPACE_XL)
        column.addWidget(self._recent_heading)
        column.addLayout(self._recent)
        column.addStretch(1)
        return start


def _label_for(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    return label

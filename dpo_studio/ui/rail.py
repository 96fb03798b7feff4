"""The rail at the left: the pages in the order of the loop, with what waits on each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dpo_studio.core import bundled

from . import theme
from .page import Page

WIDTH_CHARACTERS = 18
#: In a window that is narrower than this, in pixels, pictures alone leave the pages the room they need.
NARROW_WINDOW = 880
_ICON_PX = 20


class RailButton(QPushButton):
    """One page of the rail: its picture, its title, and what waits there."""

    def __init__(self, page: Page, number: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.page_name = page.name
        self._page = page
        self._number = number
        self.setProperty("role", "rail")
        self.setCheckable(True)
        self._picture = QLabel()
        self._picture.setFixedWidth(_ICON_PX + 4)
        title = QLabel(page.title)
        self._badge = QLabel()
        self._badge.setProperty("role", "muted")
        self._words = QWidget()
        text = QVBoxLayout(self._words)
        text.setContentsMargins(0, 0, 0, 0)
        text.setSpacing(0)
        text.addWidget(title)
        text.addWidget(self._badge)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_S, theme.SPACE_S)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._words, 1)
        for label in (self._picture, self._words, title, self._badge):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        page.badge_changed.connect(self.refresh)
        self.refresh()

    @property
    def badge(self) -> str:
        """What it says waits there."""
        return self._badge.text()

    def refresh(self) -> None:
        """Read the page's badge and paint the picture in the colours of now."""
        badge = self._page.badge()
        self._badge.setText(badge)
        self._badge.setVisible(bool(badge))
        self.setAccessibleName(f"{self._page.title}, {badge}" if badge else self._page.title)
        self._show_tip()
        self._picture.setPixmap(_icon(self.page_name).pixmap(QSize(_ICON_PX, _ICON_PX), self.devicePixelRatioF()))
        self.updateGeometry()

    def set_narrow(self, narrow: bool) -> None:
        """Show the picture alone; the words are in the tool tip then."""
        self._words.setVisible(not narrow)
        self._show_tip()
        self.updateGeometry()

    def _show_tip(self) -> None:
        key = f"Ctrl+{self._number}"
        self.setToolTip(f"{self.accessibleName()} ({key})" if self._words.isHidden() else key)

    def sizeHint(self) -> QSize:
        return self.layout().sizeHint()

    def minimumSizeHint(self) -> QSize:
        return self.layout().minimumSize()


class Rail(QFrame):
    """The pages of the window. Up and Down move the focus among them, as in any row of buttons.

    Signals:
        chosen: the name of the page that was asked for.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "rail")
        self.setAccessibleName("Pages")
        self.buttons: list[RailButton] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(theme.SPACE_S, theme.SPACE_L, theme.SPACE_S, theme.SPACE_L)
        self._column.setSpacing(4)
        self._column.addStretch(1)
        theme.notifier().changed.connect(self._on_look_changed)
        self._fit()

    def set_pages(self, pages: Sequence[Page]) -> None:
        """Show these pages in place of the ones before."""
        for button in self.buttons:
            self._column.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        for number, page in enumerate(pages, 1):
            button = RailButton(page, number, self)
            button.clicked.connect(self._on_clicked)
            self._column.insertWidget(number - 1, button)
            self.buttons.append(button)
        self._fit()

    def show_current(self, name: str) -> None:
        for button in self.buttons:
            button.setChecked(button.page_name == name)

    def refresh(self) -> None:
        for button in self.buttons:
            button.refresh()

    def _on_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, RailButton):
            self.chosen.emit(button.page_name)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.window().installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._fit()
        return False

    def _on_look_changed(self) -> None:
        self._fit()
        self.refresh()

    def _fit(self) -> None:
        narrow = self.window() is not self and self.window().width() < NARROW_WINDOW
        for button in self.buttons:
            button.set_narrow(narrow)
        pictures = _ICON_PX + 4 + theme.SPACE_M + 3 * theme.SPACE_S
        words = self.fontMetrics().averageCharWidth() * WIDTH_CHARACTERS + 3 * theme.SPACE_XL
        self.setFixedWidth(pictures if narrow else words)


def _icon(name: str) -> QIcon:
    look = "dark" if theme.current().dark else "light"
    try:
        path = bundled.folder("resources") / "icons" / f"{name}-{look}.svg"
    except FileNotFoundError:
        return QIcon()
    return QIcon(str(path)) if path.is_file() else QIcon()

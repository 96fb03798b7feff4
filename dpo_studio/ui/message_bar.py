"""Sentences for the person, above the page: news that goes by itself, errors that stay until dismissed."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from . import theme

INFO_SHOWN_MS = 6000


class _Strip(QFrame):
    """One sentence with its buttons.

    Signals:
        dismissed: the person closed it.
    """

    dismissed = Signal()

    def __init__(self, role: str, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", role)
        self._copied = ""
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setAccessibleName(name)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setProperty("role", "ghost")
        self.copy_button.clicked.connect(self._copy)
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setToolTip("Dismiss")
        self.close_button.setAccessibleName(f"Dismiss {name.lower()}")
        self.close_button.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_L, theme.SPACE_S, theme.SPACE_S, theme.SPACE_S)
        row.addWidget(self.label, 1)
        row.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_text(self, text: str, details: str = "") -> None:
        self.label.setText(text)
        self._copied = f"{text}\n\n{details}" if details else text
        self.copy_button.setText("Copy details" if details else "Copy")
        self.copy_button.setAccessibleName("Copy details of this message" if details else "Copy this message")
        self.show()

    def dismiss(self) -> None:
        self.hide()
        self.dismissed.emit()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._copied)
        self.copy_button.setText("Copied")


class MessageBar(QWidget):
    """The window's place for messages. Takes no room while there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.error = _Strip("banner-error", "Error", self)
        self.info = _Strip("banner", "Message", self)
        self.info.copy_button.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(INFO_SHOWN_MS)
        self._timer.timeout.connect(self._on_time_up)
        for strip in (self.error, self.info):
            strip.dismissed.connect(self._fit)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_XL, theme.SPACE_M, theme.SPACE_XL, 0)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self.error)
        column.addWidget(self.info)
        self.hide()

    def show_message(self, text: str, level: str = "info", details: str = "") -> None:
        """Show a sentence; the newest takes the place of the one before of its level.

        Args:
            level: "info" goes after some seconds, "error" stays until it is dismissed.
            details: what "Copy details" adds, such as a traceback.
        """
        if not text:
            return
        if level == "error":
            self.error.show_text(text, details)
        else:
            self.info.show_text(text)
            self._timer.start()
        self.show()

    def clear(self) -> None:
        self.error.hide()
        self.info.hide()
        self._fit()

    def dismiss(self) -> bool:
        """Dismiss what is shown; whether there was something."""
        for strip in (self.error, self.info):
            if not strip.isHidden():
                strip.dismiss()
                return True
        return False

    def _on_time_up(self) -> None:
        if self.info.underMouse() or self.info.close_button.hasFocus():  # being read
            self._timer.start()
            return
        self.info.dismiss()

    def _fit(self) -> None:
        self.setVisible(not (self.error.isHidden() and self.info.isHidden()))

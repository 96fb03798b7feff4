"""What stands around the answers: a link to confirm, the empty page; and how labels and buttons are made."""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

_OPENABLE = ("http", "https", "mailto")


class LinkBanner(QFrame):
    """Asks before a link in an answer is opened.

    Signals:
        closed: it was answered.
    """

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "banner")
        self._url = QUrl()
        self._text = label("")
        self._text.setWordWrap(True)
        self.open_button = button("Open in the browser")
        leave = button("Leave it", role="ghost")
        self.open_button.clicked.connect(self._on_open)
        leave.clicked.connect(self.close_banner)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.addWidget(self._text, 1)
        layout.addWidget(self.open_button)
        layout.addWidget(leave)
        self.hide()

    def ask(self, url: QUrl) -> None:
        """Show where a link leads, and offer to go there when it is a web or mail address."""
        self._url = url
        address = bytes(url.toEncoded().data()).decode("ascii")  # letters that look like others do not hide in it
        shown = address if len(address) <= 200 else address[:200] + "…"
        can = url.scheme().lower() in _OPENABLE
        self._text.setText(f"The model wrote this link: {shown}" + ("" if can else " It is not a web address."))
        self.open_button.setVisible(can)
        self.show()

    def close_banner(self) -> None:
        if self.isVisible():
            self.hide()
            self.closed.emit()

    def _on_open(self) -> None:
        QDesktopServices.openUrl(self._url)
        self.close_banner()


class EmptyPanel(QWidget):
    """The page without an item: one sentence, and what to do now.

    Signals:
        wanted: (page) the name of the page to go to.
    """

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = label("subheading")
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sentence.setWordWrap(True)
        self.buttons = [button("", role="primary"), button("")]
        self._pages = ["", ""]
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addStretch(1)
        for number, one in enumerate(self.buttons):
            one.clicked.connect(lambda _checked, place=number: self.wanted.emit(self._pages[place]))
            row.addWidget(one)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setSpacing(16)
        layout.addStretch(1)
        layout.addWidget(self.sentence)
        layout.addLayout(row)
        layout.addStretch(1)

    def show_state(self, *, has_project: bool, has_prompts: bool, ready: int, skipped: int) -> None:
        """Say why nothing is to be labelled, and offer what can be done about it."""
        actions: list[tuple[str, str]] = []
        if not has_project:
            text = "Open or make a project to label its answers."
        elif not ready and not has_prompts:
            text, actions = "Nothing to label yet: there are no prompts.", [("Add prompts", "prompts")]
        elif not ready:
            text, actions = "Nothing to label yet: there are no answers to compare.", [("Generate answers", "generate")]
        elif skipped == ready:
            text = f"All {ready:,} were skipped: click one below to label it after all, or make others."
            actions = [("Generate more", "generate")]
        else:
            skips = f" ({skipped} skipped)" if skipped else ""
            text = f"All {ready:,} are labelled{skips}. The model can learn from them now."
            actions = [("Go to Train", "train"), ("Generate more", "generate")]
        self.sentence.setText(text)
        for number, one in enumerate(self.buttons):
            one.setVisible(number < len(actions))
            if number < len(actions):
                one.setText(actions[number][0])
                one.setAccessibleName(actions[number][0])
                self._pages[number] = actions[number][1]


def label(role: str, text: str = "") -> QLabel:
    """A label with a role of the style sheet."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        made.setProperty("role", role)
    return made


def button(text: str, *, role: str = "", tip: str = "") -> QPushButton:
    """A button that a click does not give the focus, so that keys stay with the page."""
    made = QPushButton(text)
    if role:
        made.setProperty("role", role)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setToolTip(tip)
    made.setAccessibleName(text)
    return made


__all__ = ["EmptyPanel", "LinkBanner", "button", "label"]

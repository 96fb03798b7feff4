"""Two small pages for the tests of the window around them."""

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QLineEdit, QPushButton, QVBoxLayout

from dpo_studio.ui.page import KeyHelp, Page


class OnePage(Page):
    name = "one"
    title = "First"

    def __init__(self, context, parent=None):
        super().__init__(context, parent)
        self.waits = "12 left"
        self.did = []

    def build(self):
        self.field = QLineEdit()
        self.button = QPushButton("Button")
        column = QVBoxLayout(self)
        column.addWidget(self.field)
        column.addWidget(self.button)
        self.action = QAction("Tidy the answers", self)
        self.action.setShortcut(QKeySequence("Ctrl+T"))
        self.action.triggered.connect(lambda: self.did.append("tidied"))
        self.addAction(self.action)

    def badge(self):
        return self.waits

    def key_help(self):
        return [KeyHelp("1 or ←", "Chooses the left answer")]

    def actions_for_palette(self):
        return [self.action]

    def leave(self):
        self.did.append("left")

    def undo(self):
        self.did.append("undone")


class OtherPage(Page):
    """A page with a Ctrl+Z of its own and no undo()."""

    name = "other"
    title = "Second"

    def build(self):
        self.undone = 0
        self.action = QAction("Undo here", self)
        self.action.setShortcut(QKeySequence("Ctrl+Z"))
        self.action.triggered.connect(self._on_undo)
        self.addAction(self.action)
        QVBoxLayout(self).addWidget(QLineEdit())

    def _on_undo(self):
        self.undone += 1


class BrokenPage(Page):
    name = "broken"
    title = "Broken"

    def __init__(self, context, parent=None):
        super().__init__(context, parent)
        raise ValueError("no page today")

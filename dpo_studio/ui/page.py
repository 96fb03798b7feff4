"""What the window asks of a page of the rail."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from .context import Context


@dataclass(frozen=True, slots=True)
class KeyHelp:
    """One line of the page's key overview (F1)."""

    keys: str
    does: str


class Page(QWidget):
    """A page of the rail. Subclasses set `name` and `title` and fill in what they need.

    A page builds its widgets when it is first shown (`build`), so that a page with plots costs
    nothing at start.

    Attributes:
        name: the key in the rail ("prompts", "generate", "label", "train", "export").
        title: what the rail shows.

    Signals:
        badge_changed: `badge()` would say something else now.
    """

    name = ""
    title = ""
    badge_changed = Signal()

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.built = False
        self.setObjectName(f"page-{self.name}")
        self.setAccessibleName(self.title)

    def ensure_built(self) -> None:
        """Build the widgets once; the window calls it before it shows the page."""
        if not self.built:
            self.built = True
            self.build()

    def build(self) -> None:
        """Make the widgets and fill them from `context.project`, which may be None."""
        raise NotImplementedError

    def focusNextPrevChild(self, forwards: bool) -> bool:
        """Tab from the page itself goes to the first control in it, not past the rail first."""
        if forwards and self.hasFocus():
            widget = self.nextInFocusChain()
            while widget is not self:
                takes_tab = widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isEnabled()
                if takes_tab and self.isAncestorOf(widget) and widget.isVisibleTo(self):
                    widget.setFocus(Qt.FocusReason.TabFocusReason)
                    return True
                widget = widget.nextInFocusChain()
        return super().focusNextPrevChild(forwards)

    def badge(self) -> str:
        """What waits here, for the rail: "12 left", "● running", or nothing. Works before `build`."""
        return ""

    def key_help(self) -> list[KeyHelp]:
        """The keys of this page."""
        return []

    def actions_for_palette(self) -> list[QAction]:
        """Actions of this page for Ctrl+K, with their shortcuts set; works once built."""
        return []

    def leave(self) -> None:
        """Called when another page is shown or the window closes: write down what is unsaved."""

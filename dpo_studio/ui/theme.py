"""Colours, spacing and the style sheet of the window; light, dark, or whatever the system says.

Pages style their widgets with a dynamic property `role` (see `set_role`) and read colours for what
they paint themselves from `current()`, again at each `notifier().changed`.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from . import style_sheet

MODES = ("system", "light", "dark")
SMALLEST_SCALE, LARGEST_SCALE = 0.7, 2.5

SPACE_S, SPACE_M, SPACE_L, SPACE_XL = 8, 12, 16, 24


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one look, as "#rrggbb".

    Attributes:
        background: the window. surface: fields, lists, the rail. card: cards on the background.
        border: hairlines; outline: borders of controls, strong enough to be found (3:1).
        selection: behind selected text and rows, under `text`.
        hover: behind what the pointer is over.
        series: colours for plots, told apart by people who are colour-blind too.
    """

    dark: bool
    background: str
    surface: str
    card: str
    border: str
    outline: str
    text: str
    muted: str
    accent: str
    accent_text: str
    accent_hover: str
    good: str
    bad: str
    warn: str
    selection: str
    hover: str
    series: tuple[str, ...]


LIGHT = Theme(
    dark=False,
    background="#f4f5f8",
    surface="#ffffff",
    card="#ffffff",
    border="#dadee6",
    outline="#808a99",
    text="#171b22",
    muted="#566070",
    accent="#2d5bd7",
    accent_text="#ffffff",
    accent_hover="#2149b5",
    good="#16744a",
    bad="#b8281f",
    warn="#8a5200",
    selection="#dbe5ff",
    hover="#e9ecf2",
    series=("#2d5bd7", "#c8500a", "#16835a", "#9a3bb0", "#8a6a00", "#566070"),
)

DARK = Theme(
    dark=True,
    background="#14171c",
    surface="#1b1f26",
    card="#20252d",
    border="#343b47",
    outline="#6d7888",
    text="#e9ecf1",
    muted="#a3adbb",
    accent="#86a8ff",
    accent_text="#0c1427",
    accent_hover="#a6c0ff",
    good="#63d39a",
    bad="#ff8a80",
    warn="#f2bb5e",
    selection="#2c3d68",
    hover="#2a303a",
    series=("#86a8ff", "#ff9f5a", "#63d39a", "#d795ee", "#f0cf65", "#a3adbb"),
)


class Notifier(QObject):
    """Tells that the look changed.

    Signals:
        changed: `current()` is another theme, or the text has another size.
    """

    changed = Signal()


class _Look:
    """What is applied to the application now."""

    def __init__(self) -> None:
        self.theme = LIGHT
        self.mode = "system"
        self.scale = 1.0
        self.base_points: float | None = None
        self.notifier: Notifier | None = None
        self.follows: QApplication | None = None


_look = _Look()


def current() -> Theme:
    """The theme that is shown."""
    return _look.theme


def mode() -> str:
    """What was asked for: "system", "light" or "dark"."""
    return _look.mode


def text_scale() -> float:
    """The size of text, 1.0 being the system's."""
    return _look.scale


def notifier() -> Notifier:
    """The object whose `changed` says that the look is another one."""
    if _look.notifier is None:
        _look.notifier = Notifier()
    return _look.notifier


def apply(app: QApplication, mode: str, *, scale: float | None = None) -> None:
    """Give the application this look now; "system" follows the system from then on.

    Args:
        mode: "system", "light" or "dark"; anything else is taken as "system".
        scale: the size of text, 1.0 being the system's; None leaves it.
    """
    _look.mode = mode if mode in MODES else "system"
    if scale is not None:
        _look.scale = min(max(scale, SMALLEST_SCALE), LARGEST_SCALE)
    if _look.follows is not app:
        _look.follows = app
        app.setStyle("Fusion")
        _look.base_points = _points(app)
        app.styleHints().colorSchemeChanged.connect(_on_system_changed)
    _refresh(app)


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget a role of the style sheet, also after it was shown."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def system_is_dark(app: QApplication) -> bool:
    """Whether the system asks for dark windows; no answer counts as light."""
    return app.styleHints().colorScheme() == Qt.ColorScheme.Dark


def _on_system_changed() -> None:
    if _look.mode == "system" and _look.follows is not None:
        _refresh(_look.follows)


def _refresh(app: QApplication) -> None:
    dark = system_is_dark(app) if _look.mode == "system" else _look.mode == "dark"
    _look.theme = DARK if dark else LIGHT
    points = (_look.base_points or 10.0) * _look.scale
    font = app.font()
    font.setPointSizeF(points)
    app.setFont(font)
    app.setPalette(_palette(_look.theme))
    app.setStyleSheet(style_sheet.build(_look.theme, points))
    notifier().changed.emit()


def _points(app: QApplication) -> float:
    """The system's text size in points; small defaults of bare X servers are raised to 10."""
    size = app.font().pointSizeF()
    return max(size, 10.0) if size > 0 else 10.0


def _palette(theme: Theme) -> QPalette:
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    colours = {
        role.Window: theme.background,
        role.WindowText: theme.text,
        role.Base: theme.surface,
        role.AlternateBase: theme.background,
        role.ToolTipBase: theme.card,
        role.ToolTipText: theme.text,
        role.Text: theme.text,
        role.PlaceholderText: theme.muted,
        role.Button: theme.card,
        role.ButtonText: theme.text,
        role.BrightText: theme.bad,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.accent_text,
        role.Accent: theme.accent,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.Light: theme.hover,
        role.Midlight: theme.hover,
        role.Mid: theme.border,
        role.Dark: theme.outline,
        role.Shadow: "#000000",
    }
    for key, colour in colours.items():
        palette.setColor(key, QColor(colour))
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, key, QColor(theme.outline))
    palette.setColor(group.Disabled, role.Highlight, QColor(theme.outline))
    return palette

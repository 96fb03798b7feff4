"""The style sheet, built from a theme's colours and the text size. No colour is written here."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from dpo_studio.core import bundled

if TYPE_CHECKING:
    from .theme import Theme


def build(theme: Theme, points: float) -> str:
    """The style sheet of the application.

    Args:
        points: the size of ordinary text.
    """
    colours = {name: getattr(theme, name) for name in theme.__slots__ if isinstance(getattr(theme, name), str)}
    sizes = {
        "pt_small": f"{points * 0.9:.1f}pt",
        "pt_subheading": f"{points * 1.2:.1f}pt",
        "pt_heading": f"{points * 1.7:.1f}pt",
    }
    return Template(_TEXT + _BUTTONS + _FIELDS + _FRAMES + _LISTS).substitute(colours, **sizes, **_icons(theme))


def _icons(theme: Theme) -> dict[str, str]:
    """Addresses of the little pictures that Qt's style sheets cannot draw; empty where they are missing."""
    look = "dark" if theme.dark else "light"
    names = ("chevron-down", "chevron-up", "chevron-right", "check", "dash", "dot")
    pictures = {name.replace("-", "_"): f"{name}-{look}" for name in names}
    pictures["chevron_on_accent"] = f"chevron-on-accent-{look}"
    try:
        folder = (bundled.folder("resources") / "icons").as_posix()
    except FileNotFoundError:
        return dict.fromkeys(pictures, "none")
    return {name: f'url("{folder}/{picture}.svg")' for name, picture in pictures.items()}


_TEXT = """
QToolTip { background: $card; color: $text; border: 1px solid $border; padding: 4px 6px; }
QLabel { background: transparent; }
QLabel[role="heading"] { font-size: $pt_heading; font-weight: 600; padding: 2px 0; qproperty-indent: 0; }
QLabel[role="subheading"] { font-size: $pt_subheading; font-weight: 600; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="mono"] { font-family: "DejaVu Sans Mono", "Menlo", "Consolas", monospace; }
QLabel[role="warning"] { color: $warn; }
QLabel[role="error"] { color: $bad; }
QLabel[role="good"] { color: $good; }
QLabel[role="badge"] {
    color: $muted; font-size: $pt_small; background: $hover; border-radius: 8px; padding: 2px 8px;
}
QLabel[role="key"] {
    color: $text; font-size: $pt_small; font-weight: 600; background: $surface;
    border: 1px solid $outline; border-bottom: 2px solid $outline; border-radius: 4px; padding: 1px 6px;
}
"""

_BUTTONS = """
QPushButton {
    color: $text; background: $card; border: 1px solid $outline; border-radius: 6px; padding: 6px 14px;
    min-height: 1.2em;
}
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $selection; }
QPushButton:checked { background: $selection; border-color: $accent; }
QPushButton:disabled { color: $outline; border-color: $border; background: transparent; }
QPushButton:focus { border: 2px solid $accent; padding: 5px 13px; }

QPushButton::menu-indicator {
    image: $chevron_down; width: 12px; height: 12px;
    subcontrol-origin: padding; subcontrol-position: center right; right: 6px;
}
QPushButton[role="primary"]::menu-indicator { image: $chevron_on_accent; }
QPushButton[role="ghost"]::menu-indicator { right: 2px; }

QPushButton[role="primary"] { color: $accent_text; background: $accent; border: 1px solid $accent; font-weight: 600; }
QPushButton[role="primary"]:hover { background: $accent_hover; }
QPushButton[role="primary"]:pressed { background: $accent_hover; }
QPushButton[role="primary"]:focus { border: 2px solid $text; padding: 5px 13px; }
QPushButton[role="primary"]:disabled { color: $muted; background: $hover; border-color: $border; }

QPushButton[role="ghost"] { color: $accent; background: transparent; border: 1px solid transparent; padding: 6px 10px; }
QPushButton[role="ghost"]:hover { background: $hover; }
QPushButton[role="ghost"]:checked { background: $selection; }
QPushButton[role="ghost"]:focus { border: 2px solid $accent; padding: 5px 9px; }
QPushButton[role="ghost"]:disabled { color: $outline; }

QPushButton[role="danger"] { color: $bad; border-color: $bad; background: transparent; }
QPushButton[role="danger"]:hover { background: $hover; }
QPushButton[role="danger"]:focus { border: 2px solid $bad; padding: 5px 13px; }
QPushButton[role="danger"]:disabled { color: $outline; border-color: $border; }

QPushButton[role="link"] {
    color: $accent; background: transparent; border: 1px solid transparent; padding: 2px 4px; text-align: left;
}
QPushButton[role="link"]:hover { text-decoration: underline; }
QPushButton[role="link"]:focus { border: 2px solid $accent; border-radius: 4px; padding: 1px 3px; }

QPushButton[role="link"]:disabled { color: $outline; }

QPushButton[role="rail"] {
    background: transparent; border: 2px solid transparent; border-radius: 8px; padding: 0; min-height: 0;
}
QPushButton[role="rail"]:hover { background: $hover; }
QPushButton[role="rail"]:checked { background: $selection; }
QPushButton[role="rail"]:focus { border-color: $accent; padding: 0; }

QToolButton {
    color: $text; background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px 6px;
}
QToolButton:hover { background: $hover; }
QToolButton:pressed, QToolButton:checked { background: $selection; }
QToolButton:focus { border: 2px solid $accent; padding: 3px 5px; }
QToolButton:disabled { color: $outline; }
QToolButton[role="fold"] { color: $muted; padding: 2px 6px 2px 2px; }
QToolButton[role="fold"]:checked { background: transparent; }
QToolButton[role="fold"]:hover { background: $hover; }
QToolButton[role="fold"]:focus { padding: 1px 5px 1px 1px; }

QCheckBox, QRadioButton { spacing: 8px; padding: 3px; border: 2px solid transparent; border-radius: 6px; }
QCheckBox:focus, QRadioButton:focus { border-color: $accent; }
QCheckBox:disabled, QRadioButton:disabled { color: $outline; }
QCheckBox::indicator, QRadioButton::indicator, QAbstractItemView::indicator {
    width: 16px; height: 16px; background: $surface; border: 1px solid $outline; border-radius: 4px;
}
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover, QAbstractItemView::indicator:hover { border-color: $accent; }
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {
    background: $accent; border-color: $accent; image: $check;
}
QCheckBox::indicator:indeterminate, QAbstractItemView::indicator:indeterminate {
    background: $accent; border-color: $accent; image: $dash;
}
QRadioButton::indicator:checked { background: $accent; border-color: $accent; image: $dot; }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { border-color: $border; background: $hover; }
"""

_FIELDS = """
QLineEdit, QPlainTextEdit, QTextEdit, QTextBrowser, QSpinBox, QDoubleSpinBox, QComboBox {
    color: $text; background: $surface; border: 1px solid $outline; border-radius: 6px;
    selection-background-color: $accent; selection-color: $accent_text; placeholder-text-color: $muted;
}
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox { padding: 6px 8px; min-height: 1.2em; }
QPlainTextEdit, QTextEdit { padding: 5px; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {
    border: 2px solid $accent; padding: 5px 7px;
}
QPlainTextEdit:focus, QTextEdit:focus { border: 2px solid $accent; padding: 4px; }
QTextBrowser { background: transparent; border: 1px solid transparent; padding: 0; }
QTextBrowser:focus { border: 1px solid $accent; padding: 0; }
QLineEdit:disabled, QPlainTextEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled {
    color: $outline; background: $background; border-color: $border;
}
QLineEdit:read-only { background: $background; }
QLineEdit[invalid="true"], QSpinBox[invalid="true"], QDoubleSpinBox[invalid="true"], QComboBox[invalid="true"],
QPlainTextEdit[invalid="true"] { border: 2px solid $bad; }

QComboBox { padding-right: 26px; }
QComboBox:focus { padding-right: 25px; }
QComboBox::drop-down { border: none; width: 24px; subcontrol-origin: padding; subcontrol-position: center right; }
QComboBox::down-arrow { image: $chevron_down; width: 12px; height: 12px; }
QComboBox QAbstractItemView {
    color: $text; background: $card; border: 1px solid $border; outline: none; padding: 4px;
    selection-background-color: $selection; selection-color: $text;
}
QComboBox QAbstractItemView::item { min-height: 1.6em; padding: 2px 6px; border-radius: 4px; }

QSpinBox, QDoubleSpinBox { padding: 5px 24px 4px 8px; }
QSpinBox, QDoubleSpinBox { qproperty-alignment: "AlignRight | AlignVCenter"; }
QComboBox QLineEdit { border: none; padding: 0; min-height: 0; background: transparent; }
QSpinBox:focus, QDoubleSpinBox:focus { padding: 4px 23px 3px 7px; }
QSpinBox::up-button, QDoubleSpinBox::up-button {
    subcontrol-origin: border; subcontrol-position: top right; width: 22px; border: none; background: transparent;
}
QSpinBox::down-button, QDoubleSpinBox::down-button {
    subcontrol-origin: border; subcontrol-position: bottom right; width: 22px; border: none; background: transparent;
}
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: $chevron_up; width: 10px; height: 10px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: $chevron_down; width: 10px; height: 10px; }

QSlider:horizontal { min-height: 24px; }
QSlider::groove:horizontal { height: 4px; background: $border; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
    width: 12px; height: 12px; margin: -6px 0; background: $surface; border: 2px solid $accent; border-radius: 8px;
}
QSlider::handle:horizontal:focus, QSlider::handle:horizontal:hover { background: $accent; }
QSlider:focus { border: 1px solid $accent; border-radius: 6px; }

QProgressBar {
    color: $text; background: $border; border: none; border-radius: 4px; text-align: center; min-height: 8px;
    max-height: 8px;
}
QProgressBar::chunk { background: $accent; border-radius: 4px; }
"""

_FRAMES = """
QMainWindow, QDialog { background: $background; }
QFrame[role="card"] { background: $card; border: 1px solid $border; border-radius: 8px; }
QFrame[role="card-selected"] { background: $card; border: 2px solid $accent; border-radius: 8px; }
QFrame[role="card"]:focus { border: 2px solid $accent; }
QFrame[role="strip"] { background: $surface; border: 1px solid $border; border-radius: 8px; }
QFrame[role="banner"] { background: $selection; border: 1px solid $accent; border-radius: 8px; }
QFrame[role="banner-error"] { background: $card; border: 2px solid $bad; border-radius: 8px; }
QFrame[role="overlay"] { background: $card; border: 1px solid $outline; border-radius: 10px; }
QFrame[role="line"] { background: $border; border: none; max-height: 1px; min-height: 1px; }
QFrame[role="rail"] { background: $surface; border: none; border-right: 1px solid $border; }
QFrame[role="status"] { background: $surface; border: none; border-top: 1px solid $border; }

QGroupBox {
    border: 1px solid $border; border-radius: 8px; margin-top: 0.9em; padding: 12px 8px 8px 8px; font-weight: 600;
}
QGroupBox::title { subcontrol-origin: margin; left: 12px; padding: 0 4px; }

QScrollArea { background: transparent; border: none; }
QAbstractScrollArea::corner { background: transparent; border: none; }
QScrollArea:focus { border: 2px solid $accent; border-radius: 6px; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar { background: transparent; border: none; }
QScrollBar:vertical { width: 12px; margin: 0; }
QScrollBar:horizontal { height: 12px; margin: 0; }
QScrollBar::handle { background: $outline; border-radius: 4px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; border: none; background: none; }
QScrollBar::add-page, QScrollBar::sub-page { background: none; }

QSplitter::handle { background: transparent; }
QSplitter::handle:horizontal { width: 9px; border-left: 1px solid $border; margin-left: 4px; }
QSplitter::handle:vertical { height: 9px; border-top: 1px solid $border; margin-top: 4px; }
QSplitter::handle:hover { border-color: $accent; }
"""

_LISTS = """
QAbstractItemView {
    color: $text; background: $surface; alternate-background-color: $background; border: 1px solid $border;
    border-radius: 8px; outline: none; selection-background-color: $selection; selection-color: $text;
}
QListView, QTreeView { padding: 4px; }
QAbstractItemView:focus { border: 2px solid $accent; }
QAbstractItemView::item:hover { background: $hover; }
QTableView::item:hover { background: transparent; } /* a single cell of a row looks like a button */
QAbstractItemView::item:selected { background: $selection; color: $text; }
QTableView { gridline-color: $border; }
QHeaderView { background: transparent; border: none; }
QHeaderView::section {
    color: $muted; background: $background; border: none; border-bottom: 1px solid $border; padding: 6px 4px;
    font-weight: 600;
}
QHeaderView::section:horizontal:first { border-top-left-radius: 7px; }
QHeaderView::section:horizontal:last { border-top-right-radius: 7px; }
QHeaderView::section:horizontal:only-one { border-top-left-radius: 7px; border-top-right-radius: 7px; }
QTableCornerButton::section { background: $background; border: none; }

QTabWidget::pane { border: none; border-top: 1px solid $border; }
QTabBar { background: transparent; }
QTabBar::tab {
    color: $muted; background: transparent; border: none; border-bottom: 2px solid transparent; padding: 8px 14px;
}
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; }
QTabBar:focus { border: 1px solid $accent; border-radius: 4px; }

QMenuBar { color: $text; background: $surface; border-bottom: 1px solid $border; padding: 2px 4px; }
QMenuBar::item { background: transparent; padding: 5px 10px; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; }
QMenu { color: $text; background: $card; border: 1px solid $border; padding: 6px; }
QMenu::item { padding: 6px 28px 6px 24px; border-radius: 4px; }
QMenu::item:selected { background: $selection; }
QMenu::item:disabled { color: $outline; }
QMenu::separator { height: 1px; background: $border; margin: 6px 8px; }
QMenu::indicator { width: 14px; height: 14px; left: 4px; }
QMenu::right-arrow { image: $chevron_right; width: 12px; height: 12px; }
"""

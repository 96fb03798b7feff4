"""Which key was meant, whatever the keyboard's layout: the number row and the letters by their place."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QComboBox, QLineEdit, QPlainTextEdit, QTextEdit, QWidget

#: Scan codes of the number row, 1 to 9 and 0. X11 and Wayland report evdev's code plus 8.
_ROW_EVDEV = {code + 8: number for number, code in enumerate(range(2, 12), 1)}
_ROW_WINDOWS = {code: number for number, code in enumerate(range(2, 12), 1)}
#: macOS reports virtual keys instead (kVK_ANSI_1 …).
_ROW_MAC = {18: 1, 19: 2, 20: 3, 21: 4, 23: 5, 22: 6, 26: 7, 28: 8, 25: 9, 29: 10}

#: Letters by their place on a QWERTY keyboard (evdev plus 8), for layouts that have no Latin letters.
_LETTERS_EVDEV = {52: "z", 53: "x", 26: "e", 28: "t", 40: "d", 41: "f", 42: "g", 57: "n", 54: "c", 32: "o", 38: "a"}

_LETTERS_EVDEV |= {39: "s", 43: "h", 46: "l", 55: "v"}  # how answers are shown

#: What the number row gives where no scan code is known: with Shift on QWERTY, without on AZERTY.
_SHIFTED_SYMBOLS = {symbol: number for number, symbol in enumerate("!@#$%^&*()", 1)}
_PLAIN_SYMBOLS = {symbol: number for number, symbol in enumerate("&é\"'(-è_çà", 1)}

_NAMED = {
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
    Qt.Key.Key_PageUp: "page_up",
    Qt.Key.Key_PageDown: "page_down",
    Qt.Key.Key_Space: "space",
    Qt.Key.Key_Return: "enter",
    Qt.Key.Key_Enter: "enter",
    Qt.Key.Key_Backspace: "backspace",
    Qt.Key.Key_Escape: "escape",
}
_LETTERS = frozenset(_LETTERS_EVDEV.values())
_NOT_ALONE = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key of the Label page.

    Attributes:
        name: "number", "=", a letter, or a word such as "space".
        number: 1 to 9, or 10 for the key 0; only when name is "number".
        shift: Shift was held.
    """

    name: str
    number: int = 0
    shift: bool = False


def read(event: QKeyEvent, *, platform: str | None = None) -> Pressed | None:
    """The Label key that an event means, or None when it means none.

    Args:
        platform: the Qt platform's name, which decides how scan codes are read; None asks Qt.
    """
    if event.modifiers() & _NOT_ALONE:
        return None
    shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
    key = event.key()
    if key in _NAMED:
        return Pressed(_NAMED[Qt.Key(key)], shift=shift)
    if key == Qt.Key.Key_Equal or event.text() == "=":
        return Pressed("=", shift=shift)
    number = _number(event, shift, platform or QGuiApplication.platformName())
    if number is not None:
        return Pressed("number", number, shift)
    letter = _letter(event)
    return None if letter is None else Pressed(letter, shift=shift)


def is_typing(widget: QWidget | None) -> bool:
    """Whether keys are text for this widget."""
    if isinstance(widget, (QTextEdit, QPlainTextEdit)):
        return not widget.isReadOnly()
    return isinstance(widget, (QLineEdit, QComboBox))


def _number(event: QKeyEvent, shift: bool, platform: str) -> int | None:
    key = event.key()
    if Qt.Key.Key_1 <= key <= Qt.Key.Key_9:
        return key - Qt.Key.Key_0
    if key == Qt.Key.Key_0:
        return 10
    if platform == "cocoa":
        number = _ROW_MAC.get(event.nativeVirtualKey())
    elif platform == "windows":
        number = _ROW_WINDOWS.get(event.nativeScanCode())
    else:
        number = _ROW_EVDEV.get(event.nativeScanCode())
    if number is None and not event.nativeScanCode():
        number = (_SHIFTED_SYMBOLS if shift else _PLAIN_SYMBOLS).get(event.text())
    return number


def _letter(event: QKeyEvent) -> str | None:
    key = event.key()
    if Qt.Key.Key_A <= key <= Qt.Key.Key_Z:
        letter = chr(key).lower()
        return letter if letter in _LETTERS else None
    if key > 0x7F:
        return _LETTERS_EVDEV.get(event.nativeScanCode())
    return None

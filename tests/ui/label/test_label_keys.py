"""Which key was meant, from events as X11, Windows and macOS make them."""

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent

from dpo_studio.ui.label import keys

NONE, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


def event(key, modifiers=NONE, text="", *, scan=0, virtual=0):
    return QKeyEvent(QEvent.Type.KeyPress, key, modifiers, scan, virtual, 0, text)


@pytest.mark.parametrize(
    ("made", "number", "shift"),
    [
        (event(Qt.Key.Key_1, text="1", scan=10), 1, False),
        (event(Qt.Key.Key_9, text="9", scan=18), 9, False),
        (event(Qt.Key.Key_0, text="0", scan=19), 10, False),
        # QWERTY with Shift: the key is the symbol.
        (event(Qt.Key.Key_Exclam, SHIFT, "!", scan=10), 1, True),
        (event(Qt.Key.Key_AsciiCircum, SHIFT, "^", scan=15), 6, True),
        # British: Shift+2 and Shift+3 are other symbols, the place is the same.
        (event(Qt.Key.Key_QuoteDbl, SHIFT, '"', scan=11), 2, True),
        (event(Qt.Key.Key_sterling, SHIFT, "£", scan=12), 3, True),
        # AZERTY: digits need Shift, the symbols are plain.
        (event(Qt.Key.Key_Ampersand, NONE, "&", scan=10), 1, False),
        (event(Qt.Key.Key_Egrave, NONE, "è", scan=16), 7, False),
        (event(Qt.Key.Key_2, SHIFT, "2", scan=11), 2, True),
        # The keypad.
        (event(Qt.Key.Key_4, Qt.KeyboardModifier.KeypadModifier, "4", scan=83), 4, False),
        # No scan code known: by symbol.
        (event(Qt.Key.Key_Ampersand, SHIFT, "&"), 7, True),
        (event(Qt.Key.Key_Ampersand, NONE, "&"), 1, False),
    ],
)
def test_numbers_on_x11(made, number, shift):
    assert keys.read(made, platform="xcb") == keys.Pressed("number", number, shift)


def test_numbers_on_other_systems():
    windows = event(Qt.Key.Key_Ampersand, NONE, "&", scan=2)
    mac = event(Qt.Key.Key_Exclam, SHIFT, "!", virtual=18)
    assert keys.read(windows, platform="windows") == keys.Pressed("number", 1, False)
    assert keys.read(mac, platform="cocoa") == keys.Pressed("number", 1, True)


def test_equal_is_the_symbol_wherever_it_is():
    german = event(Qt.Key.Key_Equal, SHIFT, "=", scan=19)
    assert keys.read(german, platform="xcb").name == "="
    assert keys.read(event(Qt.Key.Key_Equal, NONE, "="), platform="xcb").name == "="


def test_letters_by_name_or_by_place():
    assert keys.read(event(Qt.Key.Key_X, text="x"), platform="xcb").name == "x"
    azerty_z = event(Qt.Key.Key_Z, NONE, "z", scan=25)
    assert keys.read(azerty_z, platform="xcb").name == "z"
    russian_undo = event(0x42F, NONE, "я", scan=52)
    assert keys.read(russian_undo, platform="xcb").name == "z"
    assert keys.read(event(Qt.Key.Key_Q, NONE, "q", scan=24), platform="xcb") is None


def test_keys_with_ctrl_are_not_ours():
    assert keys.read(event(Qt.Key.Key_1, CTRL, "1"), platform="xcb") is None
    assert keys.read(event(Qt.Key.Key_Z, CTRL, ""), platform="xcb") is None

"""What the style sheet gives to controls that Qt would draw too faintly or too small."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QMenu, QPushButton, QTreeWidget, QTreeWidgetItem

from dpo_studio.ui import theme


@pytest.fixture(params=["light", "dark"])
def look(request):
    theme.apply(QApplication.instance(), request.param, scale=1.0)
    yield theme.current()
    theme.apply(QApplication.instance(), "light", scale=1.0)


def contrast(one, other):
    """The contrast of two colours as WCAG has it, from 1 to 21."""

    def luminance(colour):
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("state", [Qt.CheckState.Unchecked, Qt.CheckState.PartiallyChecked, Qt.CheckState.Checked])
def test_a_tick_in_a_list_can_be_seen(qtbot, look, state):
    tree = QTreeWidget()
    qtbot.addWidget(tree)
    tree.setHeaderHidden(True)
    item = QTreeWidgetItem([""])
    item.setCheckState(0, state)
    tree.addTopLevelItem(item)
    tree.resize(200, 100)
    tree.show()
    picture = tree.viewport().grab(tree.visualItemRect(item)).toImage()
    ground = picture.pixelColor(picture.width() - 2, picture.height() // 2)
    row = [picture.pixelColor(x, picture.height() // 2) for x in range(40)]
    assert max(contrast(colour, ground) for colour in row) >= 3, "its border or what fills it"
    if state != Qt.CheckState.Unchecked:
        assert QColor(look.accent) in row


def test_the_arrow_of_a_button_with_a_menu_can_be_seen(qtbot, look):
    for role in ("", "primary"):
        button = QPushButton("Add")
        qtbot.addWidget(button)
        button.setProperty("role", role)
        button.setMenu(QMenu(button))
        button.resize(button.sizeHint())
        button.show()
        picture = button.grab().toImage()
        ground = picture.pixelColor(picture.width() - 3, picture.height() // 2)
        marked = [
            (x, y)
            for x in range(picture.width() - 22, picture.width() - 4)
            for y in range(6, picture.height() - 6)
            if contrast(picture.pixelColor(x, y), ground) >= 3
        ]
        across = [x for x, _ in marked]
        assert marked and max(across) - min(across) >= 6, f"the arrow of a {role or 'usual'} button"

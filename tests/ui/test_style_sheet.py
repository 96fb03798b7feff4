"""What the style sheet gives to controls that Qt would draw too faintly or too small."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QMenu,
    QPushButton,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
)

from dpo_studio.ui import theme
from tests.ui.contrast import contrast


@pytest.fixture(params=["light", "dark"])
def look(request):
    theme.apply(QApplication.instance(), request.param, scale=1.0)
    yield theme.current()
    theme.apply(QApplication.instance(), "light", scale=1.0)


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


@pytest.mark.parametrize("scale", [1.0, 1.7])
def test_controls_of_a_row_are_of_one_height(qtbot, light, scale):
    theme.apply(QApplication.instance(), "light", scale=scale)
    made = [kind() for kind in (QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox, QPushButton)]
    made[-1].setText("Choose…")
    for widget in made:
        qtbot.addWidget(widget)
        widget.ensurePolished()
    assert len({widget.sizeHint().height() for widget in made}) == 1

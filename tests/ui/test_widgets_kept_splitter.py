"""Parts of a page are as large as they were left, also in the next window."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from dpo_studio.ui.widgets.kept_splitter import KeptSplitter


@pytest.fixture
def opened(qtbot):
    """Opens a splitter of this name with two parts, as a page does."""

    def opened(name, width=600):
        made = KeptSplitter(name, Qt.Orientation.Horizontal)
        qtbot.addWidget(made)
        for _ in range(2):
            part = QWidget()
            part.setMinimumWidth(20)
            made.addWidget(part)
        made.begin([300, 300])
        made.resize(width, 100)
        made.show()
        qtbot.waitExposed(made)
        return made

    return opened


def share(splitter):
    first, second = splitter.sizes()
    return first / (first + second)


def test_sizes_are_those_that_were_dragged_to(opened):
    splitter = opened("here")
    assert share(splitter) == pytest.approx(0.5, abs=0.02)
    handle = splitter.handle(1)
    at = handle.rect().center()
    QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(handle, at - QPoint(150, 0))
    QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=at)
    left = share(splitter)
    assert left == pytest.approx(0.25, abs=0.05)
    assert share(opened("here")) == pytest.approx(left, abs=0.02)
    assert share(opened("here", width=1200)) == pytest.approx(left, abs=0.05), "in a wider window too"
    assert share(opened("elsewhere")) == pytest.approx(0.5, abs=0.02)


def test_what_cannot_be_read_is_as_nothing(opened, own_settings):
    own_settings.write_text("[splitter]\nodd=a-b\nthree=1-2-3\n", encoding="utf-8")
    for name in ("odd", "three"):
        assert share(opened(name)) == pytest.approx(0.5, abs=0.02)

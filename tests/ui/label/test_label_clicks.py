"""Clicks that are meant for something else than the answer under them."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dpo_studio.store import rankings
from dpo_studio.ui.label import item_stack


def test_the_click_that_brings_the_window_to_the_front_labels_nothing(open_page, context, monkeypatch):
    page = open_page(2, 2)
    stack, item = page.bench.stack, page.item
    card = stack.view.grid.shown_cards[0]
    monkeypatch.setattr(item_stack, "ACTIVATING_S", 60.0)
    QApplication.sendEvent(stack, QEvent(QEvent.Type.WindowActivate))
    QTest.mouseClick(card.reader.viewport(), Qt.MouseButton.LeftButton)
    assert page.item is item and rankings.counts(context.project).left == 2
    monkeypatch.setattr(item_stack, "ACTIVATING_S", 0.0)
    QTest.mouseClick(card.reader.viewport(), Qt.MouseButton.LeftButton)
    assert page.item is not item and rankings.counts(context.project).left == 1

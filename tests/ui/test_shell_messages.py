"""Messages, errors nobody caught, the look, and a guard against a bug of PySide."""

import sys
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import QLabel

from dpo_studio.core.errors import UserError
from dpo_studio.ui import error_hook, message_bar
from dpo_studio.ui.error_hook import ErrorHook
from dpo_studio.ui.main_window import MainWindow
from dpo_studio.ui.message_bar import MessageBar
from dpo_studio.ui.settings_store import SettingsStore
from tests.ui.contrast import contrast


@pytest.fixture
def bar(qtbot):
    bar = MessageBar()
    qtbot.addWidget(bar)
    return bar


def test_news_goes_by_itself_and_errors_stay(qtbot, bar):
    bar._timer.setInterval(20)
    bar.show_message("The disk is full. Free some space.", "error")
    bar.show_message("12 prompts were added.")
    assert not bar.error.isHidden() and not bar.info.isHidden()
    qtbot.waitUntil(lambda: bar.info.isHidden(), timeout=2000)
    assert bar.error.label.text() == "The disk is full. Free some space."
    qtbot.mouseClick(bar.error.close_button, Qt.MouseButton.LeftButton)
    assert bar.isHidden()
    assert message_bar.INFO_SHOWN_MS == 6000


def test_details_can_be_copied(qtbot, bar):
    bar.show_message("It broke.", "error", "Traceback: line 1")
    assert bar.error.copy_button.text() == "Copy details"
    qtbot.mouseClick(bar.error.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "It broke.\n\nTraceback: line 1"
    bar.show_message("Another.", "error")
    assert bar.error.copy_button.text() == "Copy"


def test_messages_are_never_markup(qtbot, bar):
    bar.show_message("<img src='http://example.com/x.png'> & co", "error")
    assert bar.error.label.textFormat() == Qt.TextFormat.PlainText


def _raised(error):
    try:
        raise error
    except type(error) as caught:
        return type(caught), caught, caught.__traceback__


def test_a_bug_is_told_once_per_traceback_and_a_mistake_each_time(qtbot):
    hook, told = ErrorHook(), []
    hook.caught.connect(lambda sentence, details: told.append((sentence, details)))
    for _ in range(3):
        hook.handle(*_raised(ValueError("boom")))
    assert len(told) == 1
    assert "ValueError: boom" in told[0][0] and "Your labels are safe" in told[0][0]
    assert "Traceback" in told[0][1]
    for _ in range(2):
        hook.handle(*_raised(UserError("Not a project.", "Open another.")))
    assert told[1:] == [("Not a project. Open another.", "")] * 2


def test_the_hook_hears_threads_and_goes_away_again(qtbot):
    before = sys.excepthook, threading.excepthook
    hook, told = ErrorHook(), []
    hook.caught.connect(lambda sentence, details: told.append(sentence))
    hook.install()
    try:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        qtbot.waitUntil(lambda: bool(told), timeout=2000)
    finally:
        hook.remove()
    assert "ZeroDivisionError" in told[0]
    assert (sys.excepthook, threading.excepthook) == before


def test_an_error_in_a_slot_reaches_the_message_bar(qtbot, light):
    window = MainWindow(SettingsStore(), page_sources=())
    qtbot.addWidget(window)
    window.errors.handle(*_raised(RuntimeError("lost the thread")))
    assert "lost the thread" in window.messages.error.label.text()
    assert window.messages.error.copy_button.text() == "Copy details"


def test_the_look_changes_live(qtbot, qapp, light):
    window = MainWindow(SettingsStore(), page_sources=())
    qtbot.addWidget(window)
    with qtbot.waitSignal(light.notifier().changed):
        window.menus.themes["dark"].trigger()
    assert light.current() is light.DARK
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == light.DARK.background
    assert SettingsStore().theme_mode == "dark"
    window.menus.themes["light"].trigger()
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == light.LIGHT.background


def test_the_system_is_followed_only_when_asked(qapp, light, monkeypatch):
    from dpo_studio.ui import theme

    monkeypatch.setattr(theme, "system_is_dark", lambda _app: True)
    qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert not theme.current().dark
    theme.apply(qapp, "system")
    assert theme.current().dark
    monkeypatch.setattr(theme, "system_is_dark", lambda _app: False)
    qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert not theme.current().dark


def test_text_grows_shrinks_and_stays_in_bounds(qtbot, qapp, light):
    window = MainWindow(SettingsStore(), page_sources=())
    qtbot.addWidget(window)
    usual = qapp.font().pointSizeF()
    window.menus.larger.trigger()
    assert qapp.font().pointSizeF() == pytest.approx(usual * 1.1, abs=0.1)
    for _ in range(6):
        window.menus.smaller.trigger()
    assert qapp.font().pointSizeF() == pytest.approx(usual * light.SMALLEST_SCALE, abs=0.1)
    window.menus.usual_size.trigger()
    assert qapp.font().pointSizeF() == pytest.approx(usual, abs=0.1)


@pytest.mark.parametrize("name", ["LIGHT", "DARK"])
def test_contrast_is_enough_to_read(name):
    """WCAG 2.2 AA: 4.5 for text, 3 for what outlines a control and for curves."""
    from dpo_studio.ui import theme

    look = getattr(theme, name)
    for behind in (look.background, look.surface, look.card):
        for colour in (look.text, look.muted, look.accent, look.good, look.bad, look.warn):
            assert contrast(colour, behind) >= 4.5, (colour, behind)
        for colour in (look.outline, *look.series):
            assert contrast(colour, behind) >= 3, (colour, behind)
    assert contrast(look.accent_text, look.accent) >= 4.5
    assert contrast(look.text, look.selection) >= 4.5
    assert contrast(look.muted, look.selection) >= 4.5


def test_qt_messages_are_logged(caplog):
    from PySide6.QtCore import QMessageLogContext, QtMsgType

    error_hook._on_qt_message(QtMsgType.QtWarningMsg, QMessageLogContext(), "a timer went astray")
    assert "a timer went astray" in caplog.text


def test_calls_that_return_nothing_do_not_eat_references_to_none(qtbot):
    """PySide6 6.12.0 lets a reference to None go at each void call on Python 3.11, and crashes in the end."""
    label = QLabel()
    qtbot.addWidget(label)
    before = sys.getrefcount(None)
    for number in range(3000):
        label.setText(str(number))
    assert abs(sys.getrefcount(None) - before) < 500

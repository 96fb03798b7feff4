"""What is written beside a label: the guideline in place, drafts that outlive the page; and the empty states."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompts, rankings
from dpo_studio.ui.label.reader import Reader
from tests.ui.label.by_keys import press

KEY, CTRL, LEFT = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.MouseButton.LeftButton


@pytest.fixture
def context(context):
    context.project.set_fact("guideline", "Short.")
    return context


def test_guideline_beside_the_first_three(open_page, qtbot):
    page = open_page(3, 3, 3, 3)
    for _ in range(3):
        assert page.bench.guideline.isVisible()
        press(page, KEY.Key_1, KEY.Key_2)
        qtbot.wait(30)
    assert not page.bench.guideline.isVisible()
    press(page, KEY.Key_G)
    assert page.bench.guideline.isVisible()
    press(page, KEY.Key_G)
    assert not page.bench.guideline.isVisible()


def test_the_guideline_is_changed_in_place(open_page, context):
    page = open_page(3)
    panel = page.bench.guideline
    QTest.mouseClick(panel.edit_button, LEFT)
    assert panel.editor.hasFocus() and panel.editor.toPlainText() == "Short."
    panel.editor.selectAll()
    QTest.keyClicks(panel.editor, "Friendly 123 x=z")
    assert rankings.recent(context.project) == [] and page.item.entry.buckets == ()
    QTest.keyClick(panel.editor, KEY.Key_Return, CTRL)
    assert context.project.guideline == "Friendly 123 x=z"
    assert page.hasFocus() and not panel.is_edited
    assert panel._reader.toPlainText().strip() == "Friendly 123 x=z"


def test_escape_leaves_the_guideline(open_page, context):
    page = open_page(3)
    page.bench.guideline.begin()
    QTest.keyClicks(page.bench.guideline.editor, "something else")
    QTest.keyClick(page.bench.guideline.editor, KEY.Key_Escape)
    assert context.project.guideline == "Short."
    assert page.hasFocus() and not page.bench.guideline.is_edited


def test_an_empty_guideline_says_so_and_can_be_written(open_page, context):
    context.project.set_fact("guideline", "")
    page = open_page(3)
    assert not page.bench.guideline.isVisible(), "nothing to show by itself"
    press(page, KEY.Key_G)
    button = page.bench.guideline.write_button
    assert button.isVisible() and not page.bench.guideline.edit_button.isVisible()
    QTest.mouseClick(button, LEFT)
    QTest.keyClicks(page.bench.guideline.editor, "Be kind.")
    QTest.keyClick(page.bench.guideline.editor, KEY.Key_Return, CTRL)
    assert context.project.guideline == "Be kind." and page.bench.guideline.edit_button.isVisible()


def test_labelling_goes_on_while_the_guideline_is_edited(open_page, context, qtbot):
    page = open_page(3, 3)
    page.bench.guideline.begin()
    QTest.keyClicks(page.bench.guideline.editor, "More. ")
    page.run("skip")
    page.run("skip")
    qtbot.wait(20)
    assert page.item is None and page.bench.guideline.isVisible()
    assert page.bench.guideline.editor.toPlainText() == "More. Short."


def test_a_guideline_half_written_is_kept_when_the_page_is_left(open_page, context):
    page = open_page(3)
    page.bench.guideline.begin()
    QTest.keyClicks(page.bench.guideline.editor, "Kind. ")
    page.leave()
    assert context.project.guideline == "Kind. Short."


def test_a_guideline_that_cannot_be_saved_stays_in_the_editor(open_page, context, monkeypatch, qtbot):
    page = open_page(3)
    page.bench.guideline.begin()
    QTest.keyClicks(page.bench.guideline.editor, "New. ")

    def full(*_args):
        raise UserError("The disk is full.")

    monkeypatch.setattr(context.project, "set_fact", full)
    with qtbot.waitSignal(context.message) as said:
        page.bench.guideline.save()
    assert said.args[1] == "error"
    assert page.bench.guideline.is_edited and page.bench.guideline.editor.toPlainText() == "New. Short."


def test_an_answer_being_written_waits_while_an_older_label_is_seen(open_page, context, qtbot):
    page = open_page(3, 3)
    press(page, KEY.Key_1, KEY.Key_2)
    waiting = page.item
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    press(page, KEY.Key_E)
    QTest.keyClicks(page.bench.writing.editor, "half an answer")
    QTest.mouseClick(page.bench.history.buttons[0], LEFT)
    assert not page.bench.writing.isVisible()
    page.setFocus()
    press(page, KEY.Key_Escape)
    assert page.item is waiting
    assert page.bench.writing.isVisible() and page.bench.writing.editor.toPlainText() == "half an answer"
    QTest.keyClick(page.bench.writing.editor, KEY.Key_Escape)
    assert waiting.unfinished == "" and not page.bench.writing.isVisible()


def test_a_text_that_was_cancelled_by_a_slip_comes_back(open_page, context):
    page = open_page(3, 3)
    press(page, KEY.Key_E)
    QTest.keyClicks(page.bench.writing.editor, "a long answer")
    press(page, KEY.Key_Escape)
    assert not page.bench.writing.isVisible() and page.item.unfinished == page.item.written == ""
    assert page.bench.order_bar.notice == "Your text is not used; E brings it back."
    press(page, KEY.Key_E)
    assert page.bench.writing.editor.toPlainText() == "a long answer"
    press(page, KEY.Key_Return, modifiers=CTRL)
    press(page, KEY.Key_E)
    QTest.keyClicks(page.bench.writing.editor, "another")
    press(page, KEY.Key_Escape)
    assert page.item.written == "a long answer", "what is ranked first already stays so"
    press(page, KEY.Key_E)
    assert page.bench.writing.editor.toPlainText() == "another"
    press(page, KEY.Key_Escape)
    press(page, KEY.Key_Return)
    assert page.item.cancelled == ""


def test_drafts_survive_closing_with_an_older_label_on_screen(open_page, context, qtbot, tmp_path):
    page = open_page(3, 3)
    press(page, KEY.Key_1, KEY.Key_2)
    press(page, KEY.Key_N)
    QTest.keyClicks(page.bench.note.field, "of the next")
    press(page, KEY.Key_Return)
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    QTest.mouseClick(page.bench.history.buttons[0], LEFT)
    page.setFocus()
    press(page, KEY.Key_E)
    page.bench.writing.editor.selectAll()
    QTest.keyClicks(page.bench.writing.editor, "of the older")
    page.leave()
    context.open(None)
    context.open(Project.open(tmp_path / "p"))
    assert page.item.earlier is not None
    assert page.bench.writing.isVisible() and page.bench.writing.editor.toPlainText() == "of the older"
    page.setFocus()
    press(page, KEY.Key_Escape)
    assert page.bench.note.isVisible() and page.bench.note.field.text() == "of the next"


def test_an_older_label_with_another_note_can_be_saved_with_the_mouse(open_page, context, qtbot):
    page = open_page(3)
    press(page, KEY.Key_Space)
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 1)
    page.bench.history.buttons[0].click()
    assert not page.bench.order_bar.save.isVisible()
    press(page, KEY.Key_N)
    QTest.keyClicks(page.bench.note.field, "too hard")
    assert page.bench.order_bar.save.isVisible()
    QTest.mouseClick(page.bench.order_bar.save, LEFT)
    saved = rankings.recent(context.project)[0]
    assert (saved.kind, saved.note) == ("skip", "too hard")


def clicked(page, context, qtbot, number):
    button = page.bench.stack.empty.buttons[number]
    assert button.isVisible() and button.isEnabled()
    with qtbot.waitSignal(context.page_wanted) as wanted:
        QTest.mouseClick(button, LEFT)
    return wanted.args[0]


def test_the_buttons_of_an_empty_project(open_page, context, qtbot):
    page = open_page()
    assert "no prompts" in page.bench.stack.empty.sentence.text()
    assert clicked(page, context, qtbot, 0) == "prompts"
    prompts.add(context.project, [Message("user", "Hello?")])
    context.prompts_changed.emit()
    assert clicked(page, context, qtbot, 0) == "generate"
    assert not page.bench.stack.empty.buttons[1].isVisible()


def test_the_buttons_when_all_is_labelled(open_page, context, qtbot):
    page = open_page(3, 3)
    press(page, KEY.Key_1, KEY.Key_2, KEY.Key_Space)
    assert "All 2 are labelled (1 skipped)" in page.bench.stack.empty.sentence.text()
    assert clicked(page, context, qtbot, 0) == "train"
    assert clicked(page, context, qtbot, 1) == "generate"
    QTest.mouseClick(page.bench.head.buttons["undo"], LEFT)
    assert page.item is not None


def test_what_was_only_skipped_is_not_for_training(open_page, context, qtbot):
    page = open_page(3, 3)
    press(page, KEY.Key_Space, KEY.Key_Space)
    assert "skipped" in page.bench.stack.empty.sentence.text()
    assert "learn" not in page.bench.stack.empty.sentence.text()
    assert clicked(page, context, qtbot, 0) == "generate"
    qtbot.waitUntil(lambda: len(page.bench.history.rankings) == 2)
    QTest.mouseClick(page.bench.history.buttons[0], LEFT)
    assert page.item is not None


def test_the_buttons_can_be_reached_and_pressed_by_key(open_page, context, qtbot):
    page = open_page()
    button = page.bench.stack.empty.buttons[0]
    for _ in range(10):
        QTest.keyClick(QApplication.focusWidget(), KEY.Key_Tab)
        if button.hasFocus():
            break
    assert button.hasFocus()
    with qtbot.waitSignal(context.page_wanted) as wanted:
        QTest.keyClick(button, KEY.Key_Return)
    assert wanted.args == ["prompts"]


def test_the_height_for_a_width_is_not_that_of_the_width_shown(qtbot):
    reader = Reader()
    qtbot.addWidget(reader)
    reader.resize(600, 60)  # so low that a narrower text asks for a scroll bar
    reader.show()
    qtbot.waitExposed(reader)
    reader.setPlainText("word " * 40)
    wide = reader.height_for(600)
    assert reader.height_for(150) > 3 * wide
    reader.fit()
    assert reader.document().textWidth() == reader.viewport().width()

"""Changing prompts on the page: archive, edit, tag, and undo."""

from __future__ import annotations

from array import array

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompts
from dpo_studio.ui.prompts.write_panel import EditPanel
from tests.ui.prompts.driving import CTRL, WAIT_MS, listed, press, said, say, stored, titles


def test_prompts_are_archived_brought_back_and_undone_by_keys(filled, context, qtbot):
    page = filled
    news = []
    context.prompts_changed.connect(lambda: news.append("prompts"))
    context.groups_changed.connect(lambda: news.append("groups"))
    page.table.setFocus()
    page.table.selectRow(1)
    press(page, qtbot, Qt.Key.Key_Delete)
    said(context, qtbot, "1 prompt archived; answers and labels stay.")
    listed(page, qtbot, 2)
    assert page.table.current_id() == prompts.all_prompts(context.project)[2].id, "the next one is read"
    assert news == ["prompts", "groups"], "Label hears of it: what waits there is of prompts that are not archived"
    page.bar.archived.click()
    listed(page, qtbot, 1)
    assert page.reading.archive_button.text() == "Bring back" and not page.work.generate_button.isEnabled()
    press(page, qtbot, Qt.Key.Key_Delete)
    said(context, qtbot, "1 prompt brought back.")
    listed(page, qtbot, 0)
    assert stored(context, archived=False) == ["Bake a cake", "How do cakes rise?", "Why is the sky blue?"]
    page.undo()
    listed(page, qtbot, 1)
    page.bar.archived.click()
    page.undo()
    listed(page, qtbot, 3)


def test_an_edit_changes_what_was_never_asked_and_is_undone(filled, context, qtbot):
    page = filled
    page.table.setFocus()
    page.table.selectRow(0)
    press(page, qtbot, Qt.Key.Key_Return)
    panel = page.adding.panel
    assert isinstance(panel, EditPanel) and not panel.keeps.isVisible() and not panel.accept_button.isEnabled()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_End, CTRL)
    qtbot.keyClicks(QApplication.focusWidget(), " for two")
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    said(context, qtbot, "The prompt was changed.")
    qtbot.waitUntil(lambda: titles(page)[0] == "Bake a cake for two", timeout=WAIT_MS)
    assert stored(context)[0] == "Bake a cake for two"
    page.undo()
    qtbot.waitUntil(lambda: titles(page)[0] == "Bake a cake", timeout=WAIT_MS)


def test_an_edit_of_what_was_asked_says_so_and_keeps_the_answers_with_the_old_text(filled, context, qtbot):
    page, project = filled, context.project
    first = prompts.all_prompts(project)[0]
    group = completions.add_group(project, first.id, size=2)
    completions.add(project, group.id, "an answer")
    page.table.selectRow(0)
    press(page, qtbot, Qt.Key.Key_E, CTRL)
    panel = page.adding.panel
    assert panel.keeps.isVisible() and panel.accept_button.text() == "Save as a new prompt"
    panel.conversation.turns[0].edit.setPlainText("Bake two cakes")
    panel.accept()
    said(context, qtbot, "A new prompt was made; the old one is archived with its answers.")
    listed(page, qtbot, 3)
    assert titles(page) == ["How do cakes rise?", "Why is the sky blue?", "Bake two cakes"]
    assert completions.get_group(project, group.id).prompt.messages == first.messages
    qtbot.waitUntil(lambda: page.reading.messages == (Message("user", "Bake two cakes"),), timeout=WAIT_MS)
    page.undo()
    listed(page, qtbot, 3)
    qtbot.waitUntil(lambda: titles(page)[0] == "Bake a cake", timeout=WAIT_MS)
    assert stored(context) == ["Bake a cake", "How do cakes rise?", "Why is the sky blue?"]


def test_an_edit_that_is_refused_keeps_what_was_written(filled, context, qtbot):
    page = filled
    page.table.selectRow(0)
    page.edit()
    panel = page.adding.panel
    panel.conversation.turns[0].edit.setPlainText("How do cakes rise?")
    panel.accept()
    qtbot.waitUntil(lambda: "exactly this text" in panel.notice.text(), timeout=WAIT_MS)
    assert page.adding.panel is panel and panel.conversation.turns[0].edit.toPlainText() == "How do cakes rise?"
    assert stored(context)[0] == "Bake a cake"
    press(page, qtbot, Qt.Key.Key_Escape)
    assert page.stack.currentWidget() is page.work


def test_an_edit_that_was_given_up_or_left_is_gone_on_with(filled, context, qtbot):
    page = filled
    page.table.selectRow(0)
    page.edit()
    panel = page.adding.panel
    assert panel.saved_button.isHidden()
    panel.conversation.turns[0].edit.setPlainText("Bake a large cake")
    press(page, qtbot, Qt.Key.Key_Escape)
    page.table.selectRow(1)
    page.edit()
    assert panel.conversation.turns[0].edit.toPlainText() == "How do cakes rise?" and panel.notice.text() == ""
    panel.conversation.add_exchange()
    page.leave()
    folder = context.project.folder
    context.open(None)
    context.open(Project.open(folder))
    listed(page, qtbot, 3)
    page.table.selectRow(0)
    page.edit()
    panel = page.adding.panel
    assert panel.conversation.turns[0].edit.toPlainText() == "Bake a large cake" and panel.accept_button.isEnabled()
    assert panel.notice.text() == "This is what you had written and not saved."
    panel.saved_button.click()
    assert panel.conversation.messages() == (Message("user", "Bake a cake"),)
    assert not panel.accept_button.isEnabled() and panel.saved_button.isHidden()
    page.table.selectRow(1)
    page.adding.close()
    page.edit()
    assert len(panel.conversation.turns) == 3, "a turn that was only begun is there, too"
    panel.conversation.turns[1].edit.setPlainText("By air.")
    panel.conversation.turns[2].edit.setPlainText("Which?")
    panel.accept()
    said(context, qtbot, "The prompt was changed.")
    page.leave()
    assert context.project.fact("prompt_edits_draft") == "", "nothing is written that is not saved"
    assert stored(context) == ["Bake a cake", "Which?", "Why is the sky blue?"]


def test_a_draft_for_a_text_that_is_another_by_now_is_forgotten(filled, context, qtbot):
    page, first = filled, prompts.all_prompts(context.project)[0]
    page.table.selectRow(0)
    page.edit()
    panel = page.adding.panel
    panel.conversation.turns[0].edit.setPlainText("Bake a large cake")
    press(page, qtbot, Qt.Key.Key_Escape)
    page.changes.rewrite(first.id, say("Bake bread"))
    said(context, qtbot, "The prompt was changed.")
    page.table.selectRow(0)
    page.edit()
    assert panel.conversation.messages() == (Message("user", "Bake bread"),) and panel.notice.text() == ""


def test_an_edit_changes_nothing_but_what_is_typed(filled, context, qtbot):
    """Qt gives a usual space for one that does not break; blanks around a text are no change of it."""
    page, project = filled, context.project
    french = prompts.add(project, say("  Où est la gare\u00a0?\r\nVite\u202f!\n"))
    context.prompts_changed.emit()
    listed(page, qtbot, 4)
    page.table.selectRow(3)
    page.edit()
    panel = page.adding.panel
    assert not panel.accept_button.isEnabled()
    qtbot.keyClicks(panel.conversation.turns[0].edit, "x")
    panel.accept()
    said(context, qtbot, "The prompt was changed.")
    assert prompts.get(project, french.id).messages == (Message("user", "x  Où est la gare\u00a0?\nVite\u202f!"),)


def test_tags_of_several_prompts_by_keys(filled, context, qtbot):
    page = filled
    page.table.setFocus()
    press(page, qtbot, Qt.Key.Key_A, CTRL)
    press(page, qtbot, Qt.Key.Key_L, CTRL)
    qtbot.waitUntil(lambda: len(page.tags.tag_buttons) == 1, timeout=WAIT_MS)
    assert page.tags.words.text() == "Tags of 3 prompts"
    qtbot.keyClicks(page.tags.field, "food, hard")
    qtbot.keyClick(page.tags.field, Qt.Key.Key_Return)
    said(context, qtbot, "3 prompts tagged “food, hard”.")
    qtbot.waitUntil(lambda: len(page.tags.tag_buttons) == 3, timeout=WAIT_MS)
    next(b for b in page.tags.tag_buttons if b.text().startswith("sky")).click()
    said(context, qtbot, "1 prompt no longer tagged “sky”.")
    assert [p.tags for p in prompts.all_prompts(context.project)] == [("food", "hard")] * 3
    page.undo()
    page.undo()
    qtbot.waitUntil(
        lambda: [p.tags for p in prompts.all_prompts(context.project)] == [(), (), ("sky",)], timeout=WAIT_MS
    )
    qtbot.keyClick(page.tags.field, Qt.Key.Key_Escape)
    assert not page.tags.isVisible() and QApplication.focusWidget() is page.table


def test_changes_of_an_earlier_day_are_undone_in_their_order(filled, context, qtbot):
    page, project = filled, context.project
    before = [(one.messages, one.tags, one.archived) for one in prompts.all_prompts(project)]
    cake, rise, sky = (one.id for one in prompts.all_prompts(project))
    group = completions.add_group(project, rise, size=2)
    completions.add(project, group.id, "With eggs.")
    page.changes.archive(array("q", [cake, sky]), True)
    page.changes.tag(array("q", [cake, rise]), add=("new",))
    page.changes.rewrite(cake, say("Bake two cakes"))
    page.changes.rewrite(rise, say("Why do cakes rise?"))
    page.changes.add([(tuple(say("Who are you?")), ())], "typed")
    said(context, qtbot, "1 prompt added.")
    changed = len(prompts.all_prompts(project))
    assert changed == 5, "what was asked became another prompt"
    context.open(Project.open(project.folder))
    project = context.project
    for words in ("1 prompt taken back.", "The prompt has its old text again.", "2 prompts have their tags of before."):
        context.said.clear()
        while words not in context.said:
            context.said.clear()
            page.undo()
            qtbot.waitUntil(lambda: bool(context.said), timeout=WAIT_MS)
    page.undo()
    said(context, qtbot, "2 prompts brought back.")
    assert [(one.messages, one.tags, one.archived) for one in prompts.all_prompts(project)] == before
    page.undo()
    assert context.said[-1] == "There is no change of prompts to undo."


def test_undo_waits_for_the_change_that_is_being_written(filled, context, qtbot):
    page = filled
    page.table.selectRow(0)
    page.archive()
    page.undo()
    said(context, qtbot, "1 prompt brought back.")
    assert stored(context, archived=False) == ["Bake a cake", "How do cakes rise?", "Why is the sky blue?"]

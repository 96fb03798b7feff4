"""Adding prompts by keys: written, pasted, from the starter set; doubles are noticed."""

from __future__ import annotations

import json

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from dpo_studio.core import starter_prompts
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompts
from dpo_studio.ui.prompts.paste_panel import PastePanel
from dpo_studio.ui.prompts.starter_panel import StarterPanel
from dpo_studio.ui.prompts.write_panel import WritePanel
from tests.ui.prompts.driving import CTRL, WAIT_MS, listed, press, said, stored


def test_an_empty_project_has_one_sentence_and_one_button_with_every_way_in(page, qtbot):
    assert page.stack.currentWidget() is page.empty and page.badge() == ""
    assert [button for button in page.findChildren(QPushButton) if button.isVisible()] == [page.empty.add_button]
    assert len([one for one in page.empty.findChildren(QLabel) if one.isVisible()]) == 2, "the heading and a sentence"
    assert page.empty.add_button.menu().actions() == list(page.actions_of_page.ways)
    page.undo()
    assert page.context.said == ["There is no change of prompts to undo."]


def test_a_prompt_is_written_by_keys_with_a_system_prompt_and_several_turns(page, context, qtbot):
    press(page, qtbot, Qt.Key.Key_T, CTRL)
    panel = page.adding.panel
    assert isinstance(panel, WritePanel) and not panel.accept_button.isEnabled()
    qtbot.keyClicks(QApplication.focusWidget(), "Hello")
    assert panel.accept_button.isEnabled()
    press(page, qtbot, Qt.Key.Key_M, CTRL)
    assert not panel.accept_button.isEnabled()
    assert "Every turn needs its text" in panel.notice.text()
    qtbot.keyClicks(QApplication.focusWidget(), "Hi!")
    panel.conversation.turns[-1].edit.setPlainText("Tell me a joke")
    qtbot.keyClick(panel.conversation.system_button, Qt.Key.Key_Space)
    qtbot.keyClicks(QApplication.focusWidget(), "Be brief.")
    panel.tags.setText(" fun, jokes ,fun")
    names = [turn.edit.accessibleName() for turn in panel.conversation.turns]
    assert names == ["System prompt", "The person, turn 1", "The model, turn 2", "The person, turn 3"]
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    said(context, qtbot, "1 prompt added.")
    listed(page, qtbot, 1)
    made = prompts.all_prompts(context.project)[0]
    assert [(m.role, m.content) for m in made.messages] == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi!"),
        ("user", "Tell me a joke"),
    ]
    assert (made.tags, made.source) == (("fun", "jokes"), "written here")
    assert page.stack.currentWidget() is page.work and page.badge() == "1"
    shown = page.reading.text.toPlainText()
    assert shown.split("\n") == [
        "System prompt", "Be brief.", "The person", "Hello", "The model", "Hi!", "The person", "Tell me a joke",
    ]  # fmt: skip
    page.undo()
    said(context, qtbot, "1 prompt taken back.")
    assert stored(context) == []


def test_tab_goes_through_the_turns_from_top_to_bottom_and_on_to_the_tags(page, qtbot):
    press(page, qtbot, Qt.Key.Key_T, CTRL)
    panel = page.adding.panel
    qtbot.keyClicks(QApplication.focusWidget(), "Hello")
    press(page, qtbot, Qt.Key.Key_M, CTRL)
    panel.conversation.turns[1].edit.setPlainText("Hi!")
    panel.conversation.turns[2].edit.setPlainText("And now?")
    qtbot.wait(20)  # the new turns are shown, the old ones gone
    panel.conversation.turns[0].edit.setFocus()
    passed = []
    for _ in range(10):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        passed.append(QApplication.focusWidget())
    turns = panel.conversation.turns
    assert passed == [
        turns[0].remove_button, turns[1].edit, turns[1].remove_button, turns[2].edit, turns[2].remove_button,
        panel.conversation.more_button, panel.tags, panel.again, panel.cancel_button, panel.accept_button,
    ]  # fmt: skip


def test_turns_are_taken_away_in_pairs_so_that_the_speakers_alternate(page, qtbot):
    page.adding.write()
    conversation = page.adding.panel.conversation
    conversation.set_messages([Message("user", "a"), Message("assistant", "b"), Message("user", "c")])
    conversation.turns[1].remove_button.click()
    assert conversation.messages() == (Message("user", "a"),)
    conversation.set_messages([Message("user", "a"), Message("assistant", "b"), Message("user", "c")])
    conversation.turns[2].remove_button.click()
    assert conversation.messages() == (Message("user", "a"),)
    conversation.set_messages([Message("system", "s"), Message("user", "a")])
    conversation.turns[0].remove_button.click()
    assert conversation.messages() == (Message("user", "a"),)
    assert conversation.system_button.isVisible() and not conversation.turns[0].remove_button.isVisible()


def test_one_prompt_after_the_other_and_doubles_are_noticed_before_they_are_added(page, context, qtbot):
    page.adding.write()
    panel = page.adding.panel
    panel.again.setChecked(True)
    panel.conversation.turns[0].edit.setPlainText("Why is the sky blue?")
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    said(context, qtbot, "1 prompt added.")
    assert page.adding.panel is panel and panel.conversation.is_empty
    panel.conversation.turns[0].edit.setPlainText("why is the  SKY blue?")
    qtbot.waitUntil(lambda: "capitals or spaces" in panel.notice.text(), timeout=WAIT_MS)
    panel.conversation.turns[0].edit.setPlainText("Why is the sky blue?")
    qtbot.waitUntil(lambda: "in the project already" in panel.notice.text(), timeout=WAIT_MS)
    panel.accept()
    said(context, qtbot, "Nothing was added; 1 was here already.")
    assert stored(context) == ["Why is the sky blue?"]


def test_what_is_written_and_not_added_is_there_when_the_project_opens_again(page, context, qtbot):
    page.adding.write()
    page.adding.panel.conversation.turns[0].edit.setPlainText("half a thou")
    page.adding.panel.tags.setText("later")
    page.leave()
    folder = context.project.folder
    context.open(None)
    context.open(Project.open(folder))
    page.adding.write()
    panel = page.adding.panel
    assert (panel.conversation.turns[0].edit.toPlainText(), panel.tags.text()) == ("half a thou", "later")
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    said(context, qtbot, "1 prompt added.")
    page.leave()
    assert context.project.fact("prompt_draft") == ""


def test_lines_from_the_clipboard_are_looked_at_before_they_are_added(filled, context, qtbot):
    page = filled
    QApplication.clipboard().setText("One?\nBake a cake\nTwo?\nOne?\n")
    page.table.setFocus()
    press(page, qtbot, Qt.Key.Key_V, CTRL)
    panel = page.adding.panel
    assert isinstance(panel, PastePanel) and len(stored(context)) == 3
    qtbot.waitUntil(lambda: panel.accept_button.text() == "Add 2 prompts", timeout=WAIT_MS)
    assert panel.found.text() == "4 prompts  ·  1 is in it twice  ·  1 in the project already"
    assert panel.preview.item(1).text() == "Bake a cake  ·  in the project already"
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    listed(page, qtbot, 5)
    assert stored(context)[3:] == ["One?", "Two?"]
    assert page.reading.messages == (Message("user", "One?"),), "the first that is new is shown"


def test_how_a_text_is_split_is_asked_and_json_is_recognised(page, context, qtbot):
    QApplication.clipboard().setText("First\nsecond line\n\nAnother\n")
    page.adding.paste()
    panel = page.adding.panel
    assert [panel.preview.item(row).text() for row in range(panel.preview.count())] == ["First second line", "Another"]
    panel.split.setCurrentIndex(0)
    panel.split.activated.emit(0)
    assert panel.accept_button.text() == "Add 3 prompts"
    panel.text.setPlainText('{"prompt": "A?"}\n{"messages": [{"role": "user", "content": "B?"}]}\n{"nothing": 1}\n')
    panel._chosen_split = "auto"
    assert [conversation for conversation, _ in panel.rows()] == [(Message("user", "A?"),), (Message("user", "B?"),)]
    assert not panel.split.isVisible() and "line 3: it holds no prompt" in panel.refused.text()


def test_what_is_pasted_brings_its_system_prompt_its_tags_and_its_blanks(page, context, qtbot):
    rows = [
        {"question": "Pourquoi\u00a0?", "system": "Be brief.", "tags": ["fr", "why"]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
    ]
    QApplication.clipboard().setText("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    page.adding.paste()
    panel = page.adding.panel
    assert panel.refused.text() == "1 entry is left out: line 3: its turns 1 and 2 are both the user's."
    assert panel.preview.item(0).text() == "Pourquoi ?  ·  system prompt  ·  fr  ·  why"
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    listed(page, qtbot, 2)
    first, second = prompts.all_prompts(context.project)
    assert first.messages == (Message("system", "Be brief."), Message("user", "Pourquoi\u00a0?"))
    assert (first.tags, second.messages) == (("fr", "why"), (Message("user", "Hi"),))


def test_half_an_emoji_that_is_pasted_is_no_crash(page, context, qtbot):
    """JSON can spell half of a surrogate pair, in the text and in a tag."""
    QApplication.clipboard().setText(r'{"prompt": "cut \ud83d", "tags": ["\ude00 x"], "system": "a \ud83d"}')
    page.adding.paste()
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    said(context, qtbot, "1 prompt added.")
    (made,) = prompts.all_prompts(context.project)
    assert (made.title, made.tags) == ("cut \ufffd", ("\ufffd x",))
    page.adding.paste()
    qtbot.waitUntil(lambda: "in the project already" in page.adding.panel.found.text(), timeout=WAIT_MS)


def test_what_is_pasted_and_not_added_is_there_when_the_project_opens_again(page, context, qtbot):
    QApplication.clipboard().setText("One?\nTwo\u00a0?")
    page.adding.paste()
    page.leave()
    folder = context.project.folder
    context.open(None)
    context.open(Project.open(folder))
    QApplication.clipboard().clear()
    page.adding.paste()
    assert page.adding.panel.accept_button.text() == "Add 2 prompts"
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    said(context, qtbot, "2 prompts added.")
    page.leave()
    assert context.project.fact("paste_draft") == "" and stored(context) == ["One?", "Two ?"]


def test_starter_prompts_by_theme(page, context, qtbot):
    themes = starter_prompts.themes()
    assert len(themes) >= 8 and all(len(theme.prompts) >= 10 for theme in themes)
    every = [conversation for theme in themes for conversation in theme.prompts]
    assert len(set(every)) == len(every), "no prompt is there twice"
    page.adding.starters()
    panel = page.adding.panel
    assert isinstance(panel, StarterPanel) and panel.rows() == []
    press(page, qtbot, Qt.Key.Key_Space)
    assert panel.accept_button.text() == f"Add {len(themes[0].prompts)} prompts"
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    listed(page, qtbot, len(themes[0].prompts))
    assert {prompt.tags for prompt in prompts.all_prompts(context.project)} == {(themes[0].tag,)}
    page.adding.starters()
    first = panel.tree.topLevelItem(0).child(0)
    qtbot.waitUntil(lambda: "in the project already" in first.text(0), timeout=WAIT_MS)
    press(page, qtbot, Qt.Key.Key_Space)
    assert panel.rows() == [] and not panel.accept_button.isEnabled()

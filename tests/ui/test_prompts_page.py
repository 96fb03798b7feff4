"""The Prompts page by keys: adding, finding, reading, changing and undoing, with the store's threads behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from dpo_studio.core import starter_prompts
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompt_edits, prompt_search, prompts, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.prompts.page import PromptsPage
from dpo_studio.ui.prompts.paste_panel import PastePanel
from dpo_studio.ui.prompts.starter_panel import StarterPanel
from dpo_studio.ui.prompts.write_panel import EditPanel, WritePanel

WAIT_MS = 60_000
CTRL = Qt.KeyboardModifier.ControlModifier


def say(text):
    return [Message("user", text)]


@pytest.fixture
def context(qapp: QApplication, tmp_path: Path, light):
    made = Context()
    made.open(Project.create(tmp_path / "project"))
    made.said = []
    made.message.connect(lambda text, level: made.said.append(text))
    yield made
    made.open(None)


@pytest.fixture
def page(context: Context, qtbot):
    made = PromptsPage(context)
    qtbot.addWidget(made)
    made.resize(1200, 800)
    made.ensure_built()
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


@pytest.fixture
def filled(page, context, qtbot):
    for text in ("Bake a cake", "How do cakes rise?", "Why is the sky blue?"):
        prompts.add(context.project, say(text), source="typed", tags=("sky",) if "sky" in text else ())
    context.prompts_changed.emit()
    listed(page, qtbot, 3)
    return page


def listed(page, qtbot, count: int) -> None:
    qtbot.waitUntil(
        lambda: page.listing.complete and page.listing.store.is_idle and page.table.rows.rowCount() == count,
        timeout=WAIT_MS,
    )


def said(context, qtbot, words: str) -> None:
    qtbot.waitUntil(lambda: any(words in one for one in context.said), timeout=WAIT_MS)


def titles(page) -> list[str]:
    return [page.table.rows.row(number).title for number in range(page.table.rows.rowCount())]


def stored(context, **more) -> list[str]:
    return [prompt.title for prompt in prompts.all_prompts(context.project, **more)]


def press(page, qtbot, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """A key where the focus is, or on the page."""
    where = QApplication.focusWidget()
    qtbot.keyClick(where if where is not None and page.isAncestorOf(where) else page, key, modifier)


# Adding


def test_an_empty_project_has_one_sentence_and_one_button_with_every_way_in(page, qtbot):
    assert page.stack.currentWidget() is page.empty and page.badge() == ""
    assert [button for button in page.findChildren(QPushButton) if button.isVisible()] == [page.empty.add_button]
    assert len([one for one in page.empty.findChildren(QLabel) if one.isVisible()]) == 2, "the heading and a sentence"
    assert page.empty.add_button.menu().actions() == list(page.actions_of_page.ways)
    page.undo()
    assert page.context.said == ["There is no change of prompts to undo since this window was opened."]


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
    assert not panel.split.isVisible() and "line 3 holds no prompt" in panel.refused.text()


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


# Finding


def test_a_search_by_keys_and_back_to_all(filled, qtbot):
    page = filled
    press(page, qtbot, Qt.Key.Key_F, CTRL)
    assert QApplication.focusWidget() is page.bar.field
    qtbot.keyClicks(page.bar.field, "CAKE")
    listed(page, qtbot, 2)
    assert titles(page) == ["Bake a cake", "How do cakes rise?"]
    assert page.reading.messages == (Message("user", "Bake a cake"),)
    press(page, qtbot, Qt.Key.Key_Down)
    press(page, qtbot, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: page.reading.messages == (Message("user", "How do cakes rise?"),), timeout=WAIT_MS)
    assert page.work.count.text() == "2 prompts"
    press(page, qtbot, Qt.Key.Key_Escape)
    listed(page, qtbot, 3)
    assert page.reading.messages == (Message("user", "How do cakes rise?"),), "it stays on the prompt that is read"


def test_nothing_found_is_said_with_a_way_back(filled, qtbot):
    page = filled
    page.bar.field.setText("quetzalcoatl")
    listed(page, qtbot, 0)
    assert page.work.nothing.isVisible() and page.work.nothing.text() == "No prompt matches this."
    page.work.nothing_button.click()
    listed(page, qtbot, 3)
    assert not page.work.nothing.isVisible()


def choose(button, words: str) -> None:
    menu = button.menu()
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.text() == words).trigger()


def test_filters_by_tag_source_answers_side_and_order(filled, context, qtbot):
    page, project = filled, context.project
    group = completions.add_group(project, prompts.all_prompts(project)[0].id, size=2)
    for text in ("a", "b"):
        completions.add(project, group.id, text)
    rankings.add(project, completions.get_group(project, group.id), ranks=[1, 2])
    prompts.set_held_out(project, prompts.all_prompts(project)[1].id, True)
    context.rankings_changed.emit()
    page._ask_names()
    qtbot.waitUntil(lambda: page.bar._names[0] == ["sky"], timeout=WAIT_MS)
    for button, words, found in (
        (page.bar.tags, "sky", ["Why is the sky blue?"]),
        (page.bar.progress, "Labelled", ["Bake a cake"]),
        (page.bar.progress, "Without answers", ["How do cakes rise?", "Why is the sky blue?"]),
        (page.bar.held_out, "Held out", ["How do cakes rise?"]),
        (page.bar.source, "typed", ["Bake a cake", "How do cakes rise?", "Why is the sky blue?"]),
    ):
        choose(button, words)
        listed(page, qtbot, len(found))
        assert titles(page) == found, words
        assert words in button.accessibleName()
        page.bar.clear()
        listed(page, qtbot, 3)
    choose(page.bar.order, "Newest first")
    qtbot.waitUntil(lambda: page.listing.complete and titles(page)[0] == "Why is the sky blue?", timeout=WAIT_MS)
    assert [page.table.rows.data(page.table.rows.index(row, 2)) for row in range(3)] == [
        "no answers",
        "no answers",
        "labelled",
    ]


def test_thousands_of_prompts_come_in_pages_and_the_list_goes_to_its_end(page, context, qtbot):
    prompts.add_many(context.project, (say(f"number {number}") for number in range(2_500)))
    context.prompts_changed.emit()
    listed(page, qtbot, 2_500)
    assert page.work.count.text() == "2,500 prompts" and page.badge() == "2,500"
    page.table.setFocus()
    press(page, qtbot, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: page.reading.messages == (Message("user", "number 2499"),), timeout=WAIT_MS)
    press(page, qtbot, Qt.Key.Key_A, CTRL)
    assert page.table.selected_count() == 2_500
    assert page.work.generate_button.text() == "Generate answers for 2,500 prompts"
    press(page, qtbot, Qt.Key.Key_Delete)
    said(context, qtbot, "2,500 prompts archived; answers and labels stay.")
    listed(page, qtbot, 0)
    assert page.work.nothing.text() == "All prompts are archived."
    page.undo()
    listed(page, qtbot, 2_500)
    assert prompt_search.totals(context.project) == (2_500, 0)


# Changing


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


def test_undo_waits_for_the_change_that_is_being_written(filled, context, qtbot):
    page = filled
    page.table.selectRow(0)
    page.archive()
    page.undo()
    said(context, qtbot, "1 prompt brought back.")
    assert stored(context, archived=False) == ["Bake a cake", "How do cakes rise?", "Why is the sky blue?"]


# With the rest of the window


def test_selected_prompts_are_handed_to_generate(filled, context, qtbot):
    page = filled
    generate = GeneratePage(context)
    qtbot.addWidget(generate)
    generate.resize(1200, 800)
    wanted = []
    context.page_wanted.connect(wanted.append)
    prompt_edits.archive(context.project, [prompts.all_prompts(context.project)[1].id])
    context.prompts_changed.emit()
    listed(page, qtbot, 2)
    page.table.setFocus()
    press(page, qtbot, Qt.Key.Key_A, CTRL)
    press(page, qtbot, Qt.Key.Key_Return, CTRL)
    assert wanted == ["generate"]
    assert [p.title for p in generate.table.prompt_model.prompts] == ["Bake a cake", "Why is the sky blue?"]
    assert len(generate.table.selected_ids()) == 2
    assert generate.work.generate_button.text() == "Generate 4 answers for 2 prompts"
    generate.answering.process.close()


def test_what_other_pages_write_is_seen_and_the_place_in_the_list_stays(filled, context, qtbot):
    page, project = filled, context.project
    page.table.selectRow(2)
    prompt_edits.archive(project, [prompts.all_prompts(project)[0].id])
    prompts.add(project, say("from elsewhere"))
    context.prompts_changed.emit()
    listed(page, qtbot, 3)
    assert titles(page) == ["How do cakes rise?", "Why is the sky blue?", "from elsewhere"]
    assert page.table.selected_count() == 1 and page.table.current_id() == prompts.all_prompts(project)[2].id
    page.hide()
    prompts.add(project, say("while it was hidden"))
    context.prompts_changed.emit()
    assert page.badge() == "4"
    page.show()
    listed(page, qtbot, 4)


def test_every_action_has_a_name_and_every_control_says_what_it_is(filled):
    page = filled
    names = [action.text() for action in page.actions_for_palette()]
    assert len(set(names)) == len(names) and all(names)
    keys = {key.toString() for action in page.actions_for_palette() for key in action.shortcuts()}
    shown = " ".join(line.keys for line in page.key_help())
    for key in keys:
        assert key.replace("Return", "Enter") in shown, key
    for button in page.findChildren(QPushButton):
        assert button.text() or button.accessibleName()
    for widget in (page.table, page.bar.field, page.reading.text, page.work.count):
        assert widget.accessibleName()


def test_copying_and_another_project(filled, context, qtbot, tmp_path):
    page = filled
    page.table.setFocus()
    press(page, qtbot, Qt.Key.Key_C, CTRL)
    assert QApplication.clipboard().text() == "Bake a cake"
    page.bar.field.setText("cake")
    context.open(Project.create(tmp_path / "another"))
    assert page.stack.currentWidget() is page.empty and page.bar.wanted().text == ""
    assert page.table.rows.rowCount() == 0

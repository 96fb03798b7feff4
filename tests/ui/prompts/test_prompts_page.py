"""The Prompts page with the rest of the window: Generate, other pages' news, names, the clipboard."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton

from dpo_studio.store import Project, prompt_edits, prompts
from dpo_studio.ui.generate.page import GeneratePage
from tests.ui.prompts.driving import CTRL, WAIT_MS, listed, press, say, titles


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
    qtbot.waitUntil(lambda: generate.table.selected_count() == 2, timeout=WAIT_MS)
    assert titles(generate) == ["Bake a cake", "Why is the sky blue?"]
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

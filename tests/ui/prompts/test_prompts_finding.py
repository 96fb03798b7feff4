"""Finding prompts on the page: words, filters, a long list to its end, certain prompts alone."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core.types import Message
from dpo_studio.store import completions, prompt_search, prompts, rankings
from dpo_studio.ui.prompts.page import PromptsPage
from tests.ui.prompts.driving import CTRL, WAIT_MS, choose, listed, press, said, say, titles


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


def test_another_page_has_certain_prompts_listed_until_all_are_asked_for(filled, context, qtbot):
    page, ids = filled, [prompt.id for prompt in prompts.all_prompts(context.project)]
    page.bar.field.setText("sky")
    listed(page, qtbot, 1)
    context.prompts_wanted.emit([ids[1], ids[0], ids[1], 99], "These two speak of <b>cakes</b>.")
    listed(page, qtbot, 2)
    assert titles(page) == ["Bake a cake", "How do cakes rise?"], "what was searched before is forgotten"
    assert page.bar.why.text() == "These two speak of <b>cakes</b>." and page.bar.why.isVisible()
    page.bar.field.setText("rise")
    listed(page, qtbot, 1)
    page.table.selectRow(0)
    page.archive()
    said(context, qtbot, "1 prompt archived")
    listed(page, qtbot, 0)
    page.bar.field.setText("")
    listed(page, qtbot, 1)
    page.bar.all_button.click()
    listed(page, qtbot, 2)
    assert titles(page) == ["Bake a cake", "Why is the sky blue?"] and not page.bar.only.isVisible()
    context.prompts_wanted.emit([ids[2]], "One")
    listed(page, qtbot, 1)
    press(page, qtbot, Qt.Key.Key_Escape)
    listed(page, qtbot, 2)


def test_certain_prompts_are_shown_on_a_page_that_was_never_open(context, qtbot):
    made = prompts.add_many(context.project, [say("a"), say("b")])
    page = PromptsPage(context)
    qtbot.addWidget(page)
    context.prompts_wanted.emit([made[1].id], "This one")
    listed(page, qtbot, 1)
    assert titles(page) == ["b"]

"""The prompts of Generate: how they come in by way of the Prompts page, and a list of many of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QStackedWidget

from dpo_studio.core import commands, events
from dpo_studio.core.types import Message, PromptId
from dpo_studio.store import completions, prompt_edits, prompts
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate import asking
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.generate.thread import TokenBurst
from dpo_studio.ui.prompts.import_panel import ImportPanel
from dpo_studio.ui.prompts.page import PromptsPage
from dpo_studio.ui.prompts.write_panel import WritePanel
from tests.ui.generate.driving import WAIT_MS, add_prompts, ask, finished, select, settle, titles_of, words_of

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(context: Context, page: GeneratePage, qtbot):
    """Both pages in a stack that shows the one that is wanted, as the window does; Generate to begin with."""
    made = QStackedWidget()
    qtbot.addWidget(made)
    pages = {"prompts": PromptsPage(context), "generate": page}
    for one in pages.values():
        made.addWidget(one)

    def show_page(name: str) -> None:
        made.currentWidget().leave()
        pages[name].ensure_built()
        made.setCurrentWidget(pages[name])

    context.page_wanted.connect(show_page)
    made.setCurrentWidget(page)
    made.resize(1200, 800)
    made.show()
    qtbot.waitExposed(made)
    made.pages = pages
    yield made
    pages["prompts"].shut_down()


def panel_of(window: QStackedWidget):
    return window.pages["prompts"].adding.panel


def test_an_empty_project_says_what_to_do(window, page: GeneratePage, qtbot) -> None:
    assert page._stack.currentWidget() is page._empty and page.badge() == ""
    page._empty.adding["write"].click()
    assert window.currentWidget() is window.pages["prompts"] and isinstance(panel_of(window), WritePanel)
    qtbot.keyClick(panel_of(window), Qt.Key.Key_Escape)
    assert window.currentWidget() is page, "nothing was written: back to where one was"


def test_a_prompt_that_was_written_is_chosen_in_generate(window, page: GeneratePage, qtbot) -> None:
    add_prompts(page, qtbot, "Old?")
    qtbot.keyClick(page, Qt.Key.Key_T, CTRL)
    panel = panel_of(window)
    panel.conversation.turns[0].edit.setPlainText("New?")
    panel.accept_button.click()
    qtbot.waitUntil(lambda: window.currentWidget() is page and page.table.selected_count() == 1, timeout=WAIT_MS)
    assert titles_of(page) == ["Old?", "New?"]
    assert page.work.generate_button.text() == "Generate 4 answers for 1 prompt"
    assert list(page.table.selected_ids()) == [prompts.all_prompts(page.context.project)[1].id]


def test_a_table_is_imported_by_the_one_way_there_is_and_its_new_prompts_are_chosen(
    window, page: GeneratePage, context: Context, qtbot, tmp_path: Path
) -> None:
    add_prompts(page, qtbot, "One?")
    source = tmp_path / "mine.csv"
    source.write_text("prompt,tags\nOne?,\nTwo?,a\nThree?,b\n", encoding="utf-8")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(source))])
    page.dropEvent(
        QDropEvent(
            QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        )
    )
    panel = panel_of(window)
    assert isinstance(panel, ImportPanel)
    qtbot.waitUntil(lambda: panel.answer.get("total") == 3 and panel.accept_button.isEnabled(), timeout=WAIT_MS)
    panel.accept_button.click()
    qtbot.waitUntil(lambda: window.currentWidget() is page and page.table.selected_count() == 2, timeout=WAIT_MS)
    assert [prompts.get(context.project, PromptId(one)).title for one in page.table.selected_ids()] == [
        "Two?",
        "Three?",
    ]
    assert page.work.generate_button.text() == "Generate 4 answers for 2 prompts"


def test_an_import_does_not_fetch_back_a_person_who_went_elsewhere(
    window, page: GeneratePage, context: Context, qtbot, tmp_path: Path
) -> None:
    source = tmp_path / "mine.txt"
    source.write_text("One?\nTwo?\n", encoding="utf-8")
    page.add_prompts("import", str(source))
    panel = panel_of(window)
    qtbot.waitUntil(lambda: panel.answer.get("total") == 2 and panel.accept_button.isEnabled(), timeout=WAIT_MS)
    context.page_wanted.emit("generate")
    context.page_wanted.emit("prompts")
    panel.accept_button.click()
    qtbot.waitUntil(lambda: prompts.count(context.project) == 2 and panel_of(window) is None, timeout=WAIT_MS)
    settle(page, qtbot)
    assert window.currentWidget() is window.pages["prompts"] and not page.table.selected_count()


def test_archived_prompts_go_and_the_selection_stays(page: GeneratePage, context: Context, qtbot) -> None:
    add_prompts(page, qtbot, "One?", "Two?", "Three?")
    select(page, 2)
    prompt_edits.archive(context.project, [page.table.rows.id_at(0)])
    context.prompts_changed.emit()
    settle(page, qtbot)
    assert titles_of(page) == ["Two?", "Three?"]
    assert list(page.table.selected_ids()) == [page.table.rows.id_at(1)]
    add_prompts(page, qtbot, "Four?")
    assert list(page.table.selected_ids()) == [page.table.rows.id_at(1)] and page.view.title.text() == "Three?"


def test_counts_say_what_would_be_asked(page: GeneratePage, context: Context, sent: list, qtbot) -> None:
    add_prompts(page, qtbot, "One?", "Two?", "Three?")
    select(page, 1)
    assert page.work.count.text() == "1 of 3 selected"
    command = ask(page, qtbot, sent)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    settle(page, qtbot)
    assert page.work.count.text() == "3 prompts, 2 without answers"
    assert page.work.generate_button.text() == "Generate 4 answers for 2 prompts"
    page.table.setFocus()
    qtbot.keyClick(page.table, Qt.Key.Key_A, CTRL)
    assert page.work.generate_button.text() == "Generate 4 answers for 3 prompts"
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    command = ask(page, qtbot, sent)
    assert [item.messages[0].content for item in command.items] == ["One?", "Three?"]
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    settle(page, qtbot)
    assert page.work.count.text() == "3 prompts" and not page.work.generate_button.isEnabled()
    assert page.work.hint.text().startswith("Every prompt has answers or waits for them.")


def test_many_prompts_are_asked_part_by_part_and_counted_as_one(
    page: GeneratePage, context: Context, sent: list, qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(asking, "_FIRST", 3)
    monkeypatch.setattr(asking, "_PART", 50)
    add_prompts(page, qtbot, *(f"Question {number}?" for number in range(150)))
    page.form.k.setValue(2)
    command = ask(page, qtbot, sent)
    say, asked = page.answering.on_event, []
    assert completions.count_unfinished(context.project) == 150
    assert page.answering.job.detail == "0/300"
    while command is not None:
        for item in command.items:
            asked.append(item.messages[0].content)
            say(TokenBurst(command.job, item.group, 0, "a", 1))
            for candidate in (0, 1):
                say(finished(command, item.group, candidate))
            say(events.GroupFinished(command.job, item.group, 1.0, 6))
        there = len(sent)
        assert len(asked) == 150 or page.answering.job.detail == f"{2 * len(asked)}/300"
        say(events.JobFinished(command.job, "done"))
        command = sent[there] if len(sent) > there else None
    assert asked == [f"Question {number}?" for number in range(150)]
    assert page.answering.job is None and len(sent) > 2
    settle(page, qtbot)
    assert set(words_of(page)) == {"ready"} and not page.queue.isVisible()


def test_what_was_not_asked_yet_when_it_was_cancelled_is_told(
    page: GeneratePage, context: Context, sent: list, qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(asking, "_FIRST", 2)
    monkeypatch.setattr(asking, "_PART", 2)
    monkeypatch.setattr(asking, "_BREATH_S", 0.05)
    said: list[str] = []
    context.message.connect(lambda text, _level: said.append(text))
    add_prompts(page, qtbot, *(f"Question {number}?" for number in range(60)))
    page.generate()
    qtbot.waitUntil(lambda: bool(sent), timeout=WAIT_MS)
    page.answering.cancel()
    page.answering.on_event(events.JobFinished(sent[0].job, "cancelled"))
    settle(page, qtbot)
    written = completions.count_unfinished(context.project)
    assert 2 <= written < 60
    assert said == [f"{60 - written} prompts were not asked any more; Generate asks them."]
    assert page.work.generate_button.text() == f"Generate 4 answers for {60 - written} prompts"
    assert page.queue.words.text() == f"{written} prompts wait for answers."


def test_a_list_of_ten_thousand_prompts_is_quick(page: GeneratePage, context: Context, sent: list, qtbot) -> None:
    prompts.add_many(context.project, [(Message("user", f"Question {n}?"),) for n in range(10_000)])
    context.prompts_changed.emit()
    settle(page, qtbot)
    started = time.perf_counter()
    page._refresh()
    page.grab()
    for _ in range(100):
        page._show_job()
        page._update_state(page.table.rows.id_at(5000))
    assert time.perf_counter() - started < 1.0
    page.context.prompts_chosen.emit([one.id for one in prompts.all_prompts(context.project)])
    settle(page, qtbot)
    assert page.work.generate_button.text() == "Generate 4 answers for 10,000 prompts"


def test_an_import_that_waits_for_another_job_is_asked_when_it_is_done(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    from dpo_studio.ui.job_board import Job

    class Other(Job):
        def start(self) -> None:
            pass

    other = Other("training Run 1")
    context.jobs.submit(other)
    add_prompts(page, qtbot, "One?")
    page.generate()
    settle(page, qtbot)
    assert sent == [] and page.queue.words.text() == "Waits until training Run 1 is done."
    other.finish()
    assert isinstance(sent[0], commands.Generate)

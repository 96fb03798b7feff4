"""The queue of unfinished prompts: cancel, pause, go on, label what is there, stop waiting."""

from __future__ import annotations

from PySide6.QtCore import Qt

from dpo_studio.core import commands, events
from dpo_studio.store import Project, completions, rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.generate.thread import TokenBurst
from tests.ui.generate.driving import add_prompts, ask, finished, select, settle, words_of


def test_cancel_keeps_what_is_finished_and_continue_asks_for_the_rest(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, qtbot, "One?")
    command = ask(page, qtbot, sent)
    group = command.items[0].group
    page.answering.on_event(finished(command, group, 1))
    page.queue.cancel_button.click()
    assert sent[1] == commands.Cancel(command.job) and not page.queue.cancel_button.isEnabled()
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    assert page.badge() == "1 waiting"
    settle(page, qtbot)
    assert page.queue.words.text() == "1 prompt waits for answers."
    assert not page.queue.accept_button.isEnabled()
    again = ask(page, qtbot, sent, page.queue.continue_button.click)
    assert again.items[0].candidates == (0, 2, 3)
    assert again.sampling == command.sampling and again.base == "starter"
    assert page.queue.words.text() == "Starting the model process…" and page.answering.job.detail == "0/3"
    page.answering.on_event(finished(again, group, 0))
    page.answering.on_event(events.JobFinished(again.job, "cancelled"))
    settle(page, qtbot)
    page.queue.accept_button.click()
    settle(page, qtbot)
    assert completions.count_unfinished(context.project) == 0
    (ready,) = rankings.next_groups(context.project)
    assert [completion.candidate for completion in ready.completions] == [0, 1]


def test_pause_holds_what_is_written_and_go_on_resumes_it(page: GeneratePage, context: Context, sent: list, qtbot):
    add_prompts(page, qtbot, "One?", "Two?")
    command, say = ask(page, qtbot, sent), page.answering.on_event
    first = command.items[0].group
    assert page.queue.pause_button.isVisible() and page.queue.pause_button.text() == "Pause"
    say(TokenBurst(command.job, first, 0, "Once", 1))
    qtbot.keyClick(page, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert sent[1:] == [commands.Pause(command.job)]
    assert page.queue.words.text().startswith("Paused at 0 of 8 answers")
    assert page.queue.pause_button.text() == "Go on" and words_of(page)[0] == "paused"
    assert page.answering.job.detail == "paused, 0/8" and page.answering.job.time_left_s is None
    card = page.view.cards.cards[0]
    assert card.text.toPlainText() == "Once" and card.state_words == "paused"
    page.queue.pause_button.click()
    assert sent[2:] == [commands.Resume(command.job)]
    say(TokenBurst(command.job, first, 0, " upon", 1))
    assert card.text.toPlainText() == "Once upon" and words_of(page)[0] == card.state_words == "writing…"
    page.answering.toggle_pause()
    page.queue.cancel_button.click()
    assert sent[-1] == commands.Cancel(command.job)
    say(events.JobFinished(command.job, "cancelled"))
    assert page.answering.job is None and completions.count_unfinished(context.project) == 2


def test_a_pause_between_two_commands_of_a_job_holds_the_second(
    page: GeneratePage, context: Context, sent: list, qtbot
):
    add_prompts(page, qtbot, "One?", "Two?")
    for index, seed in enumerate(("1", "2")):
        select(page, index)
        page.form.numbers.fields["seed"].setText(seed)
        page.answering.on_event(events.JobFinished(ask(page, qtbot, sent).job, "cancelled"))
        settle(page, qtbot)
    del sent[:]
    first = ask(page, qtbot, sent, page.go_on)
    page.answering.toggle_pause()
    page.answering.on_event(events.JobFinished(first.job, "done"))
    assert sent[1:] == [commands.Pause(first.job)] and page.answering.job is not None
    page.answering.toggle_pause()
    assert isinstance(sent[2], commands.Generate) and sent[2].sampling["seed"] == 2
    page.answering.on_event(events.JobFinished(sent[2].job, "done"))
    assert page.answering.job is None


def test_what_was_not_finished_goes_on_after_the_project_is_opened_again(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, qtbot, "One?", "Two?")
    command = ask(page, qtbot, sent)
    page.answering.on_event(finished(command, command.items[0].group, 2))
    folder = context.project.folder
    context.open(None)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    context.open(Project.open(folder))
    settle(page, qtbot)
    assert words_of(page) == ["waiting 1 of 4", "waiting 0 of 4"]
    assert page.queue.words.text() == "2 prompts wait for answers."
    again = ask(page, qtbot, sent, page.queue.continue_button.click)
    assert [item.candidates for item in again.items] == [(0, 1, 3), (0, 1, 2, 3)]


def test_stop_waiting_empties_the_queue_and_keeps_answers(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, qtbot, "One?", "Two?")
    command = ask(page, qtbot, sent)
    for candidate in (0, 1):
        page.answering.on_event(finished(command, command.items[0].group, candidate))
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    settle(page, qtbot)
    page.queue.give_up_button.click()
    settle(page, qtbot)
    assert words_of(page) == ["ready", "no answers"]
    assert not page.queue.isVisible()

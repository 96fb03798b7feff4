"""Answers as they come: into their cards, into the project, followed by the view; and what goes wrong meanwhile."""

from __future__ import annotations

from pathlib import Path

from dpo_studio.core import commands, events
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompts, rankings, requests
from dpo_studio.ui.context import Context
from dpo_studio.ui.generate.answering import plain_models
from dpo_studio.ui.generate.page import GeneratePage
from dpo_studio.ui.generate.thread import TokenBurst
from tests.ui.generate.driving import add_prompts, ask, finished, select, settle, words_of


def test_answers_stream_into_cards_and_each_is_kept_at_once(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, qtbot, "One?", "Two?", "Three?")
    select(page, 0, 1)
    assert page.work.generate_button.text() == "Generate 4 answers for 2 prompts"
    command = ask(page, qtbot, sent)
    assert sent == [command]
    assert completions.count_unfinished(context.project) == 2  # in the queue before anything is answered
    assert page.badge() == "● 2 waiting"
    assert not page.work.generate_button.isEnabled()
    first, second = (item.group for item in command.items)
    say = page.answering.on_event
    say(events.ModelLoading("starter", "reading the weights"))
    assert page.queue.words.text() == "Reading the weights…"
    say(events.ModelLoaded("starter", None, "cpu", "float32", 1, 2048, "hash", 0.1))
    for text in ("Once ", "upon ", "a time"):
        say(TokenBurst(command.job, first, 2, text, 2))
    cards = page.view.cards.cards
    assert [card.text.toPlainText() for card in cards] == ["", "", "Once upon a time", ""]
    assert [card.state_words for card in cards] == ["waiting", "waiting", "writing…", "waiting"]
    assert words_of(page)[0] == "writing…"

    say(finished(command, first, 2, "Once upon a time.", reason="length"))
    assert cards[2].text.toPlainText() == "Once upon a time." and cards[2].state_words == "cut off"
    (kept,) = completions.get_group(context.project, first).completions
    assert (kept.candidate, kept.text, kept.token_ids) == (2, "Once upon a time.", (1, 2, 3))
    assert "1 of 8 answers" in page.queue.words.text()

    for candidate in (0, 1, 3):
        say(finished(command, first, candidate))
    say(events.GroupFinished(command.job, first, 1.0, 12))
    assert words_of(page) == ["ready", "waiting 0 of 4", "no answers"]
    assert [g.id for g in rankings.next_groups(context.project)] == [first]

    say(events.GroupRefused(command.job, second, "This prompt is too long.", "Shorten it."))
    with qtbot.waitSignal(context.groups_changed):
        say(events.JobFinished(command.job, "done"))
    assert words_of(page) == ["ready", "refused", "no answers"]
    assert page.answering.job is None
    settle(page, qtbot)
    assert page.queue.words.text() == "1 prompt waits for answers."
    select(page, 1)
    assert page.view.refusal.text() == "This prompt is too long. Shorten it."


def test_the_view_follows_unless_another_prompt_was_chosen(page: GeneratePage, sent: list, qtbot) -> None:
    add_prompts(page, qtbot, "One?", "Two?", "Three?")
    command = ask(page, qtbot, sent)
    first, second, _third = (item.group for item in command.items)
    say = page.answering.on_event
    say(TokenBurst(command.job, first, 0, "a", 1))
    assert page.view.title.text() == "One?"
    select(page, 2)
    say(TokenBurst(command.job, first, 0, "b", 1))
    assert page.view.title.text() == "Three?" and page.view.follow_button.isVisible()
    page.view.follow_button.click()
    assert page.view.title.text() == "One?"
    assert page.view.cards.cards[0].text.toPlainText() == "ab"
    for candidate in range(4):
        say(finished(command, first, candidate))
    say(events.GroupFinished(command.job, first, 1.0, 12))
    say(TokenBurst(command.job, second, 0, "c", 1))
    assert page.view.title.text() == "Two?"


def test_a_failure_is_a_sentence_and_nothing_is_lost(page: GeneratePage, context: Context, sent: list, qtbot) -> None:
    add_prompts(page, qtbot, "One?")
    command = ask(page, qtbot, sent)
    page.answering.on_event(events.Failed("The model is gone.", "Choose another.", "a traceback", command.job))
    settle(page, qtbot)
    assert page.queue.problem.text() == "The model is gone. Choose another."
    assert page.queue.copy_button.isVisible() and page.queue.continue_button.isVisible()
    assert completions.count_unfinished(context.project) == 1


def test_events_of_an_older_job_are_not_mistaken_for_this_ones(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, qtbot, "One?")
    old = ask(page, qtbot, sent)
    page.answering.on_event(events.JobFinished(old.job, "cancelled"))
    ask(page, qtbot, sent, page.go_on)
    page.answering.on_event(finished(old, old.items[0].group, 0))
    page.answering.on_event(events.JobFinished(old.job, "done"))
    assert page.answering.job is not None
    assert completions.get_group(context.project, old.items[0].group).completions == ()


def test_another_projects_answers_are_not_written_into_this_one(
    page: GeneratePage, context: Context, sent: list, tmp_path: Path, qtbot
) -> None:
    add_prompts(page, qtbot, "One?")
    command = ask(page, qtbot, sent)
    other = Project.create(tmp_path / "other")
    prompt = prompts.add(other, [Message("user", "Other?")])
    requests.ask(other, [prompt.id], requests.starter_policy(other), page.form.settings())
    context.open(other)
    assert sent[-1] == commands.Cancel(command.job)
    page.answering.on_event(finished(command, command.items[0].group, 0))
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    settle(page, qtbot)
    assert completions.unfinished(other)[0].completions == ()
    assert words_of(page) == ["waiting 0 of 4"]


def test_a_model_without_a_chat_format_is_said_to_have_none(
    page: GeneratePage, context: Context, sent: list, qtbot
) -> None:
    add_prompts(page, qtbot, "One?")
    command = ask(page, qtbot, sent)
    loaded = events.ModelLoaded(command.base, None, "cpu", "float32", 1, 2048, "hash", 0.1, plain_template=True)
    page.answering.on_event(loaded)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    page.table.selectAll()
    assert "no chat format of its own" in page.view.about.text()
    assert plain_models(context.project) == ("starter",)

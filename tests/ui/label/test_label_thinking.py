"""Thinking is folded away in the cards of Label, opens, and stays as it is in the project."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from dpo_studio.core.types import Message
from dpo_studio.store import completions
from tests.groups import add_group

THOUGHT = "First I add.\n\n# Then I check.\nIt *is* four."
ANSWERS = (f"<think>\n{THOUGHT}\n</think>\n\n# Four\n\nIt is **four**.", "Five.", "<think>\nThe person wants")


@pytest.fixture
def page(context, show_page):
    earlier = [
        Message("user", "Hi"),
        Message("assistant", "<think>a greeting</think>Hello."),
        Message("user", "2 + 2?"),
    ]
    add_group(context.project, earlier, ANSWERS)
    return show_page(size=(1100, 700))


def card_of(page, text):
    return next(c for c in page.bench.stack.view.grid.shown_cards if c.completion.text == text)


def lines(reader):
    return reader.toPlainText().replace("\u2028", "\n").split("\n")


def test_a_folded_card_shows_the_answer_and_how_long_the_thinking_is(page):
    card = card_of(page, ANSWERS[0])
    assert lines(card.reader) == ["Four", "It is four."]
    assert card.fold.isVisible() and card.fold.text() == "Thinking, 9 words"
    assert card.fold.accessibleName() == card.fold.text()
    assert not card_of(page, ANSWERS[1]).fold.isVisible()


def test_thinking_that_was_cut_says_so(page):
    card = card_of(page, ANSWERS[2])
    assert card.fold.text() == "Thinking, 3 words, cut off"
    assert lines(card.reader) == ["(no answer after the thinking)"]


def test_it_opens_before_the_answer_as_plain_text_and_closes_again(page):
    card = card_of(page, ANSWERS[0])
    folded = card.wanted_height(400)
    QTest.mouseClick(card.fold, Qt.MouseButton.LeftButton)
    assert lines(card.reader) == [*THOUGHT.split("\n"), "Four", "It is four."]
    first, heading = card.reader.document().begin(), card.reader.document().lastBlock().previous()
    assert first.blockFormat().leftMargin() > 0 and not first.blockFormat().headingLevel()
    assert heading.text() == "Four" and heading.blockFormat().headingLevel() == 1
    assert heading.blockFormat().leftMargin() == 0
    assert card.wanted_height(400) > folded
    QTest.mouseClick(card.fold, Qt.MouseButton.LeftButton)
    assert lines(card.reader) == ["Four", "It is four."]


def test_the_words_that_differ_are_those_of_the_answers(page):
    card, other = card_of(page, ANSWERS[0]), card_of(page, ANSWERS[1])
    other.show_differences(card.completion, card.number)
    assert lines(other.reader) == ["Five."]
    card.show_differences(other.completion, other.number)
    assert "First" not in card.reader.toPlainText()


def test_earlier_turns_of_the_conversation_do_without_their_thinking(page):
    assert lines(page.bench.stack.view.prompt)[2:5] == ["Model", "(Thinking, 2 words, not shown)", "Hello."]


def test_the_project_keeps_every_word(page):
    group = page.item.group
    assert [c.text for c in completions.get_group(page.context.project, group.id).completions] == list(ANSWERS)

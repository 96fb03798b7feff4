"""What of a completion is thinking and what is answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.core import thinking, word_count


def parts(text):
    """(kind, text) of each section; an unclosed one is told apart."""
    kinds = {(True, True): "thinking", (True, False): "cut", (False, True): "answer"}
    return [(kinds[section.is_thinking, section.closed], section.text) for section in thinking.split(text)]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("<think>", "</think>"),
        ("<thinking>", "</thinking>"),
        ("<Thinking>", "</Thinking>"),
        ("<|thinking|>", "<|/thinking|>"),
        ("<|thinking|>", "<|end_thinking|>"),
        ("<seed:think>", "</seed:think>"),
        ("[THINK]", "[/THINK]"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|channel>thought\n", "<channel|>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_every_form_of_marks(begin, end):
    text = f"{begin}\nIt asks for two.\n{end}\n\nTwo."
    assert parts(text) == [("thinking", "It asks for two."), ("answer", "Two.")]
    assert parts(f"{begin}\nIt asks for") == [("cut", "It asks for")]


def test_a_completion_without_marks_is_its_answer():
    assert parts("Two.\n") == [("answer", "Two.")]
    assert thinking.answer("  Two.\n") == "  Two.\n", "nothing is taken from it, blanks neither"
    assert thinking.split("") == ()


def test_several_sections_stay_in_their_order():
    text = "<think>one</think>First.<think>two</think>Then. <think>three</think> Last."
    assert parts(text) == [
        ("thinking", "one"),
        ("answer", "First."),
        ("thinking", "two"),
        ("answer", "Then."),
        ("thinking", "three"),
        ("answer", " Last."),
    ]
    assert thinking.title(thinking.split(text)) == "Thinking, 3 words, in 3 parts"


def test_thinking_that_the_chat_format_began_has_only_an_end():
    assert parts("Let me see.\n</think>\n\nFour.") == [("thinking", "Let me see."), ("answer", "Four.")]
    assert parts("Let me see.</think>Four.") == [("thinking", "Let me see."), ("answer", "Four.")]


def test_an_end_of_turn_is_no_end_of_thinking():
    assert parts("Four.\n<|end|>") == [("answer", "Four.\n<|end|>")]


@pytest.mark.parametrize(
    "text",
    [
        "The model writes <think> and </think> around it.",
        "Use `<think>` to begin and `</think>` to end.",
        'The mark "<think>" begins it.',
        "```\n<think>\nhm\n</think>\n```\nis how it looks.",
        "Put it between (<think>) and (</think>).",
        "In HTML there is no <think> element",
        "~~~xml\n</think>\n~~~",
    ],
)
def test_marks_that_an_answer_talks_about_are_its_text(text):
    assert parts(text) == [("answer", text)]
    assert thinking.answer(text) == text


def test_thinking_that_holds_code_or_talks_of_its_mark_goes_on_to_the_real_end():
    text = "<think>\nI close with `</think>`:\n```\nx\n</think>\nDone."
    assert parts(text) == [("thinking", "I close with `</think>`:\n```\nx"), ("answer", "Done.")]


def test_empty_thinking_is_not_told_of():
    text = "<think>\n\n</think>\n\nHello."
    assert parts(text) == [("answer", "Hello.")]
    assert thinking.split(text)[0].raw == text
    assert thinking.answer(text) == "Hello."


def test_a_beginning_alone_is_an_empty_answer():
    assert thinking.answer("<think>\n") == ""
    assert thinking.answer("<think>\nand then it was cut") == ""


def test_the_first_line_keeps_its_indentation():
    assert thinking.answer("<think>a</think>\n\n    x = 1\n    y = 2\n") == "    x = 1\n    y = 2"


def test_the_title_counts_and_tells_what_was_cut():
    cut = thinking.split("<think>two words")
    assert thinking.title(cut) == "Thinking, 2 words, cut off"
    assert thinking.title(cut, writing=True) == "Thinking, 2 words, not done yet"
    assert thinking.title(thinking.split("<think>" + "word " * 1214 + "</think>a")) == "Thinking, 1,214 words"
    assert thinking.title(thinking.split("<think>yes</think>a")) == "Thinking, 1 word"


PIECES = ["<think>", "</think>", "[THINK]", "[/THINK]", "<|channel>thought\n", "<channel|>", "```\n", "`", "\n", " "]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))).map("".join))
def test_nothing_is_lost(text):
    sections = thinking.split(text)
    assert "".join(section.raw for section in sections) == text
    for section in sections:
        assert section.text in section.raw
    assert [section.closed for section in sections[:-1]] == [True] * len(sections[:-1])


def test_a_long_completion_is_split_in_one_pass():
    """Fences and beginnings without end: a slow pattern would take minutes here."""
    text = "```\n<think>\nx `</think>` " * 5_000
    assert "".join(section.raw for section in thinking.split(text)) == text
    many = "<think>a</think>b\n" * 5_000
    assert len(thinking.split(many)) == 10_000
    endless = "a.<think>" * 5_000
    assert thinking.answer(endless) == endless


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("two words", 2),
        ("- a list — of four, more", 5),
        ("don't", 1),
        ("你好,世界", 4),
        ("こんにちは world", 6),
        ("مرحبا بك", 2),
        ("안녕 세상", 2),
        ("🙂", 0),
    ],
)
def test_words_are_counted_in_every_script(text, words):
    assert word_count.count(text) == words

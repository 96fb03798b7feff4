"""Prompts read from pasted and typed text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.core import pasted_prompts
from dpo_studio.core.types import Message


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def test_each_line_is_a_prompt() -> None:
    assert pasted_prompts.parse_text(" one \n\ntwo\r\n  \nthree") == [user("one"), user("two"), user("three")]


def test_one_block_of_lines_is_still_a_prompt_a_line() -> None:
    assert pasted_prompts.parse_text("one\ntwo\n\n") == [user("one"), user("two")]


def test_blocks_are_prompts_when_one_has_several_lines() -> None:
    text = "Rewrite this:\n  it was late\n\n\nSay hello\n \n"
    assert pasted_prompts.parse_text(text) == [user("Rewrite this:\n  it was late"), user("Say hello")]


def test_the_rule_can_be_overridden() -> None:
    text = "a\nb\n\nc"
    assert pasted_prompts.parse_text(text, split="lines") == [user("a"), user("b"), user("c")]
    assert pasted_prompts.parse_text("a\n\nb", split="paragraphs") == [user("a"), user("b")]
    assert pasted_prompts.parse_text("a\nb", split="paragraphs") == [user("a\nb")]


def test_nothing_typed_is_no_prompt() -> None:
    assert pasted_prompts.parse_text(" \n\n") == []
    assert pasted_prompts.from_text("\ufeff \n").rows == []


def test_text_says_how_it_was_split() -> None:
    lines = pasted_prompts.from_text("one\ntwo\n")
    assert (lines.split, lines.notes, len(lines.rows)) == ("lines", [], 2)
    blocks = pasted_prompts.from_text("one\ntwo\n\nthree\n")
    assert blocks.split == "paragraphs" and len(blocks.rows) == 2 and "Blank lines" in blocks.notes[0]


def test_json_lines_of_every_shape() -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Who are you?"},
    ]
    rows = [
        {"prompt": "plain"},
        {"prompt": turns},
        {"messages": turns[:3]},
        "bare",
        {"prompt": [{"role": "user", "content": "with more", "name": "x"}], "chosen": "left alone"},
        {"Question": "asked", "system": "Be kind.", "tags": "a, b,a"},
        {"conversations": [{"from": "human", "value": "shared"}, {"from": "gpt", "value": "left out"}]},
        {"instruction": "Sum it up.", "input": "A long story.", "output": "Short.", "tag": ["c"]},
        {"prompt": "\n\nHuman: one\n\nAssistant: two\n\nHuman: three\n\nAssistant:"},
    ]
    read = pasted_prompts.from_text("\ufeff" + "\n\n".join(map(json.dumps, rows)) + "\r\n")
    assert read.refused == []
    assert read.rows == [
        (user("plain"), ()),
        (tuple(Message(t["role"], t["content"]) for t in turns), ()),
        ((Message("system", "Be brief."), Message("user", "Hi")), ()),
        (user("bare"), ()),
        (user("with more"), ()),
        ((Message("system", "Be kind."), *user("asked")), ("a", "b")),
        (user("shared"), ()),
        (user("Sum it up.\n\nA long story."), ("c",)),
        ((*user("one"), Message("assistant", "two"), *user("three")), ()),
    ]
    said = "2 conversations end with an answer, which was left out: a prompt ends with the user's turn."
    assert read.notes == [said]


def test_refused_lines_are_named_and_the_rest_is_read() -> None:
    lines = [
        '{"prompt": "ok"}',
        "",
        "{broken",
        '{"remark": "no prompt"}',
        '{"prompt": " "}',
        '{"messages": [{"role": "robot", "content": "x"}]}',
        '{"messages": [{"role": "assistant", "content": "x"}]}',
        '{"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]}',
        '{"messages": []}',
        "17",
        '{"messages": [{"role": "user", "content": 5}]}',
        "null",
        '{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]}',
        '{"prompt": "\\n\\nHuman: one\\n\\nAssistant:\\n\\nHuman: two"}',
    ]
    read = pasted_prompts.from_text("\n".join(lines))
    assert read.conversations == [user("ok")]
    assert [place for place, _ in read.refused] == [f"line {number}" for number in range(3, 15)]
    reasons = [reason for _, reason in read.refused]
    assert reasons[0] == "it is not JSON" and "holds no prompt" in reasons[1]
    assert "robot" in reasons[3] and "begins with the assistant" in reasons[4] and "system turn" in reasons[5]
    assert "without a role and a text" in reasons[8] and "both the user's" in reasons[10]
    assert "empty assistant message" in reasons[11]


def test_line_separators_inside_json_texts_do_not_cut_lines() -> None:
    read = pasted_prompts.from_text('{"prompt": "a\u2028b"}\n{"prompt": "c"}\n')
    assert read.conversations == [user("a\u2028b"), user("c")]


def test_a_json_list_is_prompts_or_one_conversation() -> None:
    read = pasted_prompts.from_text(json.dumps(["one", {"prompt": "two"}, {}], indent=1))
    assert read.conversations == [user("one"), user("two")]
    assert [place for place, _ in read.refused] == ["entry 3"]
    turns = [Message("system", "Be brief."), Message("user", "Hi")]
    read = pasted_prompts.from_text(json.dumps([turn.to_json() for turn in turns], indent=1))
    assert read.conversations == [tuple(turns)]


@pytest.mark.parametrize("text", ["{ what is this?", "[ ] or ( )?\nmore", '"quoted" words\nand others'])
def test_text_that_only_begins_like_json_is_text(text: str) -> None:
    assert pasted_prompts.from_text(text).conversations == [user(line) for line in text.split("\n")]


@given(st.text(st.sampled_from('[]{}",:\n\\ud8a1e9-. \t\x00é')) | st.text())
def test_whatever_is_pasted_gives_prompts_that_can_be_added(text: str) -> None:
    for conversation, tags in pasted_prompts.from_text(text).rows:
        assert conversation[-1].role == "user" and all(message.content.strip() for message in conversation)
        assert all(tags)

"""Prompts: one row a conversation, held out by content, refused with a sentence."""

from __future__ import annotations

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompts


def user(text):
    return [Message("user", text)]


def test_the_same_conversation_is_held_once(project):
    first = prompts.add(project, user("Hello"), source="a file")
    again = prompts.add(project, user("Hello"), source="another file")
    longer = prompts.add(project, [Message("system", "Be brief."), Message("user", "Hello")])
    assert again == first and again.source == "a file"
    assert longer.id != first.id
    assert [p.id for p in prompts.all_prompts(project)] == [first.id, longer.id]


def test_messages_tags_and_unusual_text_come_back_as_they_were(project):
    messages = [
        Message("system", "سياق"),
        Message("user", "你好\n\u2028 \x00 😀"),
        Message("assistant", "ok"),
        *user("?"),
    ]
    made = prompts.add(project, messages, source="typed", tags=("greeting", "zh"))
    read = prompts.get(project, made.id)
    assert read.messages == tuple(messages)
    assert read.tags == ("greeting", "zh")
    assert read.title == "?"


def test_half_a_surrogate_pair_is_replaced_and_not_a_crash(project):
    assert prompts.add(project, user("a\ud800b")).title == "a\ufffdb"


def test_an_import_is_all_or_nothing(project):
    with pytest.raises(UserError, match="user message is empty"):
        prompts.add_many(project, [user("good"), user("  ")])
    assert prompts.count(project) == 0


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "needs at least one message"),
        ([Message("robot", "hi")], "'robot' is not a role"),
        ([Message("user", " \n")], "user message is empty"),
        ([Message("user", "hi"), Message("assistant", "hello")], "ends with what the user says"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused(project, messages, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        prompts.add(project, messages)
    assert caught.value.hint


def test_about_a_tenth_is_held_out_and_the_same_in_every_project(project, tmp_path):
    texts = [f"prompt {number}" for number in range(1000)]
    first = [user(f"first {number}") for number in range(prompts.NEVER_HELD_OUT)]
    assert not any(prompt.held_out for prompt in prompts.add_many(project, first))
    here = {p.title: p.held_out for p in prompts.add_many(project, map(user, texts))}
    with Project.create(tmp_path / "other") as other:
        prompts.add_many(other, first)
        there = {p.title: p.held_out for p in prompts.add_many(other, map(user, reversed(texts)))}
    assert here == there
    # 1000 draws at 10 %: four standard deviations are 38.
    assert 62 <= sum(here.values()) <= 138


def test_holding_out_can_be_decided_otherwise(project):
    prompt = prompts.add(project, user("mine"))
    prompts.set_held_out(project, prompt.id, not prompt.held_out)
    assert prompts.get(project, prompt.id).held_out is not prompt.held_out
    assert prompts.add(project, user("mine")).held_out is not prompt.held_out


def test_prompts_without_a_group(project, make_group):
    waiting = prompts.add(project, user("no group"))
    make_group(project, "has one")
    assert prompts.without_group(project) == [waiting]


def test_many_prompts_by_id(project):
    made = prompts.add_many(project, (user(str(number)) for number in range(1203)))
    wanted = [made[1200].id, made[3].id, made[3].id, 99_999]
    assert prompts.get_many(project, wanted) == {made[1200].id: made[1200], made[3].id: made[3]}
    assert len(prompts.get_many(project, [p.id for p in made])) == 1203

"""Prompts that are too long lose their oldest turns, as several chat templates see them, and it is told."""

from __future__ import annotations

import json

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.models.chat import ChatFormat
from dpo_studio.training import batches
from dpo_studio.training.shortening import shortened_prompt
from tests import tiny_models

#: Takes no system message and wants user and assistant to take turns, the user first.
STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}"
    "<|im_start|>{{ m['role'] }} {{ m['content'] }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>model {% endif %}"
)
#: Puts a system message of its own where there is none.
WITH_DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system Be kind.<|im_end|>{% endif %}"
    + tiny_models.CHAT_TEMPLATE
)


def chat(template: str | None) -> ChatFormat:
    tokenizer = tiny_models.tokenizer()
    tokenizer.chat_template = template
    return ChatFormat(tokenizer)


def talk(*words: str, system: str = "") -> list[Message]:
    turns = [Message("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(words)]
    return [Message("system", system), *turns] if system else turns


FIVE = ("one apple", "two pears", "three plums", "four nuts", "five figs")


@pytest.mark.parametrize("template", [tiny_models.CHAT_TEMPLATE, STRICT, WITH_DEFAULT, None])
def test_as_few_of_the_oldest_turns_go_as_it_takes(template):
    form = chat(template)
    whole, three, one = (form.prompt_ids(talk(*FIVE[n:])) for n in (0, 2, 4))
    assert len(whole) > len(three) > len(one)
    assert shortened_prompt(talk(*FIVE), form, room=len(whole) - 1) == three
    assert shortened_prompt(talk(*FIVE), form, room=len(three)) == three
    assert shortened_prompt(talk(*FIVE), form, room=len(three) - 1) == one
    assert shortened_prompt(talk(*FIVE), form, room=len(one)) == one
    assert shortened_prompt(talk(*FIVE), form, room=len(one) - 1) is None


@pytest.mark.parametrize("template", [tiny_models.CHAT_TEMPLATE, WITH_DEFAULT, None])
def test_the_system_message_stays(template):
    form = chat(template)
    three = form.prompt_ids(talk(*FIVE[2:], system="Speak like a pirate."))
    assert shortened_prompt(talk(*FIVE, system="Speak like a pirate."), form, room=len(three)) == three
    assert "pirate" in form.text(three)


def test_a_prompt_of_one_turn_cannot_be_shortened():
    form = chat(tiny_models.CHAT_TEMPLATE)
    for messages in (talk("a very long question"), talk("a very long question", system="Short."), []):
        assert shortened_prompt(messages, form, room=1_000) is None


def test_two_messages_of_the_user_in_a_row_are_two_turns_unless_the_template_refuses():
    messages = [Message("user", "one"), Message("user", "two"), Message("assistant", "yes"), Message("user", "three")]
    form = chat(tiny_models.CHAT_TEMPLATE)
    assert shortened_prompt(messages, form, room=1_000) == form.prompt_ids(messages[1:])
    with pytest.raises(UserError):
        chat(STRICT).prompt_ids(messages)
    refused_between = [Message("user", "0"), Message("user", "1"), *messages[1:]]
    assert shortened_prompt(refused_between, chat(STRICT), room=1_000) == chat(STRICT).prompt_ids(messages[1:])


@pytest.mark.starter
def test_the_starter_models_own_template():
    from transformers import AutoTokenizer

    from dpo_studio.models.find import find

    form = ChatFormat(AutoTokenizer.from_pretrained(find("starter")))
    three = form.prompt_ids(talk(*FIVE[2:], system="Speak like a pirate."))
    assert shortened_prompt(talk(*FIVE, system="Speak like a pirate."), form, room=len(three)) == three
    alone = form.prompt_ids(talk(*FIVE[4:]))
    assert shortened_prompt(talk(*FIVE), form, room=len(alone)) == alone


def data(tmp_path, form: ChatFormat, *, shorten: bool) -> tuple[batches.Dataset, int]:
    """Three groups of four tokens' answers: one fits, one fits when shortened, one does not even then."""
    answers = [{"text": text, "token_ids": None, "finish_reason": "stop"} for text in ("figs", "nuts")]
    longest = max(len(form.completion_ids(answer["text"])) for answer in answers)
    limit = len(form.prompt_ids(talk(*FIVE[2:]))) + longest
    prompts = {"fits": talk(*FIVE[2:]), "long": talk(*FIVE), "hopeless": talk(*FIVE[:4], "five figs " * 99)}
    lines = [
        {
            "group": name,
            "held_out": False,
            "prompt": [message.to_json() for message in messages],
            "completions": answers,
            "ranks": [1, 2],
        }
        for name, messages in prompts.items()
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return batches.read(path, form, tokenizer_hash="t", max_length=limit, shorten=shorten), limit


def test_what_is_shortened_and_what_is_left_out_is_counted_and_told(tmp_path):
    form = chat(tiny_models.CHAT_TEMPLATE)
    found, limit = data(tmp_path, form, shorten=True)
    assert [example.group for example in found.train] == ["fits", "long"]
    fits, shortened = found.train
    assert shortened.prompt == fits.prompt and shortened.completions == fits.completions
    assert shortened.longest == limit
    told = {notice.code: notice.message for notice in found.notices}
    assert set(told) == {"shortened_too_long", "left_out_too_long"}
    assert "1 prompt is shortened" in told["shortened_too_long"] and "1 group is" in told["left_out_too_long"]


def test_or_left_out_where_that_is_what_the_setting_says(tmp_path):
    found, _ = data(tmp_path, chat(tiny_models.CHAT_TEMPLATE), shorten=False)
    assert [example.group for example in found.train] == ["fits"]
    (notice,) = found.notices
    assert notice.code == "left_out_too_long" and "2 groups are" in notice.message


@pytest.mark.parametrize(("too_long", "groups"), [("shorten", 5), ("leave_out", 4)])
def test_the_setting_reaches_the_run(make_run, too_long, groups):
    import random

    from dpo_studio.core import events
    from dpo_studio.training.engine import train

    rng = random.Random(1)
    turns = [{"role": "user" if n % 2 == 0 else "assistant", "content": "w5 " * 60} for n in range(2)]
    long = make_run.group(rng, 4, prompt=[*turns, {"role": "user", "content": "w6 w7"}])
    lines = [*(make_run.group(rng, n) for n in range(4)), long]
    said = list(train(make_run(groups=lines, max_steps=1, too_long=too_long)))
    (started,) = [event for event in said if isinstance(event, events.RunStarted)]
    assert started.groups == groups
    codes = {event.code for event in said if isinstance(event, events.Notice)}
    assert ("shortened_too_long" in codes, "left_out_too_long" in codes) == (groups == 5, groups == 4)

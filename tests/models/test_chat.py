"""Conversations as tokens: exactly the template's, once each control token, and completions that end as they should."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from dpo_studio.core import thinking
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.models.chat import ChatFormat
from tests.tiny_models import END, tokenizer

TALK = (Message("system", "Be brief."), Message("user", "Où est la gare ?"))


def test_the_prompt_is_what_the_template_writes_and_nothing_else() -> None:
    tok = tokenizer()
    ids = ChatFormat(tok).prompt_ids(TALK)
    written = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOù est la gare ?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tok.decode(ids, skip_special_tokens=False) == written == ChatFormat(tok).prompt_text(TALK)
    start, end = tok.convert_tokens_to_ids(["<|im_start|>", END])
    assert (ids.count(start), ids.count(end)) == (3, 2)
    assert all(isinstance(token, int) for token in ids)


@pytest.mark.parametrize(
    ("finish_reason", "ends"),
    [("stop", True), ("written", True), ("imported", True), ("length", False), ("stop_string", False)],
)
def test_a_completion_ends_its_turn_unless_it_was_cut(finish_reason: str, ends: bool) -> None:
    tok = tokenizer()
    chat = ChatFormat(tok)
    ids = chat.completion_ids("Près du marché.", finish_reason)
    assert (ids[-1] == tok.convert_tokens_to_ids(END)) is ends
    assert chat.text(ids) == "Près du marché."
    assert ids.count(chat.end_id) == int(ends)


def test_control_tokens_spelt_in_a_completion_are_text() -> None:
    chat = ChatFormat(tokenizer())
    ids = chat.completion_ids(f"one {END} two", "length")
    assert chat.end_id not in ids
    assert chat.text(ids) == f"one {END} two"


def test_the_end_of_a_turn_is_read_from_the_template() -> None:
    """The tokenizer says <|endoftext|> as base models do; the template ends turns with <|im_end|>."""
    tok = tokenizer()
    tok.eos_token = "<|endoftext|>"
    chat = ChatFormat(tok, extra_end_ids=[7])
    end, eos = tok.convert_tokens_to_ids([END, "<|endoftext|>"])
    assert chat.end_id == end
    assert chat.end_ids == {end, eos, 7}


def test_a_model_without_a_template_gets_the_plain_one() -> None:
    tok = tokenizer(chat=False)
    chat = ChatFormat(tok)
    assert chat.is_plain and not ChatFormat(tokenizer()).is_plain
    assert chat.prompt_text(TALK) == "Be brief.\n\n### User:\nOù est la gare ?\n\n### Assistant:\n"
    assert tok.decode(chat.prompt_ids(TALK)) == chat.prompt_text(TALK)
    assert chat.end_id == tok.convert_tokens_to_ids("<|endoftext|>")
    tok.bos_token = "<|endoftext|>"
    assert ChatFormat(tok).prompt_ids(TALK)[0] == tok.bos_token_id


def test_a_template_that_refuses_says_so_to_the_person() -> None:
    tok = tokenizer()
    tok.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        + tok.chat_template
    )
    chat = ChatFormat(tok)
    with pytest.raises(UserError, match="System role not supported") as caught:
        chat.prompt_ids(TALK)
    assert "first user message" in caught.value.hint
    assert chat.prompt_ids(TALK[1:])


@pytest.mark.parametrize("broken", ["{{ messages + 1 }}", "{{ messages[9].content.strip() }}", "{% if %}"])
def test_a_template_that_breaks_on_a_conversation_is_no_bug(broken: str) -> None:
    tok = tokenizer()
    tok.chat_template = broken
    chat = ChatFormat(tok)
    with pytest.raises(UserError, match="does not take this conversation"):
        chat.prompt_ids(TALK)


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tok = tokenizer(chat=False)
    tok.eos_token = None
    with pytest.raises(UserError, match="no token that ends"):
        ChatFormat(tok)


@pytest.mark.parametrize("marks", [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<|channel>", "<channel|>")])
def test_control_tokens_that_mark_thinking_stay_in_the_text_and_come_back_as_themselves(marks: tuple[str, str]) -> None:
    tok = tokenizer()
    tok.add_special_tokens({"additional_special_tokens": ["<|im_start|>", END, *marks, "<|tool|>"]})
    begin, end, tool = tok.convert_tokens_to_ids([*marks, "<|tool|>"])
    chat = ChatFormat(tok)
    said = [begin, *tok("\nOne, two.\n")["input_ids"], end, tool, *tok("\n\nThree.")["input_ids"], chat.end_id]
    assert chat.text(said) == f"{marks[0]}\nOne, two.\n{marks[1]}\n\nThree."
    assert chat.completion_ids(chat.text(said)) == [token for token in said if token != tool]


def test_the_marks_of_harmony_are_kept_only_where_it_is_spoken() -> None:
    harmony = {"<|channel|>", "<|message|>", "<|start|>", "<|end|>"}
    assert thinking.control_tokens([*harmony, "<|return|>"]) == harmony
    assert thinking.control_tokens(["<|end|>", "<|user|>", "<|assistant|>", "</s>"]) == set()


def spaced_tokenizer(template: str) -> PreTrainedTokenizerFast:
    """Characters behind a "▁" that is put before every text, as Llama's first tokenizers do."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    letters = ["<s>", "</s>", "▁", "\n", *sorted(set("<|user>assistant|[/INST]Hello Wednesday:") - {" "})]
    core = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize(
    ("ending", "first"), [("<|assistant|>\n", "W"), (" [/INST]</s>", "▁")], ids=["after a new line", "after a token"]
)
def test_an_answer_has_the_tokens_it_has_behind_its_prompt(ending: str, first: str) -> None:
    """No space before it that the model would never write."""
    template = "<s>{% for message in messages %}{{ message['content'] }}{% endfor %}</s>" + ending.replace("\n", "\\n")
    template = template.replace(ending.replace("\n", "\\n"), "{{ '" + ending.replace("\n", "\\n") + "' }}")
    tokenizer = spaced_tokenizer(template)
    chat = ChatFormat(tokenizer)
    messages = [Message("user", "Hello")]
    ids = chat.completion_ids("Wednesday")
    assert tokenizer.convert_ids_to_tokens(ids)[0] == first
    whole = tokenizer(chat.prompt_text(messages) + "Wednesday", add_special_tokens=False)["input_ids"]
    assert [*chat.prompt_ids(messages), *ids] == [*whole, chat.end_id]

"""Stop strings: where a text is cut, what is given out before, and the token ids that are left of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.sampler import Answer, TextPiece, answer, sample
from dpo_studio.generation.stops import StoppableText
from dpo_studio.generation.streams import TextStream
from dpo_studio.models.load import LoadedModel, load
from dpo_studio.models.logprobs import token_logps
from tests.tiny_models import tokenizer

QUESTION = (Message("user", "Explain why the sky is blue."),)
PLAIN = SamplingSettings(temperature=1.0, top_p=1.0, repetition_penalty=1.0, max_new_tokens=60, seed=5)


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> LoadedModel:
    return load(str(tiny_llama), dtype="float32", device="cpu")


def letters(stops: tuple[str, ...]) -> StoppableText:
    """A text whose tokens are letters."""
    return StoppableText(TextStream(lambda ids: "".join(map(chr, ids))), stops)


def cut_by_hand(text: str, stops: tuple[str, ...]) -> str:
    """The shortest beginning that says something and that a stop string follows, as it is read a letter at a time."""
    for end in range(len(text) + 1):
        places = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        places = [place for place in places if text[:place].strip()]
        if places:
            return text[: min(places)]
    return text


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("One.\n\nTwo.", ("\n\n",), "One."),
        ("\n\nOne.\n\nTwo.", ("\n\n",), "\n\nOne."),
        ("aab", ("ab",), "a"),
        ("yes no", ("maybe",), "yes no"),
        ("a User: b", ("Assistant:", "User:"), "a "),
        ("xabcd", ("bc", "abc"), "x"),
        ("User: hello User: again", ("User:",), "User: hello "),
    ],
)
def test_the_text_ends_before_the_first_stop_string(text: str, stops: tuple[str, ...], expected: str) -> None:
    stream = letters(stops)
    given_out = "".join(stream.push(ord(letter)) for letter in text) + stream.finish()
    assert given_out == stream.text == expected == cut_by_hand(text, stops)
    assert stream.cut == (expected != text)


@given(st.text("ab \n", max_size=30), st.lists(st.text("ab \n", min_size=1, max_size=4), max_size=3).map(tuple))
@settings(max_examples=150, deadline=None)
def test_pieces_never_hold_a_part_of_a_stop_string(text: str, stops: tuple[str, ...]) -> None:
    stream, said, expected = letters(stops), "", cut_by_hand(text, stops)
    for letter in text:
        said += stream.push(ord(letter))
        assert expected.startswith(said)
    assert said + stream.finish() == stream.text == expected


def test_what_cannot_begin_a_stop_string_is_given_out_at_once() -> None:
    stream = letters(("END",))
    assert [stream.push(ord(letter)) for letter in "aEbENx"] == ["a", "", "Eb", "", "", "ENx"]


def test_answers_are_the_beginnings_of_those_without_and_keep_their_sampled_ids(llama: LoadedModel) -> None:
    whole = answer(llama, [QUESTION], PLAIN, range(4))[0]
    texts = [llama.chat.text(whole[0].token_ids[:count]) for count in range(61)]
    count, text, stop = next(
        (count, texts[count], texts[count + 2][len(texts[count]) :])
        for count in range(5, 50)
        if texts[count + 2][len(texts[count]) :].isascii()
        and cut_by_hand(whole[0].text, (texts[count + 2][len(texts[count]) :],)) == texts[count]
    )
    stopped = SamplingSettings.from_json({**PLAIN.to_json(), "stop": [stop]})
    pieces: dict[int, str] = dict.fromkeys(range(4), "")
    ended: dict[int, Answer] = {}
    for item in sample(llama, QUESTION, dict.fromkeys(range(4), stopped)):
        if isinstance(item, TextPiece):
            pieces[item.candidate] += item.text
        else:
            ended[item.candidate] = item
    assert ended[0].finish_reason == "stop_string"
    assert (ended[0].text, ended[0].token_ids) == (text, whole[0].token_ids[:count])
    with torch.no_grad():
        plain = token_logps(llama.model, llama.chat.prompt_ids(QUESTION), ended[0].token_ids)
    assert ended[0].logp == pytest.approx(plain.double().sum().item(), abs=1e-4)
    for before in whole:
        got = ended[before.candidate]
        assert pieces[before.candidate] == got.text == cut_by_hand(before.text, (stop,))
        assert (got.finish_reason == "stop_string") == (got.text != before.text)


def test_a_stop_string_inside_a_token_leaves_the_ids_of_the_text_and_no_end_token(llama: LoadedModel) -> None:
    (whole,) = answer(llama, [QUESTION], PLAIN)[0]
    texts = [llama.chat.text(whole.token_ids[:count]) for count in range(len(whole.token_ids))]
    tokens = [(before, after[len(before) :]) for before, after in itertools.pairwise(texts)]
    expected, stop = next(
        (before + token[:2], token[2:])
        for before, token in tokens
        if len(token) > 2 and token.isascii() and cut_by_hand(whole.text, (token[2:],)) == before + token[:2]
    )
    assert expected not in texts
    stopped = SamplingSettings.from_json({**PLAIN.to_json(), "stop": [stop]})
    (got,) = answer(llama, [QUESTION], stopped)[0]
    assert (got.text, got.finish_reason, got.logp) == (expected, "stop_string", None)
    assert list(got.token_ids) == tokenizer()(expected, add_special_tokens=False)["input_ids"]
    assert llama.chat.text(got.token_ids) == expected and llama.chat.end_id not in got.token_ids

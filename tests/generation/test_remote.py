"""Answers from a server over real sockets: the events, what is sent, errors as sentences, and an immediate cancel."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import ServerReference
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.remote import Server
from dpo_studio.generation.server_errors import in_words
from dpo_studio.generation.service import Generator
from tests.openai_server import OpenAIServer

SAMPLING = SamplingSettings(max_new_tokens=12, seed=7, temperature=0.5, top_p=0.9, repetition_penalty=1.0)


def job(server: OpenAIServer, *, sampling=SAMPLING, model="small", prompts=1, candidates=(0, 1, 2)):
    items = tuple(
        commands.GenerationItem(group, (Message("user", "Why?"),), candidates) for group in range(1, prompts + 1)
    )
    return commands.Generate("job", f"openai:{server.url}#{model}", items, sampling.to_json())


def said_by(command: commands.Generate) -> list[events.Event]:
    return list(Generator().run(command, lambda: False))


def finished(said: list[events.Event]) -> list[events.CompletionFinished]:
    return [event for event in said if isinstance(event, events.CompletionFinished)]


def test_each_candidate_is_streamed_with_a_seed_of_its_own(server):
    said = said_by(job(server, prompts=2))
    assert said[-1] == events.JobFinished("job", "done")
    assert not any(isinstance(event, events.Notice) for event in said)
    assert {(e.group, e.candidate) for e in finished(said)} == {(g, c) for g in (1, 2) for c in (0, 1, 2)}
    for event in finished(said):
        streamed = "".join(
            e.text
            for e in said
            if isinstance(e, events.TokensDecoded) and (e.group, e.candidate) == (event.group, event.candidate)
        )
        assert event.text == streamed == f"Answer {event.seed}: first\nwörds"
        assert (event.token_ids, event.tokenizer_hash, event.logp, event.finish_reason) == ((), "", None, "stop")
    assert {event.seed for event in finished(said)} == {7, 1_000_010, 2_000_013}
    assert [e.group for e in said if isinstance(e, events.GroupFinished)] == [1, 2]
    assert all(events.from_line(events.to_line(event)) == event for event in said)


def test_the_settings_are_sent_and_only_those_of_the_api(server):
    said_by(job(server, candidates=(1,)))
    assert server.asked == [
        {
            "model": "small",
            "messages": [{"role": "user", "content": "Why?"}],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 12,
            "seed": 1_000_010,
            "stream": True,
        }
    ]


def test_a_server_that_calls_the_limit_otherwise_is_told_it_by_that_name(server):
    server.new_limit = True
    said = said_by(job(server, prompts=2, candidates=(0,)))
    assert [event.group for event in finished(said)] == [1, 2]
    assert ["max_tokens" in body for body in server.asked] == [True, False, False]
    assert server.asked[-1]["max_completion_tokens"] == 12


def test_settings_that_are_not_sent_are_told_once(server):
    generator, sampling = Generator(), SamplingSettings(top_k=5, min_p=0.1)
    command = job(server, sampling=sampling)
    notices = [
        event for _ in range(2) for event in generator.run(command, lambda: False) if isinstance(event, events.Notice)
    ]
    assert [notice.code for notice in notices] == ["settings_unheard"]
    assert "top-k, min-p, repetition penalty" in notices[0].message


def test_an_answer_cut_by_the_token_limit_says_so(server):
    said = said_by(job(server, sampling=SamplingSettings(max_new_tokens=2)))
    assert {event.finish_reason for event in finished(said)} == {"length"}


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("cut", "ended in the middle"),
        ("not json", "does not speak the OpenAI API"),
        ("web page", "does not speak the OpenAI API"),
        ("deep", "does not speak the OpenAI API"),
    ],
)
def test_what_goes_wrong_on_the_wire_is_a_sentence(server, mode, sentence):
    server.mode = mode
    said = said_by(job(server))
    assert isinstance(said[-1], events.Failed)
    assert sentence in said[-1].message
    assert said[-1].hint and not said[-1].details
    assert not finished(said)


@pytest.mark.parametrize(("status", "sentence"), [(404, "does not know"), (307, "elsewhere"), (401, "API key")])
def test_a_status_ends_the_job_and_what_was_finished_stands(server, status, sentence):
    server.statuses, server.headers = [200, status], {"Location": "http://elsewhere.example/v1?key=1"}
    said = said_by(job(server, prompts=2, candidates=(0,)))
    assert isinstance(said[-1], events.Failed) and sentence in said[-1].message and said[-1].hint
    assert [event.group for event in finished(said)] == [1]


@pytest.mark.parametrize("mode", ["status", "in-stream error", "error object", "nothing"])
def test_a_server_that_fails_at_a_prompt_is_asked_for_the_others_and_left_after_some(server, mode):
    if mode == "status":
        server.statuses = [500, 200, 500, 500, 500]
    else:
        server.mode = mode
    said = said_by(job(server, prompts=7, candidates=(0,)))
    refused = [event.group for event in said if isinstance(event, events.GroupRefused)]
    assert refused == ([1, 3, 4] if mode == "status" else [1, 2])
    assert [event.group for event in finished(said)] == ([2] if mode == "status" else [])
    assert isinstance(said[-1], events.Failed) and not said[-1].details
    assert {"status": "status 500", "nothing": "without a word"}.get(mode, "out of memory") in said[-1].message


def test_characters_that_end_lines_elsewhere_do_not_cut_an_answer(server):
    server.words = lambda seed: ["one\u2028two", "\x85three", "\u2029 多\r\nfour"]
    (answer,) = finished(said_by(job(server, candidates=(0,))))
    assert answer.text == "one\u2028two\x85three\u2029 多\r\nfour"


def test_half_characters_are_joined_and_one_alone_is_replaced(server):
    server.thinks = ("so \ud83d \ude00 be \udc00 it \ud83d", "reasoning")
    server.words = lambda seed: ["smile \ud83d", "\ude00", " \ude00 end\ud83d"]
    said = said_by(job(server, candidates=(0,)))
    (answer,) = finished(said)
    assert answer.text.endswith("smile 😀 \ufffd end\ufffd") and "\ufffd" in answer.text.partition("</think>")[0]
    assert answer.text == "".join(event.text for event in said if isinstance(event, events.TokensDecoded))
    assert all(events.from_line(events.to_line(event)) == event for event in said)
    assert "".join(map(events.to_line, said)).encode()  # what the worker writes


@pytest.mark.parametrize(("word", "reason"), [("eos_token", "stop"), ("max_tokens", "length")])
def test_other_words_for_an_end_are_known(server, word, reason):
    server.reason = word
    assert [event.finish_reason for event in finished(said_by(job(server, candidates=(0,))))] == [reason]


def test_json_of_another_shape_is_no_bug(server):
    server.mode = "odd shapes"
    said = said_by(job(server, candidates=(0,)))
    assert [event.text for event in finished(said)] == [f"Answer {SAMPLING.seed}: first\nwörds"]


@pytest.mark.parametrize("wrong", ["status", "filtered"])
def test_a_refused_prompt_leaves_the_others(server, wrong):
    if wrong == "status":
        server.statuses = [400]
        said = said_by(job(server, prompts=2, candidates=(0,)))
        assert [event.group for event in finished(said)] == [2]
    else:
        server.mode = "filtered"
        said = said_by(job(server, prompts=1, candidates=(0,)))
    refused = [event for event in said if isinstance(event, events.GroupRefused)]
    assert [event.group for event in refused] == [1]
    assert ("status 400 it is" if wrong == "status" else "content_filter") in refused[0].message
    assert said[-1] == events.JobFinished("job", "done")


def test_a_busy_server_is_asked_again_after_the_time_it_names(server):
    server.statuses = [429, 429]
    started = time.monotonic()
    said = said_by(job(server, candidates=(0,)))
    assert len(finished(said)) == 1 and len(server.asked) == 3
    assert time.monotonic() - started >= 0.4


def test_a_server_that_loads_its_model_is_waited_for_until_the_date_it_names(server):
    soon = datetime.now(UTC) + timedelta(seconds=2)
    server.statuses, server.headers = [503], {"Retry-After": format_datetime(soon, usegmt=True)}
    started = time.monotonic()
    assert len(finished(said_by(job(server, candidates=(0,))))) == 1
    assert 0.5 < time.monotonic() - started < 2.5


def test_a_server_that_stays_busy_is_given_up(server):
    server.statuses = [429] * 9
    said = said_by(job(server, candidates=(0,)))
    assert isinstance(said[-1], events.Failed) and "too much to do" in said[-1].message
    assert len(server.asked) == 5


def test_no_server_there():
    server = OpenAIServer()
    server.close()
    last = said_by(job(server))[-1]
    assert isinstance(last, events.Failed) and last.message == f"No server answers at {server.url}."


def test_https_where_only_http_is_spoken_is_told_apart(server):
    reference = ServerReference(server.url.replace("http:", "https:"), "small")
    with pytest.raises(UserError, match="does not speak https"):
        Server(reference).models()
    untrusted = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    with pytest.raises(UserError, match="certificate"), in_words(reference):
        raise httpx2.ConnectError(untrusted)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "socks://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_told_and_a_server_on_this_machine_needs_none(server, proxy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UserError, match="proxy"):
        Server(ServerReference("http://models.example/v1", "small"), key="")
    assert finished(said_by(job(server, candidates=(0,))))


def test_a_model_it_does_not_have_names_those_it_has(server):
    last = said_by(job(server, model="huge"))[-1]
    assert last == events.Failed("The server has no model huge.", "It has: small, big.", job="job")
    assert [body["max_tokens"] for body in server.asked] == [1], "it may have more than it lists"


def test_a_key_goes_to_the_address_it_is_bound_to_and_is_said_nowhere(server, monkeypatch):
    server.key = "sk-secret"
    refused = said_by(job(server))[-1]
    assert isinstance(refused, events.Failed) and refused.message == "The server wants an API key."
    assert f"DPO_STUDIO_API_ADDRESS={server.url}" in refused.hint and not server.asked
    monkeypatch.setenv("DPO_STUDIO_API_KEY", "sk-secret")
    monkeypatch.setenv("DPO_STUDIO_API_ADDRESS", "http://127.0.0.1:1/v1")
    assert isinstance(said_by(job(server))[-1], events.Failed)
    assert server.keys == [None, None], "a project that names another server does not get the key"
    monkeypatch.setenv("DPO_STUDIO_API_ADDRESS", server.url + "/")
    said = said_by(job(server))
    assert len(finished(said)) == 3 and set(server.keys[2:]) == {"Bearer sk-secret"}
    assert "sk-secret" not in "".join(map(events.to_line, said))
    server.key = "sk-another"
    refused = said_by(job(server))[-1]
    assert refused.message == "The server refuses the API key it was given." and "sk-secret" not in refused.hint
    assert refused.hint == f"Set DPO_STUDIO_API_KEY to a key of {server.url} and start again."


def test_a_key_that_may_not_do_this_says_what_the_server_says_of_it(server, monkeypatch):
    server.key = "sk-secret"
    monkeypatch.setenv("DPO_STUDIO_API_KEY", "sk-secret")
    monkeypatch.setenv("DPO_STUDIO_API_ADDRESS", server.url)
    server.statuses = [403]
    refused = said_by(job(server))[-1]
    assert refused.message == "The server does not allow this with the API key it was given. status 403 it is"
    assert refused.hint == f"Set DPO_STUDIO_API_KEY to a key of {server.url} and start again."


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (("zzz", "st\nw"), "fir"),  # over the border of two pieces
        (("wörds", "nothing"), "first\n"),
        (tuple(f"no {n}" for n in range(6)) + ("fir",), ""),
    ],
)
def test_stop_strings_end_an_answer_from_a_server_too(server, stop, text):
    said = said_by(job(server, sampling=SamplingSettings(repetition_penalty=1.0, stop=stop), candidates=(0, 2)))
    for event in finished(said):
        streamed = "".join(
            e.text for e in said if isinstance(e, events.TokensDecoded) and e.candidate == event.candidate
        )
        assert event.text == streamed == f"Answer {event.seed}: {text}"
        assert event.finish_reason == "stop_string"
    assert len(finished(said)) == 2 and said[-1] == events.JobFinished("job", "done")


def test_a_stop_string_ends_the_servers_work_as_well(server):
    server.mode = "slow"
    said = said_by(job(server, sampling=SamplingSettings(repetition_penalty=1.0, stop=(" on on",)), candidates=(0,)))
    (event,) = finished(said)
    assert event.text.endswith("wörds") and server.gone.wait(30)


def test_a_cancel_ends_a_slow_answer_at_once_on_both_sides(server):
    server.mode = "slow"
    began: list[float] = []
    said = []
    for event in Generator().run(job(server), lambda: bool(began)):
        said.append(event)
        if isinstance(event, events.TokensDecoded) and event.text == " on" and not began:
            began.append(time.monotonic())
    assert time.monotonic() - began[0] < 1.0
    assert said[-1] == events.JobFinished("job", "cancelled") and not finished(said)
    assert server.gone.wait(5)


def test_an_answer_like_another_is_asked_for_once_more_with_another_seed(server):
    server.words = lambda seed: ["Same"] if seed in (7, 1_000_010) else [f"Other {seed}"]
    said = said_by(job(server, candidates=(0, 1)))
    texts = sorted(event.text for event in finished(said))
    assert texts[1] == "Same" and texts[0].startswith("Other") and len(server.asked) == 3
    assert not any(isinstance(event, events.Notice) for event in said)
    again = next(event.candidate for event in finished(said) if event.text != "Same")
    told = [event.text for event in said if isinstance(event, events.TokensDecoded) and event.candidate == again]
    assert told == ["Same"], "what is drawn again is not told piece by piece"


def test_a_server_that_gives_the_same_again_is_noticed_and_not_asked_for_more(server):
    server.words = lambda seed: ["Same"]
    said = said_by(job(server, prompts=2, candidates=(0, 1)))
    assert [event.text for event in finished(said)] == ["Same"] * 4
    notices = [event for event in said if isinstance(event, events.Notice)]
    assert [notice.code for notice in notices] == ["same_answer"] * 2
    assert all("for another seed too" in notice.message for notice in notices)
    assert len(server.asked) == 5, "once more for the first prompt, and then no more"


def test_a_model_that_is_not_listed_is_asked_for_a_token_and_then_answers(server):
    server.listed = ("big",)
    said = said_by(job(server, candidates=(0,)))
    assert said[-1] == events.JobFinished("job", "done") and len(finished(said)) == 1
    assert [body["max_tokens"] for body in server.asked] == [1, 12]


def test_a_server_that_fails_to_list_its_models_can_answer(server):
    server.listed = None
    said = said_by(job(server, candidates=(0,)))
    assert said[-1] == events.JobFinished("job", "done") and len(finished(said)) == 1
    failed = said_by(job(server, model="huge"))[-1]
    assert isinstance(failed, events.Failed) and "does not answer with the model huge" in failed.message

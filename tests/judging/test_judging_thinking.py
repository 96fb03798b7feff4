"""A judge behind a server that thinks before it says a letter, over real sockets."""

from __future__ import annotations

import pytest

from dpo_studio.core import events
from dpo_studio.judging.remote import REPLY_TOKENS, THINKING_TOKENS
from dpo_studio.judging.service import Judging
from tests.judging.test_judging_remote import job, letter, shown, with_logprobs

LENGTH = {"a": 1, "bb": 2, "ccc": 3}
THOUGHT = "B is what it first looks like, but A or B is not told by that. The shorter one it is."


def verdict(body):
    """The shorter answer's letter."""
    first, second = shown(body)
    return "A" if LENGTH[first] < LENGTH[second] else "B"


def as_field(name):
    """A server that gives thinking in a field of its own: all that the short reply holds."""

    def pieces(body):
        return [{name: f"{word} "} for word in THOUGHT.split()] + [{"content": verdict(body)}]

    return pieces, {"message": {"content": None, name: "B is what it"}, "finish_reason": "length"}


def in_marks(begin):
    """A server that knows nothing of marks; with no beginning where the chat format writes that."""

    def pieces(body):
        return [{"content": f"{word} "} for word in [begin, *THOUGHT.split(), "</think>", "\n\n", verdict(body)]]

    return pieces, {"message": {"content": f"{begin} B is what it"}, "finish_reason": "length"}


def unseen():
    """A server that does not show thinking; the short reply is empty."""
    return lambda body: [{"content": verdict(body)}], {"message": {"content": ""}, "finish_reason": "length"}


def judged_by(server, *answers):
    said = list(Judging().run(job(server, *answers), lambda: False))
    return [one for one in said if isinstance(one, (events.GroupJudged, events.GroupNotJudged, events.Failed))]


@pytest.mark.parametrize(
    ("pieces", "short"),
    [as_field("reasoning_content"), as_field("reasoning"), in_marks("<think>"), in_marks(""), unseen()],
    ids=["reasoning_content", "reasoning", "marks", "an end alone", "unseen"],
)
def test_it_is_given_room_and_the_letter_after_its_thinking_counts(server, pieces, short):
    # A probability of the letter that its thinking begins with is no verdict.
    server.choice = lambda body: {**short, "logprobs": with_logprobs(-3.0)["logprobs"]}
    server.says = pieces
    first, second = judged_by(server, ("ccc", "a", "bb"), ("bb", "a"))
    assert (first.ranks, second.ranks) == ((3, 1, 2), (2, 1))
    assert (first.disagreements, first.unanswered, first.confidence) == (0, 0, None)
    long = [body for body in server.asked if body.get("stream")]
    assert len(long) == 8 and all(body["max_tokens"] == THINKING_TOKENS[0] for body in long)
    assert all(body.get("stream") for body in server.asked[-2:]), "it is not asked for a short reply any more"


def test_thinking_without_an_end_is_no_answer_and_says_so(server):
    server.choice = lambda body: as_field("reasoning")[1]
    server.says = lambda body: [{"reasoning": "hm "}] * (body["max_tokens"] + 1)
    (judged,) = judged_by(server, ("a", "bb"))
    assert isinstance(judged, events.GroupNotJudged) and (judged.asked, judged.unanswered) == (2, 2)
    assert "thought for 4,096 tokens and came to no end" in judged.hint


def test_one_that_talks_and_does_not_think_is_asked_at_length_once(server):
    server.choice = lambda body: {**with_logprobs(2.0 if verdict(body) == "A" else -2.0), **cut("A is the one that")}
    server.says = lambda body: [{"content": "A is the one that keeps them, it is short."}]
    first, second = judged_by(server, ("ccc", "a", "bb"), ("bb", "a"))
    assert (first.ranks, second.ranks) == ((3, 1, 2), (2, 1)) and second.confidence is not None
    assert sum(bool(body.get("stream")) for body in server.asked) <= 4, "those that were under way together"
    assert not any(body.get("stream") for body in server.asked[-2:])


def test_a_letter_at_once_is_never_asked_at_length(server):
    server.choice = lambda body: {**letter(f"{verdict(body)}."), "finish_reason": "length"}
    judged_by(server, ("a", "bb"), ("bb", "ccc"))
    assert {body["max_tokens"] for body in server.asked} == {REPLY_TOKENS}


def test_a_server_with_less_room_is_asked_for_less(server):
    server.choice, server.room = lambda body: as_field("reasoning")[1], 2000
    server.says = as_field("reasoning")[0]
    (judged,) = judged_by(server, ("bb", "a"))
    assert judged.ranks == (2, 1) and server.asked[-1]["max_tokens"] == THINKING_TOKENS[1]
    server.room = 500
    (judged,) = judged_by(server, ("bb", "a"))
    assert isinstance(judged, events.GroupNotJudged) and "at most 500 tokens" in judged.message


def test_a_stop_ends_its_thinking_on_both_sides(server):
    server.choice = lambda body: as_field("reasoning")[1]
    server.mode = "slow"
    said = Judging().run(job(server, ("a", "bb")), lambda: any(body.get("stream") for body in server.asked))
    assert list(said)[-1] == events.JobFinished("job", "cancelled")
    assert server.gone.wait(20)


def cut(text):
    return {**letter(text), "finish_reason": "length"}

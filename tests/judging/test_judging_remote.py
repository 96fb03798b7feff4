"""A server as a judge, over real sockets: log-probabilities, letters alone, refusals, and a stop."""

from __future__ import annotations

import math
import threading

import pytest

from dpo_studio.core import events
from dpo_studio.core.judges import Judge, JudgeGroups, JudgeItem
from dpo_studio.core.types import Message
from dpo_studio.judging.remote import of_logprobs, of_words
from dpo_studio.judging.service import Judging


def job(server, *answers):
    judge = Judge("model", base=f"openai:{server.url}#small", model_name="small", principles="Be brief.")
    items = tuple(
        JudgeItem(n, (Message("user", "Why?"),), tuple((text, "stop") for text in texts))
        for n, texts in enumerate(answers, 1)
    )
    return JudgeGroups("job", judge.to_json(), items)


def shown(body):
    """The two answers of a question, as they were shown."""
    text = body["messages"][0]["content"].partition("Answer A:\n\n")[2]
    first, _, rest = text.partition("\n\nAnswer B:\n\n")
    return first, rest.partition("\n\nWhich answer")[0]


def letter(text):
    return {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}


def with_logprobs(log_odds):
    """A choice whose first token is a letter with these log-odds for A, split over two ways to write it."""
    a, b = -math.log1p(math.exp(-log_odds)), -math.log1p(math.exp(log_odds))
    top = [{"token": "A", "logprob": a - math.log(2)}, {"token": " A", "logprob": a - math.log(2)}]
    top += [{"token": "B", "logprob": b}, {"token": "The", "logprob": -30.0}]
    said = "A" if log_odds > 0 else "B"
    return {**letter(said), "logprobs": {"content": [{"token": said, "logprob": 0.0, "top_logprobs": top}]}}


def test_probabilities_are_averaged_over_both_orders_and_a_lean_cancels(server):
    quality, lean = {"good": 1.0, "fair": 0.0, "poor": -2.0}, 1.5

    def answer(body):
        first, second = shown(body)
        return with_logprobs(quality[first] - quality[second] + lean)

    server.choice = answer
    said = list(Judging().run(job(server, ("poor", "good", "fair")), lambda: False))
    (judged,) = [event for event in said if isinstance(event, events.GroupJudged)]
    assert judged.ranks == (3, 1, 2)
    # Differences of 1, 2 and 3 against a lean of 1.5: on one pair there is no opinion, and of the least squares with
    # log-odds of 0, 2 and 3 the scores are 1, 2/3 and −5/3.
    assert (judged.pairs, judged.disagreements, judged.asked, judged.first_shown) == (3, 1, 6, 4)
    sure = [1 / (1 + math.exp(-d)) for d in (1 / 3, 7 / 3, 8 / 3)]
    assert judged.confidence == pytest.approx(sum(sure) / 3, abs=1e-6)
    assert all(body["temperature"] == 0 and body["top_logprobs"] == 20 for body in server.asked)


def test_letters_alone_make_an_order_without_a_confidence(server):
    length = {"a": 1, "bb": 2, "ccc": 3}
    server.choice = lambda body: letter("A." if length[shown(body)[0]] < length[shown(body)[1]] else "**B**")
    said = list(Judging().run(job(server, ("ccc", "a", "bb")), lambda: False))
    (judged,) = [event for event in said if isinstance(event, events.GroupJudged)]
    assert judged.ranks == (3, 1, 2) and judged.disagreements == 0 and judged.confidence is None
    assert judged.note == "In 3 of 3 pairs the same answer was better in both orders."


def test_one_that_always_names_the_first_has_no_opinion(server):
    server.choice = lambda body: letter("A")
    said = list(Judging().run(job(server, ("x", "y", "z")), lambda: False))
    (judged,) = [event for event in said if isinstance(event, events.GroupJudged)]
    assert judged.ranks == () and (judged.disagreements, judged.pairs, judged.first_shown) == (3, 3, 6)
    assert judged.note == "No opinion: turned round, each of 3 pairs came out otherwise."


def test_a_refusal_is_counted_and_not_guessed(server):
    server.choice = lambda body: letter("I cannot compare these." if "x" in shown(body) else "B")
    said = list(Judging().run(job(server, ("x", "y"), ("y", "z")), lambda: False))
    refused, judged = [e for e in said if isinstance(e, (events.GroupNotJudged, events.GroupJudged))]
    assert isinstance(refused, events.GroupNotJudged) and (refused.asked, refused.unanswered) == (2, 2)
    assert "2 of 2 questions" in refused.message
    assert isinstance(judged, events.GroupJudged) and judged.unanswered == 0


def test_a_server_that_refuses_log_probabilities_is_asked_without_them(server):
    server.refuses = "logprobs"
    server.choice = lambda body: letter("A" if shown(body)[0] == "x" else "B")
    said = list(Judging().run(job(server, ("x", "y"), ("z", "x")), lambda: False))
    assert [e.ranks for e in said if isinstance(e, events.GroupJudged)] == [(1, 2), (2, 1)]
    assert sum("logprobs" in body for body in server.asked[-2:]) == 0


def test_a_server_that_fails_at_a_group_is_asked_about_the_others_and_left_after_some(server):
    server.choice = lambda body: letter("A" if shown(body)[0] == "x" else "B")
    server.fails_at = "poison"
    said = list(Judging().run(job(server, ("poison", "y"), ("x", "y")), lambda: False))
    assert [e.group for e in said if isinstance(e, events.GroupNotJudged)] == [1]
    assert [e.ranks for e in said if isinstance(e, events.GroupJudged)] == [(1, 2)]
    said = list(Judging().run(job(server, *[("poison", "y")] * 5), lambda: False))
    assert [e.group for e in said if isinstance(e, events.GroupNotJudged)] == [1, 2]
    assert isinstance(said[-1], events.Failed) and "status 500" in said[-1].message


def test_a_server_that_is_not_there_is_told_in_a_sentence(server):
    server.close()
    (failed,) = [e for e in Judging().run(job(server, ("x", "y")), lambda: False) if isinstance(e, events.Failed)]
    assert "No server answers" in failed.message and not failed.details


def test_a_stop_does_not_wait_for_an_answer(server):
    asked, release = threading.Event(), threading.Event()

    def answer(body):
        asked.set()
        release.wait(60)
        return letter("A")

    server.choice = answer
    said = list(Judging().run(job(server, ("x", "y")), asked.is_set))
    release.set()
    assert said[-1] == events.JobFinished("job", "cancelled")


def place(token, **top):
    return {"token": token, "top_logprobs": [{"token": key, "logprob": value} for key, value in top.items()]}


@pytest.mark.parametrize(
    ("content", "log_odds"),
    [
        ([place("A", A=-0.1, B=-2.1)], 2.0),
        ([place("**", A=-9.0, B=-1.0), place("B", A=-3.0, B=-1.0)], -2.0),  # not the marks before the letter
        ([place("A", A=-0.5, The=-4.5)], 4.0),  # B has at most what the least has
        ([place("Sure", A=-1.0, B=-2.0)], None),
        ([{"token": "A", "top_logprobs": [{"token": "A", "logprob": 0.0}]}], None),
        ([{"token": "A", "top_logprobs": None}], None),
        ("nonsense", None),
        ([place("A", A=-0.1, x=-9.0, B=-math.inf)], 8.9),
    ],
)
def test_log_probabilities_of_several_shapes(content, log_odds):
    found = of_logprobs({"content": content})
    assert found == (None if log_odds is None else pytest.approx(log_odds))


@pytest.mark.parametrize(
    "text", ["A", " A\n", "**A**", "A.", "Answer A", "The better answer is A.", "Option: A", "(A)"]
)
def test_a_letter_with_little_around_it_is_a_letter(text):
    assert of_words(text) == 1.0
    assert of_words(text[::-1].replace("A", "B", 1)[::-1]) == -1.0


@pytest.mark.parametrize(
    "text", ["", "Neither.", "A or B", "A better question would be", "a", "AB", "Both", "C", None, 3, "A" + "." * 300]
)
def test_anything_else_is_no_answer(text):
    assert of_words(text) is None

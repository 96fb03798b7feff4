"""The parts of Generate below its widgets: gathering tokens, progress, requests."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpo_studio.core import commands, events
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, requests
from dpo_studio.ui.generate.notes import notes_on
from dpo_studio.ui.generate.progress import Candidate, Progress, candidates_of
from dpo_studio.ui.generate.queue_bar import in_words
from dpo_studio.ui.generate.thread import Gatherer, TokenBurst


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "project") as made:
        yield made


def token(text: str, candidate: int = 0) -> events.TokensDecoded:
    return events.TokensDecoded("j", 1, candidate, text)


def finished(candidate: int, tokens: int, group: int = 1, reason: str = "stop") -> events.CompletionFinished:
    ids = tuple(range(tokens))
    return events.CompletionFinished("j", group, candidate, f"text {candidate}", ids, "hash", -1.5, reason, 77)


def test_tokens_are_passed_on_at_most_thirty_times_a_second() -> None:
    gatherer, batches = Gatherer(), []
    for step in range(1000):  # one second, a token of each of two answers a millisecond
        for candidate in (0, 1):
            due = gatherer.add(token("x", candidate), step / 1000)
            if due:
                batches.append(due)
    assert 25 <= len(batches) <= 31
    bursts = [burst for batch in batches for burst in batch] + gatherer.rest()
    for candidate in (0, 1):
        mine = [burst for burst in bursts if burst.candidate == candidate]
        assert "".join(burst.text for burst in mine) == "x" * 1000
        assert sum(burst.tokens for burst in mine) == 1000


def test_what_is_finished_comes_at_once_and_after_its_tokens() -> None:
    gatherer = Gatherer()
    assert gatherer.add(token("a"), 0.0) == [TokenBurst("j", 1, 0, "a", 1)]
    assert gatherer.add(token("b"), 0.001) == []
    done = finished(0, 2)
    assert gatherer.add(done, 0.002) == [TokenBurst("j", 1, 0, "b", 1), done]
    assert gatherer.rest() == []


def expected(mean: float, room: int) -> float:
    """Tokens until the end or the limit, where every token is the last with probability 1/mean: summed up."""
    return sum(math.exp(-(token + 0.5) / mean) for token in range(room))


def test_the_first_answers_that_end_are_not_taken_for_all() -> None:
    known = Progress(max_new_tokens=256)
    known.expect([commands.GenerationItem(group, (), (0, 1, 2, 3)) for group in range(6)])
    known.apply(events.ModelLoaded("b", None, "cpu", "float32", 1, 1, "h", 1.0), 10.0)
    for group in range(4):
        for candidate in range(4):
            known.apply(TokenBurst("j", group, candidate, "x" * 13, 13), 20.0)
    known.apply(finished(3, 4, group=3), 20.0)  # a short one, among fifteen that go on
    assert known.fraction < 0.2
    assert known.tokens_per_s is not None and known.time_left_s is not None
    assert known.time_left_s * known.tokens_per_s > 20 * 100


def test_progress_and_time_left_from_measured_speed() -> None:
    known = Progress(max_new_tokens=100)
    known.expect([commands.GenerationItem(1, (), (0, 1)), commands.GenerationItem(2, (), (0, 1))])
    assert (known.total, known.fraction, known.time_left_s) == (4, 0.0, None)
    known.apply(events.ModelLoaded("b", None, "cpu", "float32", 1, 1, "h", 1.0), 10.0)
    known.apply(TokenBurst("j", 1, 0, "x", 1), 10.9)
    assert (known.tokens_per_s, known.time_left_s) == (None, None), "the first token tells no speed"
    known.apply(TokenBurst("j", 1, 0, "x" * 19, 19), 11.0)
    # 20 tokens in 1 s; one answer of 60 is taken to have come before, so one token in 80 is the last, up to the limit.
    assert known.tokens_per_s == pytest.approx(20.0)
    more, whole = expected(80, 80), expected(80, 100)
    assert known.fraction == pytest.approx(20 / (20 + more) / 4, rel=1e-3)
    assert known.time_left_s == pytest.approx((more + 3 * whole) / 20, rel=1e-3)
    known.apply(finished(0, 50), 12.0)
    known.apply(finished(1, 30, reason="length"), 14.0)
    # 80 tokens in 4 s, and of those and the 60 two ended an answer by themselves; two answers are left
    assert known.live[1, 1] == Candidate("cut", "text 1", 30)
    assert known.fraction == 0.5
    assert known.time_left_s == pytest.approx(2 * expected(70, 100) / 20, rel=1e-3)
    known.apply(events.GroupFinished("j", 1, 4.0, 80), 14.0)
    assert known.live == {}
    known.apply(events.GroupRefused("j", 2, "Too long.", "Shorten it."), 14.0)
    assert (known.total, known.fraction, known.refused) == (2, 1.0, {2: "Too long. Shorten it."})


def test_answers_of_a_server_count_by_what_was_streamed() -> None:
    known = Progress(max_new_tokens=100)
    known.expect([commands.GenerationItem(1, (), (0, 1))])
    known.apply(events.ModelLoaded("b", None, "server", "", 0, 0, "", 1.0), 10.0)
    known.apply(TokenBurst("j", 1, 0, "x" * 30, 30), 11.0)
    known.apply(finished(0, 0), 13.0)
    # 30 pieces in 3 s; with one of 60 before, one piece in 45 is the last
    assert known.tokens_per_s == pytest.approx(10.0)
    assert known.time_left_s == pytest.approx(expected(45, 100) / 10, rel=1e-3)


def test_a_pause_counts_for_nothing_in_speed_and_time_left() -> None:
    known = Progress(max_new_tokens=100)
    known.expect([commands.GenerationItem(1, (), (0, 1))])
    known.apply(events.ModelLoaded("b", None, "cpu", "float32", 1, 1, "h", 1.0), 10.0)
    known.apply(TokenBurst("j", 1, 0, "x" * 20, 20), 12.0)
    known.pause(12.0)
    known.resume(612.0)
    assert known.tokens_per_s == pytest.approx(10.0)
    known.apply(TokenBurst("j", 1, 0, "x" * 20, 20), 614.0)
    # 40 tokens in the 4 s that were not paused; one of two answers waits
    assert known.tokens_per_s == pytest.approx(10.0)
    assert known.time_left_s == pytest.approx((expected(100, 60) + expected(100, 100)) / 10, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "a few seconds"), (31, "30 s"), (58, "1 min"), (600, "10 min"), (5400, "1.5 h")],
)
def test_times_left_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_what_is_worth_knowing_of_a_groups_answers(project: Project) -> None:
    policy, messages = policies.add(project, "one"), [Message("user", "a")]
    prompt = prompts.add(project, messages)
    (group_id,) = requests.ask(project, [prompt.id], policy, SamplingSettings(k=5, seed=3))
    # The third was drawn a second time: "3|[…]|2|1" hashed, its first 6 bytes as a number.
    digest = hashlib.sha256(b'3|[{"role": "user", "content": "a"}]|2|1').hexdigest()
    answers = [("Red", "stop", 1), ("Red ", "stop", 2), ("Blue", "length", int(digest[:12], 16)), ("Up", "length", 4)]
    for candidate, (text, reason, seed) in enumerate(answers):
        completions.record(
            project, events.CompletionFinished("j", group_id, candidate, text, (1,), "hash", -1.0, reason, seed)
        )
    assert notes_on(completions.get_group(project, group_id)) == [
        "2 of 4 were cut by the token limit (see Numbers…).",
        "Answers 1 and 2 are the same: a higher temperature would vary them.",
        "Answer 3 was drawn again, for it had come out like another one.",
    ]
    (plain,) = requests.ask(project, [prompt.id], policy, SamplingSettings(k=2, temperature=0.0))
    assert notes_on(completions.get_group(project, plain)) == []
    for candidate in (0, 1):
        completions.record(project, finished(candidate, 3, group=plain))
    assert notes_on(completions.get_group(project, plain)) == []


def test_a_finished_answer_keeps_its_provenance(project: Project) -> None:
    policy = policies.add(project, "one")
    prompt = prompts.add(project, [Message("user", "a")])
    (group_id,) = requests.ask(project, [prompt.id], policy, SamplingSettings(k=2, seed=3))
    completions.record(project, finished(1, 5, group=group_id, reason="length"))
    group = completions.get_group(project, group_id)
    (kept,) = group.completions
    assert (kept.candidate, kept.text, kept.token_ids, kept.tokenizer_hash) == (1, "text 1", (0, 1, 2, 3, 4), "hash")
    assert (kept.logp, kept.seed, kept.finish_reason, kept.policy_id) == (-1.5, 77, "length", policy.id)
    assert kept.sampling["seed"] == 3
    assert candidates_of(group) == [Candidate(), Candidate("cut", "text 1", 5)]

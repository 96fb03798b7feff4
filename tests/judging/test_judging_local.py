"""A local model's letters: the shared reading gives what reading every question whole gives."""

from __future__ import annotations

import random
from unittest.mock import Mock

import pytest
import torch

from dpo_studio.core import events
from dpo_studio.core.judges import Judge, JudgeGroups, JudgeItem, question
from dpo_studio.core.types import Message
from dpo_studio.judging import local
from dpo_studio.judging.service import Judging
from dpo_studio.models.load import load
from dpo_studio.models.logprobs import token_logps
from tests.tiny_models import llama_config, save

WHY = (Message("user", "Why?"),)


@pytest.fixture(scope="module")
def long_llama(tmp_path_factory):
    """A tiny model that reads a question whole."""
    return save(tmp_path_factory.mktemp("judge") / "llama", llama_config(max_position_embeddings=4096))


@pytest.fixture(scope="module")
def loaded(long_llama):
    return load(str(long_llama), device="cpu", dtype="float32")


@pytest.fixture(autouse=True)
def any_mass(monkeypatch):
    """A random model of 400 tokens puts about one in a hundred on the two letters."""
    monkeypatch.setattr(local, "LEAST_MASS", 1e-6)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2", "gpt2"])
def test_a_shared_beginning_read_once_changes_no_logit(tiny_model, family):
    model = load(str(tiny_model(family)), device="cpu", dtype="float32").model
    draw = random.Random(1)
    shared, block = [[draw.randrange(3, 400) for _ in range(n)] for n in (30, 12)]
    rows = [
        tuple(shared + middle + [draw.randrange(3, 400) for _ in range(n)])
        for middle in (block, [], [7])
        for n in (5, 20)
    ]
    rows += [rows[0], tuple(shared)]  # one twice, and one that is the beginning of others
    found = dict(local.last_logits(model, rows, torch.device("cpu")))
    assert set(found) == set(rows)
    for row, logits in found.items():
        with torch.no_grad():
            whole = model(input_ids=torch.tensor([row])).logits[0, -1]
        torch.testing.assert_close(logits, whole.float(), atol=2e-4, rtol=1e-4)


def test_the_log_odds_are_those_of_the_letters(loaded):
    asked = question("Be brief.", WHY, "one", "two")
    (found,) = local.LocalComparer(loaded).log_odds([asked], lambda: False)
    prompt = loaded.chat.prompt_ids([asked])
    masses = []
    for letter in "AB":
        ids = {i for i in range(400) if loaded.tokenizer.decode([i]).strip() == letter}
        assert ids
        masses.append(sum(float(token_logps(loaded.model, prompt, [i]).detach().exp()) for i in ids))
    assert found == pytest.approx(float(torch.tensor(masses[0] / masses[1]).log()), abs=1e-4)


def test_a_model_that_looks_at_neither_letter_has_not_answered(loaded, monkeypatch):
    monkeypatch.setattr(local, "LEAST_MASS", 1.0)
    assert local.LocalComparer(loaded).log_odds([question("P", WHY, "a", "b")], lambda: False) == [None]


def groups(judge, *answers):
    items = tuple(JudgeItem(n, WHY, tuple((text, "stop") for text in texts)) for n, texts in enumerate(answers, 1))
    return JudgeGroups("job", judge.to_json(), items, "cpu")


def test_a_group_is_ranked_by_all_pairs_in_both_orders(long_llama, loaded, monkeypatch):
    judge = Judge("model", base=str(long_llama), model_name="tiny", principles="Be brief.")
    texts = ("first", "second one", "the third", "first")
    comparer, read = local.LocalComparer(loaded), local.LocalComparer.log_odds
    # A random model goes by the order alone, so it is given an opinion: twice as strong as its lean, or half.
    asked = {(a, b): question("Be brief.", WHY, a, b) for a in texts for b in texts if a != b}
    lean = max(abs(value) for value in read(comparer, list(asked.values()), lambda: False))
    quality = {"first": 0.0, "second one": 0.5 * lean, "the third": 2.5 * lean}
    opinion = {one.content: quality[a] - quality[b] for (a, b), one in asked.items()}

    def with_opinion(self, questions, cancelled):
        found = read(self, questions, cancelled)
        return [value + opinion[one.content] for value, one in zip(found, questions, strict=True)]

    monkeypatch.setattr(local.LocalComparer, "log_odds", with_opinion)

    def said_of(a, b):
        return comparer.log_odds([asked[a, b]], lambda: False)[0]

    said = list(Judging().run(groups(judge, texts), lambda: False))
    assert said[-1] == events.JobFinished("job", "done")
    (judged,) = [event for event in said if isinstance(event, events.GroupJudged)]
    assert (judged.pairs, judged.asked, judged.unanswered) == (5, 10, 0)  # of six pairs, one is of equal texts

    def agreed(a, b):
        return said_of(a, b) * said_of(b, a) < 0

    totals, agreements = [], 0
    for i, mine in enumerate(texts):
        odds = [
            (said_of(mine, other) - said_of(other, mine)) / 2
            for other in texts
            if other != mine and agreed(mine, other)  # else there is no opinion
        ]
        totals.append(sum(odds) / 4)
        agreements += sum(agreed(mine, other) for other in texts[i + 1 :] if other != mine)
    assert 0 < agreements < 5 and judged.disagreements == 5 - agreements
    best, worst = (judged.ranks.index(rank) for rank in (1, max(judged.ranks)))
    assert totals[best] == pytest.approx(max(totals), abs=0.21) and totals[worst] == pytest.approx(
        min(totals), abs=0.21
    )
    assert judged.ranks[0] == judged.ranks[3]
    assert f"{agreements} of 5 pairs" in judged.note


def test_a_question_that_is_too_long_leaves_its_group_out_and_the_next_is_judged(long_llama):
    judge = Judge("model", base=str(long_llama), model_name="tiny", principles="Be brief.")
    said = list(Judging().run(groups(judge, ("x" * 9000, "b"), ("a", "b")), lambda: False))
    refused, judged = said[-3:-1]
    assert isinstance(refused, events.GroupNotJudged) and "tokens long" in refused.message
    assert isinstance(judged, events.GroupJudged) and judged.group == 2


def test_cancelled_between_questions_what_was_ranked_stands(long_llama):
    judge = Judge("model", base=str(long_llama), model_name="tiny", principles="Be brief.")
    said: list[events.Event] = []
    run = Judging().run(
        groups(judge, ("a", "b"), ("c", "d"), ("e", "f")), lambda: any(isinstance(e, events.GroupJudged) for e in said)
    )
    for event in run:
        said.append(event)
    assert [event.group for event in said if isinstance(event, events.GroupJudged)] == [1]
    assert said[-1] == events.JobFinished("job", "cancelled")


def test_memory_that_ran_out_is_no_bug(long_llama, monkeypatch):
    judge, judging = Judge("model", base=str(long_llama), model_name="tiny", principles="Be brief."), Judging()
    with monkeypatch.context() as patch:
        ran_out = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        patch.setattr(local, "last_logits", Mock(side_effect=ran_out))
        said = list(judging.run(groups(judge, ("a", "b")), lambda: False))
    assert isinstance(said[-1], events.Failed) and "memory was not enough" in said[-1].message
    assert said[-1].hint and not said[-1].details
    assert list(judging.run(groups(judge, ("a", "b")), lambda: False))[-1] == events.JobFinished("job", "done")


def test_a_model_that_is_not_there_is_told_in_a_sentence(tmp_path):
    judge = Judge("model", base=str(tmp_path / "none"), principles="Be brief.")
    (failed,) = [e for e in Judging().run(groups(judge, ("a", "b")), lambda: False) if isinstance(e, events.Failed)]
    assert failed.message and not failed.details

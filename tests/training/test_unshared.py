"""Models whose prompt cannot be shared among its answers: they train all the same, and the run says why."""

from __future__ import annotations

import math

import pytest

from dpo_studio.core import events
from dpo_studio.training.engine import train
from tests.training.conftest import build, tokenizer

#: A family, what its config says, and the reason that is told.
CANNOT_SHARE = [
    ("mistral", {"sliding_window": 8}, "looks back 8 tokens"),
    ("gemma3_text", {"sliding_window": 8, "query_pre_attn_scalar": 8}, "looks back 8 tokens"),
    ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, "positions depend"),
    ("mamba", {}, "mamba family is not known"),
    ("olmo", {}, "olmo family is not known"),
]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize(("family", "changes", "why"), CANNOT_SHARE, ids=[family for family, *_ in CANNOT_SHARE])
def test_it_trains_and_its_log_says_why_it_is_slower(make_run, tmp_path, family, changes, why):
    folder = tmp_path / family
    build(family, **changes).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    said = list(train(make_run(base=folder, max_steps=3, fresh_samples=1, warmup_ratio=0.0)))
    told = [event.message for event in said if isinstance(event, events.Notice) and event.code == "prompt_not_shared"]
    assert len(told) == 1 and why in told[0]
    losses = [event.metrics["loss"] for event in said if isinstance(event, events.StepDone)]
    assert losses[0] == pytest.approx((math.log(3) + math.log(2)) / 2, abs=1e-4)
    before, *_, after = [event.metrics["margin"] for event in said if isinstance(event, events.Evaluated)]
    assert abs(before) < 1e-3 and after != before


def test_a_model_that_shares_says_nothing(make_run):
    said = list(train(make_run(max_steps=1, fresh_samples=0)))
    assert not [event for event in said if isinstance(event, events.Notice)]


def test_where_another_process_cannot_share_none_does_and_it_is_told(make_run, monkeypatch):
    from dpo_studio.training import processes

    class WithOneThatCannot(processes.Alone):
        def gather(self, work):
            found = work()
            return [found, False] if found is True else [found]

    monkeypatch.setattr("dpo_studio.training.engine.join", lambda device: WithOneThatCannot())
    said = list(train(make_run(max_steps=1, fresh_samples=0)))
    told = [event.message for event in said if isinstance(event, events.Notice)]
    assert len(told) == 1 and "another process" in told[0]

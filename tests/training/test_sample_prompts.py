"""Sample prompts that a model cannot answer: they are told of, and the run goes on without them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dpo_studio.core import events
from dpo_studio.training.engine import train

_REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message') }}{% endif %}"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def strict_model(tiny_model, tmp_path) -> Path:
    """The tiny model with a chat template that takes no system message."""
    folder = tmp_path / "strict"
    shutil.copytree(tiny_model, folder)
    template = folder / "chat_template.jinja"
    template.write_text(_REFUSES_SYSTEM + template.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def with_prompts(folder: Path, *conversations: list[tuple[str, str]]) -> Path:
    rows = [
        {"prompt": number, "messages": [{"role": role, "content": text} for role, text in conversation]}
        for number, conversation in enumerate(conversations)
    ]
    (folder / "sample_prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


REFUSED, LONG, PLAIN = [("system", "w5"), ("user", "w6")], [("user", "w7 " * 200)], [("user", "w8 w9")]


def test_prompts_that_cannot_be_answered_are_told_of_and_stop_nothing(make_run, strict_model):
    folder = with_prompts(make_run(base=strict_model, max_steps=1, fresh_samples=3), REFUSED, PLAIN, LONG)
    said = list(train(folder))
    assert isinstance(said[-1], events.RunDone)
    (told,) = [event for event in said if isinstance(event, events.Notice)]
    assert told.code == "samples_left_out" and "2 of 3 sample prompts" in told.message
    answers = [(event.phase, event.prompt) for event in said if isinstance(event, events.AnswerSampled)]
    assert answers == [("before", 1), ("step 0", 1), ("step 1", 1), ("after", 1)]
    assert all(event.metrics["kl"] is not None for event in said if isinstance(event, events.Sampled))


def test_a_run_trains_where_none_can_be_answered(make_run, strict_model):
    said = list(train(with_prompts(make_run(base=strict_model, max_steps=1), REFUSED)))
    assert said[-1].steps == 1
    assert not [event for event in said if isinstance(event, (events.AnswerSampled, events.Sampled))]
    assert [event.code for event in said if isinstance(event, events.Notice)] == ["samples_left_out"]

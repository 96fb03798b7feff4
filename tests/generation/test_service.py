"""Generation jobs as events: what is said, in which order, and what a refused prompt or a cancel does."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from dpo_studio.core import commands, events
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation import holding, room, service
from dpo_studio.generation.service import Generator
from tests.tiny_models import build, llama_config, save

SAMPLING = SamplingSettings(max_new_tokens=12, seed=1)


def job(base: Path | str, *texts: str, name: str = "job", candidates=(0, 1, 2), **changes) -> commands.Generate:
    items = tuple(
        commands.GenerationItem(group, (Message("user", text),), tuple(candidates))
        for group, text in enumerate(texts, 1)
    )
    values = {"sampling": SAMPLING.to_json(), "device": "cpu", **changes}
    return commands.Generate(job=name, base=str(base), items=items, **values)


def never() -> bool:
    return False


def names(said: Iterable[events.Event]) -> list[str]:
    return [name for name, _ in groupby(type(event).__name__ for event in said)]


def test_a_job_says_all_it_does(tiny_llama: Path) -> None:
    said = list(Generator().run(job(tiny_llama, "Why is the sky blue?", "Where is the library?"), never))
    assert names(said)[:2] == ["ModelLoading", "ModelLoaded"]
    assert said[-1] == events.JobFinished("job", "done")
    loaded = next(event for event in said if isinstance(event, events.ModelLoaded))
    assert (loaded.base, loaded.device, loaded.context_length) == (str(tiny_llama), "cpu", 256)
    for group in (1, 2):
        finished = [e for e in said if isinstance(e, events.CompletionFinished) and e.group == group]
        assert sorted(event.candidate for event in finished) == [0, 1, 2]
        assert all(event.tokenizer_hash == loaded.tokenizer_hash for event in finished)
        for event in finished:
            streamed = "".join(
                e.text
                for e in said
                if isinstance(e, events.TokensDecoded) and (e.group, e.candidate) == (group, event.candidate)
            )
            assert streamed == event.text
        (end,) = [e for e in said if isinstance(e, events.GroupFinished) and e.group == group]
        assert end.tokens == sum(len(event.token_ids) for event in finished)
    assert all(events.from_line(events.to_line(event)) == event for event in said)


def test_a_model_without_a_chat_template_says_so(tmp_path: Path, tiny_llama: Path) -> None:
    plain = build("llama", tmp_path / "plain", chat=False)
    for base, is_plain in ((tiny_llama, False), (plain, True)):
        loaded = list(Generator().load(commands.Load(str(base), device="cpu"), never))[-1]
        assert isinstance(loaded, events.ModelLoaded) and loaded.plain_template is is_plain


def test_the_model_stays_loaded_for_the_next_job(tiny_llama: Path, tiny_gpt2: Path) -> None:
    generator = Generator()
    list(generator.run(job(tiny_llama, "One"), never))
    assert "ModelLoading" not in names(generator.run(job(tiny_llama, "Two"), never))
    assert "ModelLoaded" in names(generator.run(job(tiny_gpt2, "Three"), never))
    assert "ModelLoaded" in names(generator.run(job(tiny_llama, "Four"), never))


def test_a_prompt_that_is_too_long_is_refused_and_the_next_is_answered(tmp_path: Path) -> None:
    folder = save(tmp_path / "short", llama_config(max_position_embeddings=60))
    said = list(Generator().run(job(folder, "dog " * 80, "Hello"), never))
    (refused,) = [event for event in said if isinstance(event, events.GroupRefused)]
    assert refused.group == 1
    assert "tokens long" in refused.message and refused.hint
    assert [event.group for event in said if isinstance(event, events.GroupFinished)] == [2]
    assert said[-1] == events.JobFinished("job", "done")


def test_a_cancelled_job_ends_there_and_says_so(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(room.MOST_ROWS, "cpu", 3)  # one prompt at a time
    said: list[events.Event] = []

    def enough() -> bool:
        return any(isinstance(event, events.GroupFinished) for event in said)

    for event in Generator().run(job(tiny_llama, "One", "Two", "Three"), enough):
        said.append(event)
    assert said[-1] == events.JobFinished("job", "cancelled")
    assert {event.group for event in said if isinstance(event, events.CompletionFinished)} == {1}


def test_a_job_cancelled_before_its_turn_loads_nothing(tiny_llama: Path) -> None:
    said = list(Generator().run(job(tiny_llama, "One"), lambda: True))
    assert said == [events.JobFinished("job", "cancelled")]


def test_what_a_user_can_mend_fails_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (failed,) = Generator().run(job(tmp_path / "empty", "One", name="a"), never)
    assert isinstance(failed, events.ModelLoading) is False
    assert (failed.job, failed.details) == ("a", "")
    assert "config.json" in failed.message and failed.hint
    (bad,) = Generator().run(job("x", "One", sampling={"temperature": 9}), never)
    assert "Temperature" in bad.message and not bad.details


def test_a_bug_fails_with_its_traceback(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args, **kwargs):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(service, "draw", broken)
    *_, failed = Generator().run(job(tiny_llama, "One"), never)
    assert isinstance(failed, events.Failed)
    assert "a bug" in failed.details and "Something went wrong" in failed.message


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_memory_that_ran_out_is_no_bug(error: Exception, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator()
    with monkeypatch.context() as patch:
        patch.setattr(service, "draw", Mock(side_effect=error))
        said = list(generator.run(job(tiny_llama, "Why?"), never))
    assert isinstance(said[-1], events.Failed) and "memory was not enough" in said[-1].message
    assert said[-1].hint and not said[-1].details
    assert list(generator.run(job(tiny_llama, "Why?"), never))[-1] == events.JobFinished("job", "done")


def test_the_same_answers_at_temperature_0_are_noticed(tiny_llama: Path) -> None:
    cold = SamplingSettings(temperature=0, max_new_tokens=4).to_json()
    said = list(Generator().run(job(tiny_llama, "One", sampling=cold), never))
    notices = [event for event in said if isinstance(event, events.Notice)]
    assert [notice.code for notice in notices] == ["same_answer", "same_answer"]
    assert "temperature 0" in notices[0].message
    assert len([event for event in said if isinstance(event, events.CompletionFinished)]) == 3


def test_a_load_that_was_left_alone_serves_the_next_job(
    tiny_llama: Path, tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    load = holding.load_where_it_fits

    def slow(base: str, **kwargs):
        loads.append(base)
        time.sleep(0.4)
        return load(base, **kwargs)

    monkeypatch.setattr(holding, "load_where_it_fits", slow)
    generator = Generator()
    begin = time.monotonic()
    said = list(generator.run(job(tiny_llama, "One"), lambda: time.monotonic() - begin > 0.1))
    assert said[-1] == events.JobFinished("job", "cancelled")
    assert list(generator.run(job(tiny_llama, "One"), never))[-1] == events.JobFinished("job", "done")
    assert loads == [str(tiny_llama)]
    # … and where another model is wanted, that one answers.
    begin = time.monotonic()
    list(generator.run(job(tiny_gpt2, "One"), lambda: time.monotonic() - begin > 0.1))
    said = list(generator.run(job(tiny_llama, "One"), never))
    (loaded,) = [event for event in said if isinstance(event, events.ModelLoaded)]
    assert loaded.base == str(tiny_llama)
    assert said[-1] == events.JobFinished("job", "done")

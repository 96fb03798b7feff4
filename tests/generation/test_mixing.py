"""Groups whose candidates come from several models and settings: one job, and the same answers as each alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpo_studio.core import commands, events
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation import holding
from dpo_studio.generation.service import Generator
from tests.openai_server import OpenAIServer
from tests.tiny_models import adapter, llama_config, save

COOL = SamplingSettings(max_new_tokens=10, seed=1, temperature=0.5)
HOT = SamplingSettings(max_new_tokens=10, seed=1, temperature=1.5)
TEXTS = ("Why is the sky blue?", "Where is the library?")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bases that are loaded, in order."""
    made: list[str] = []
    load = holding.load_where_it_fits

    def counted(base: str, **kwargs):
        made.append(base)
        return load(base, **kwargs)

    monkeypatch.setattr(holding, "load_where_it_fits", counted)
    return made


def source(base: Path, sampling: SamplingSettings = COOL, folder: Path | None = None) -> commands.Source:
    return commands.Source(str(base), sampling.to_json(), None if folder is None else str(folder))


def job(*sources: commands.Source, turns: tuple[int, ...], taken: tuple[str, ...] = ()) -> commands.Generate:
    """Candidate i comes from source turns[i]."""
    items = tuple(
        commands.GenerationItem(group, (Message("user", text),), tuple(range(len(turns))), turns, taken)
        for group, text in enumerate(TEXTS, 1)
    )
    first, *others = sources
    return commands.Generate("job", first.base, items, first.sampling, first.adapter, "cpu", tuple(others))


def finished(said: list[events.Event]) -> dict[tuple[int, int], events.CompletionFinished]:
    return {(e.group, e.candidate): e for e in said if isinstance(e, events.CompletionFinished)}


def run(command: commands.Generate, cancelled=lambda said: False) -> list[events.Event]:
    said: list[events.Event] = []
    for event in Generator().run(commands.from_line(commands.to_line(command)), lambda: cancelled(said)):
        said.append(event)
    return said


def test_base_and_tuned_answer_in_one_group_and_the_base_is_loaded_once(
    tiny_llama: Path, tmp_path: Path, loads: list[str]
) -> None:
    one, other = adapter(tmp_path / "one", tiny_llama, seed=1), adapter(tmp_path / "other", tiny_llama, seed=2)
    sources = (source(tiny_llama), source(tiny_llama, folder=one), source(tiny_llama, folder=other))
    said = run(job(*sources, turns=(0, 1, 2, 0)))
    assert loads == [str(tiny_llama)]
    assert said[-1] == events.JobFinished("job", "done")
    mixed = finished(said)
    assert sorted(mixed) == [(group, candidate) for group in (1, 2) for candidate in range(4)]
    # A group is said to be finished once, when all of its answers have come, whichever model they are from.
    for group in (1, 2):
        ends = [
            e for e in said if isinstance(e, (events.CompletionFinished, events.GroupFinished)) and e.group == group
        ]
        assert [type(e).__name__ for e in ends] == [*["CompletionFinished"] * 4, "GroupFinished"]
    for index, each in enumerate(sources):
        alone = finished(run(job(each, turns=(0, 0, 0, 0))))
        for key in mixed:
            if (0, 1, 2, 0)[key[1]] == index:
                assert (mixed[key].token_ids, mixed[key].seed) == (alone[key].token_ids, alone[key].seed)
                assert mixed[key].logp == pytest.approx(alone[key].logp, abs=1e-4)
    tokens = {group: sum(len(e.token_ids) for (of, _), e in mixed.items() if of == group) for group in (1, 2)}
    assert {e.group: e.tokens for e in said if isinstance(e, events.GroupFinished)} == tokens


def test_settings_of_each_candidate_are_its_own_in_one_batch(tiny_llama: Path) -> None:
    mixed = finished(run(job(source(tiny_llama, COOL), source(tiny_llama, HOT), turns=(0, 1, 1, 0))))
    cool = finished(run(job(source(tiny_llama, COOL), turns=(0, 0, 0, 0))))
    hot = finished(run(job(source(tiny_llama, HOT), turns=(0, 0, 0, 0))))
    for (group, candidate), event in mixed.items():
        wanted, unwanted = (cool, hot) if candidate in (0, 3) else (hot, cool)
        assert event.token_ids == wanted[group, candidate].token_ids
        assert event.token_ids != unwanted[group, candidate].token_ids


def test_two_bases_answer_one_after_the_other(tiny_llama: Path, tmp_path: Path, loads: list[str]) -> None:
    second = save(tmp_path / "second", llama_config(), seed=7)
    said = run(job(source(tiny_llama), source(second), turns=(0, 1)))
    assert loads == [str(tiny_llama), str(second)]
    assert len(finished(said)) == 4
    assert [e.group for e in said if isinstance(e, events.GroupFinished)] == [1, 2]
    ends = [e for e in said if isinstance(e, (events.GroupFinished, events.ModelLoaded))]
    assert [type(e).__name__ for e in ends] == ["ModelLoaded", "ModelLoaded", "GroupFinished", "GroupFinished"]


def test_a_server_answers_beside_a_model(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPO_STUDIO_API_KEY", raising=False)
    server = OpenAIServer()
    try:
        remote = commands.Source(f"openai:{server.url}#small", HOT.to_json())
        said = run(job(source(tiny_llama), remote, turns=(0, 1, 0, 1)))
    finally:
        server.close()
    got = finished(said)
    assert len(got) == 8 and said[-1] == events.JobFinished("job", "done")
    assert {bool(event.tokenizer_hash) for (_, candidate), event in got.items() if candidate in (0, 2)} == {True}
    assert all(event.text.startswith("Answer ") for (_, candidate), event in got.items() if candidate in (1, 3))
    assert {body["temperature"] for body in server.asked} == {1.5}
    assert [e.group for e in said if isinstance(e, events.GroupFinished)] == [1, 2]


def test_a_cancelled_mix_goes_on_to_the_same_answers(tiny_llama: Path, tmp_path: Path) -> None:
    tuned = adapter(tmp_path / "one", tiny_llama, seed=1)
    sources, turns = (source(tiny_llama), source(tiny_llama, HOT, tuned)), (0, 1, 0, 1)
    whole = finished(run(job(*sources, turns=turns)))
    for enough in (1, 5):
        first = finished(run(job(*sources, turns=turns), lambda said, enough=enough: len(finished(said)) >= enough))
        assert enough <= len(first) <= 8 and (enough > 1 or len(first) < 8)
        items = []
        for group, text in enumerate(TEXTS, 1):
            left = tuple(c for c in range(4) if (group, c) not in first)
            taken = tuple(event.text for (of, _), event in first.items() if of == group)
            asked = tuple(turns[c] for c in left)
            items.append(commands.GenerationItem(group, (Message("user", text),), left, asked, taken))
        command = job(*sources, turns=turns)
        rest = finished(
            run(commands.Generate("job", command.base, tuple(items), command.sampling, None, "cpu", command.others))
        )
        together = {**first, **rest}
        assert {key: event.token_ids for key, event in together.items()} == {k: e.token_ids for k, e in whole.items()}


def test_an_answer_that_the_group_has_already_is_drawn_again(tiny_llama: Path) -> None:
    first = finished(run(job(source(tiny_llama), turns=(0, 0))))
    again = finished(run(job(source(tiny_llama), turns=(0, 0), taken=(f" {first[1, 0].text}\n",))))
    assert again[1, 0].text != first[1, 0].text and again[1, 0].seed != first[1, 0].seed
    assert again[1, 1].text == first[1, 1].text
    assert again[2, 0].text == first[2, 0].text


def test_a_model_and_its_adapter_that_is_missing_fails_in_a_sentence(tiny_llama: Path, tmp_path: Path) -> None:
    said = run(job(source(tiny_llama), source(tiny_llama, folder=tmp_path / "gone"), turns=(0, 1)))
    assert isinstance(said[-1], events.Failed) and "no adapter" in said[-1].message and not said[-1].details
    assert (1, 0) in finished(said)

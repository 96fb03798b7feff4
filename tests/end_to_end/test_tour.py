"""The tour: the whole loop without a window, shortened to a minute, on the starter model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dpo_studio import tour
from dpo_studio.store import Project, completions, policies, rankings, runs

pytestmark = [pytest.mark.starter, pytest.mark.timeout(900)]

UNLABELLED = 2


@pytest.fixture
def short_tour(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fresh prompt, two optimiser steps, two prompts to measure on; nothing else is changed."""
    recommend, next_groups = tour.recommend, rankings.next_groups

    def two_steps(groups: int):
        advice = recommend(groups)
        settings = dataclasses.replace(advice.settings, max_steps=2, evaluate_every=0)
        return dataclasses.replace(advice, settings=settings)

    monkeypatch.setattr(tour, "FRESH_PROMPTS", 1)
    monkeypatch.setattr(tour, "recommend", two_steps)
    monkeypatch.setattr(rankings, "next_groups", lambda project, limit: next_groups(project, limit=UNLABELLED))


def test_the_tour_goes_all_the_way_round(short_tour, starter: Path, tmp_path: Path) -> None:
    said: list[str] = []
    summary = tour.main(tmp_path / "tour", report=said.append)

    assert (summary.fresh_completions, summary.rankings, summary.optimiser_steps) == (4, 54, 2)
    assert summary.effect is not None and summary.effect.wins.n == UNLABELLED
    assert all(path.exists() for path in summary.made.values())
    assert summary.made["curves"].read_bytes().startswith(b"\x89PNG")
    assert json.loads(json.dumps(summary.to_json()))["guideline"]["kept_after"]["n"] == UNLABELLED
    assert "keep the guideline" in summary.text() and str(tmp_path / "tour") in summary.text()
    assert [line[:3] for line in said if line[1:2] == "/"] == ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]

    with Project.open(tmp_path / "tour") as project:
        assert [policy.round for policy in policies.all_policies(project)] == [0, 1]
        assert runs.all_runs(project)[0].result_policy_id is not None
        assert len(completions.recent_groups(project, 1)[0].completions) == 4

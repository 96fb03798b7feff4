"""Measured estimates: kept for what computes the same, and laid beside the runs that are made."""

from __future__ import annotations

import dataclasses

import pytest

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, estimates, policies, prompts, rankings, runs

FOUND = events.Estimated(seconds=180.0, memory_gb=1.6, step_seconds=2.0, steps=80)
SETTINGS = TrainingSettings(epochs=3)


@pytest.fixture
def project(tmp_path):
    made = Project.create(tmp_path / "project")
    policy = policies.add(made, "starter")
    label(made, policy, "What keeps a plant alive?")
    yield made
    made.close()


def label(project, policy, question):
    prompt = prompts.add(project, [Message("user", question)])
    group = completions.add_group(project, prompt.id, size=2, policy_id=policy.id)
    for text in ("Water and light.", "Luck."):
        completions.add(project, group.id, text, policy_id=policy.id)
    rankings.add(project, completions.get_group(project, group.id), ranks=[1, 2])


def find(project, settings=SETTINGS):
    policy = policies.all_policies(project)[0]
    return estimates.find(project, policy, settings, runs.training_data(project))


@pytest.fixture
def kept(project):
    policy = policies.all_policies(project)[0]
    estimates.keep(project, policy, SETTINGS, runs.training_data(project), FOUND)


def test_nothing_is_known_of_what_was_not_measured(project):
    assert find(project) is None


def test_a_rate_changes_nothing_but_more_passes_do(project, kept):
    assert find(project) == FOUND
    assert find(project, dataclasses.replace(SETTINGS, learning_rate=1e-5, beta=0.5, seed=9)) == FOUND
    for changed in ({"epochs": 4}, {"batch_groups": 1}, {"lora_rank": 8}, {"fresh_samples": 0}, {"dtype": "float32"}):
        assert find(project, dataclasses.replace(SETTINGS, **changed)) is None, changed


def test_another_label_is_another_run_to_measure(project, kept):
    label(project, policies.all_policies(project)[0], "And a cactus?")
    assert find(project) is None


def test_another_policy_is_another_run_to_measure(project, kept):
    other = policies.add(project, "starter", adapter="runs/one/adapter", name="a round further")
    assert estimates.find(project, other, SETTINGS, runs.training_data(project)) is None


def test_a_new_run_has_what_was_expected_of_it_in_its_folder(project, kept):
    policy = policies.all_policies(project)[0]
    known, unknown = (runs.create(project, policy, TrainingSettings(epochs=n)) for n in (3, 4))
    line = (project.folder / known.folder / "estimate.json").read_text(encoding="utf-8")
    assert events.from_line(line) == FOUND
    assert not (project.folder / unknown.folder / "estimate.json").exists()


def test_a_damaged_file_is_as_if_it_were_not_there(project, kept):
    for path in (project.folder / "cache" / "estimates").iterdir():
        path.write_bytes(b'{"half": ')
    assert find(project) is None

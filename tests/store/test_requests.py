"""What is asked for: groups in the project first, commands for what they miss, models by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, requests


def test_a_group_is_written_with_all_it_needs_to_go_on(project: Project) -> None:
    policy = policies.add(project, "base-model", name="Base", adapter="runs/one/adapter")
    prompt = prompts.add(project, [Message("system", "Brief."), Message("user", "Hi")])
    (group_id,) = requests.ask(project, [prompt.id], policy, SamplingSettings(k=3, temperature=0.5, seed=4))
    group = completions.get_group(project, group_id)
    (command,) = requests.commands_for(project, [group])
    assert command.base == "base-model"
    assert command.adapter == str(project.folder / "runs/one/adapter")
    assert command.items == (commands.GenerationItem(group_id, prompt.messages, (0, 1, 2)),)
    assert SamplingSettings.from_json(command.sampling) == SamplingSettings(k=3, temperature=0.5, seed=4)


def test_only_what_is_missing_is_asked_for_with_the_groups_own_settings(project: Project) -> None:
    one, other = policies.add(project, "one"), policies.add(project, "other")
    first, second = (prompts.add(project, [Message("user", text)]) for text in ("a", "b"))
    made = [
        *requests.ask(project, [first.id, second.id], one, SamplingSettings(k=3)),
        *requests.ask(project, [first.id], other, SamplingSettings(k=2, temperature=0.3)),
    ]
    completions.add(project, made[0], "there", candidate=1)
    for candidate in range(3):
        completions.add(project, made[1], "there", candidate=candidate)
    asked = requests.commands_for(project, completions.unfinished(project))
    assert [(c.base, [(i.group, i.candidates) for i in c.items]) for c in asked] == [
        ("one", [(made[0], (0, 2))]),
        ("other", [(made[2], (0, 1))]),
    ]
    assert asked[1].sampling["temperature"] == 0.3


def test_groups_without_a_policy_cannot_be_gone_on_with(project: Project) -> None:
    prompt = prompts.add(project, [Message("user", "a")])
    completions.add_group(project, prompt.id, size=3)
    assert requests.commands_for(project, completions.unfinished(project)) == []


def test_a_prompt_answered_before_gets_a_seed_it_never_had(project: Project) -> None:
    policy, other = policies.add(project, "one"), policies.add(project, "other")
    prompt, fresh = (prompts.add(project, [Message("user", text)]) for text in ("a", "b"))

    def seeds(settings_seed: int, policy=policy) -> list[int]:
        made = requests.ask(project, [prompt.id, fresh.id], policy, SamplingSettings(seed=settings_seed))
        return [group.sampling["seed"] for group in completions.get_groups(project, made)]

    assert seeds(5) == [5, 5]
    assert seeds(5) == [6, 6]
    assert seeds(4) == [4, 4]
    assert seeds(4) == [7, 7]
    assert seeds(4, other) == [4, 4]
    assert seeds(2**31 - 1) == [2**31 - 1] * 2
    assert seeds(2**31 - 1) == [0, 0]


def test_a_mix_is_written_with_its_recipe_and_gone_on_with(project: Project) -> None:
    base = policies.add(project, "model")
    tuned = policies.add(project, "model", name="Tuned", adapter="runs/one/adapter", parent_id=base.id)
    prompt = prompts.add(project, [Message("user", "Hi")])
    settings = SamplingSettings(k=4, temperature=0.8, seed=3)
    (group_id,) = requests.ask(project, [prompt.id], [base, tuned], settings, spread="wide")
    group = completions.get_group(project, group_id)
    assert [(e["policy_id"], e["sampling"]["temperature"]) for e in group.recipe] == [
        (base.id, 0.48),
        (tuned.id, 0.48),
        (base.id, 1.12),
        (tuned.id, 1.12),
    ]
    assert requests.policy_ids(group) == (base.id, tuned.id)
    (command,) = requests.commands_for(project, [group])
    folder = str(project.folder / "runs/one/adapter")
    assert [(s.base, s.adapter, s.sampling["temperature"], s.sampling["seed"]) for s in command.sources] == [
        ("model", None, 0.48, 3),
        ("model", folder, 0.48, 3),
        ("model", None, 1.12, 3),
        ("model", folder, 1.12, 3),
    ]
    assert command.items[0].sources == (0, 1, 2, 3)
    # Two answers came; the others are asked for with what is theirs, and told what there is.
    for candidate in (0, 3):
        said = events.CompletionFinished("job", group_id, candidate, f"text {candidate}", (1,), "h", -1.0, "stop", 9)
        kept = completions.record(project, said)
        assert kept.policy_id == (base.id, tuned.id)[candidate % 2]
        assert kept.sampling["temperature"] == (0.48, 1.12)[candidate // 2]
    (command,) = requests.commands_for(project, completions.unfinished(project))
    (item,) = command.items
    assert (item.candidates, item.taken) == ((1, 2), ("text 0", "text 3"))
    assert [command.sources[item.source_of(c)].sampling["temperature"] for c in (1, 2)] == [0.48, 1.12]
    assert [command.sources[item.source_of(c)].adapter for c in (1, 2)] == [folder, None]


def test_one_policy_without_a_spread_has_no_recipe(project: Project) -> None:
    policy, prompt = policies.add(project, "one"), prompts.add(project, [Message("user", "a")])
    for asked in (policy, [policy], [policy, policy]):
        (group_id,) = requests.ask(project, [prompt.id], asked, SamplingSettings())
        group = completions.get_group(project, group_id)
        assert (group.recipe, requests.policy_ids(group)) == ((), (policy.id,))


def test_a_mix_takes_no_seed_that_one_of_its_policies_had(project: Project) -> None:
    one, other, third = (policies.add(project, name) for name in ("one", "other", "third"))
    prompt = prompts.add(project, [Message("user", "a")])

    def seed(*asked) -> int:
        (group_id,) = requests.ask(project, [prompt.id], asked, SamplingSettings())
        group = completions.get_group(project, group_id)
        assert {entry["sampling"]["seed"] for entry in group.recipe} <= {group.sampling["seed"]}
        return group.sampling["seed"]

    assert seed(one, other) == 0
    assert seed(other) == 1
    assert seed(third) == 0
    assert seed(third, one) == 1
    assert seed(one, other, third) == 2


def test_a_plan_that_cannot_be_leaves_no_group(project: Project) -> None:
    one, other = policies.add(project, "one"), policies.add(project, "other")
    prompt = prompts.add(project, [Message("user", "a")])
    with pytest.raises(UserError, match="cannot come from 3 models"):
        requests.ask(project, [prompt.id], [one, other, one], SamplingSettings(k=2))
    assert completions.count_unfinished(project) == 0


def test_the_starter_is_offered_first_also_once_it_is_used(project: Project) -> None:
    assert requests.known_policies(project) == [(requests.STARTER_NAME, None)]
    other = policies.add(project, "other")
    starter = requests.starter_policy(project)
    assert requests.known_policies(project) == [(requests.STARTER_NAME, starter.id), ("other", other.id)]


def test_model_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert requests.model_reference(" model ") == str((tmp_path / "model").resolve())
    assert requests.model_reference("owner/name") == "owner/name"
    with pytest.raises(UserError):
        requests.model_reference("  ")

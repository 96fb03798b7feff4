"""A run's frozen snapshot, what is left out of it, and the policy it becomes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dpo_studio.cli_generate import policy_named
from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import SamplingSettings, SettingsError, TrainingSettings, with_method
from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, policies, prompts, rankings, requests, runs


@pytest.fixture
def policy(project):
    return policies.add(project, "starter", name="SmolLM2")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_the_folder_holds_the_settings_the_data_and_the_prompts(project, policy, make_group):
    train = make_group(project, "Train on me", answers=("a", "b\u2028c", "c", "d"))
    held_out = make_group(project, "Measure me", held_out=True)
    rankings.add(project, train, ranks=[2, 1, None, 2], annotator="ann", strength=2)
    rankings.add(project, held_out, ranks=[1, 2, 3, 4])
    unlabelled = prompts.add(project, [Message("user", "Answer me")])
    run = runs.create(project, policy, TrainingSettings(beta=0.2))
    folder = project.folder / run.folder
    assert run.name == "Run 1" and Path(run.folder).parent == Path("runs")
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["run"] == run.uuid and settings["base"] == "starter" and settings["adapter"] is None
    assert TrainingSettings.from_json(settings["training"]) == TrainingSettings(beta=0.2)
    first, second = lines(folder / "data.jsonl")
    assert (first["group"], first["held_out"], first["ranks"]) == (train.uuid, False, [2, 1, None, 2])
    assert first["prompt"] == [{"role": "user", "content": "Train on me"}]
    assert [c["text"] for c in first["completions"]] == ["a", "b\u2028c", "c", "d"]
    assert (first["annotator"], first["strength"]) == ("ann", 2)
    assert (second["group"], second["held_out"]) == (held_out.uuid, True)
    asked = lines(folder / "sample_prompts.jsonl")
    assert [p["prompt"] for p in asked] == [unlabelled.id, held_out.prompt.id, train.prompt.id]
    assert runs.all_runs(project) == [run] == [runs.find(project, "Run 1")] == [runs.find(project, run.uuid[:36])]


def test_the_sample_prompts_are_those_of_the_whole_order(project, policy, make_group):
    """Unlabelled before labelled, held out before the others, one turn before several, as they were added."""
    draw = random.Random(5)
    known = {}
    for number in range(24):
        labelled, held_out, several = draw.random() < 0.6, draw.random() < 0.4, draw.random() < 0.5
        group = make_group(project, f"Question {number}", held_out=held_out)
        if several:
            told = [Message("system", "Be brief."), Message("user", f"Question {number}")]
            text, content_hash = prompts.stored_form(told)
            project.db.conn.execute(
                "UPDATE prompts SET messages = ?, content_hash = ? WHERE id = ?", [text, content_hash, group.prompt.id]
            )
        if labelled:
            rankings.add(project, group, ranks=[1, 2, 3, 4])
        known[group.prompt.id] = (labelled, not held_out, several, group.prompt.id)
        found = [prompt.id for prompt in runs._sample_prompts(project)]
        assert found == sorted(known, key=known.get)[:4]


def test_a_line_is_a_line_to_every_reader(project, policy, make_group):
    """Unicode has line ends that JSON does not escape; a reader that knows them must not see them."""
    odd = "a\u2028b\u2029c\x85d"
    group = make_group(project, f"Why {odd}?", answers=(odd, "b"))
    rankings.add(project, group, ranks=[1, 2])
    folder = project.folder / runs.create(project, policy, TrainingSettings()).folder
    for name in ("data.jsonl", "sample_prompts.jsonl"):
        (line,) = (folder / name).read_text(encoding="utf-8").splitlines()
        assert odd in json.dumps(json.loads(line), ensure_ascii=False)


def test_the_snapshot_does_not_change_with_later_labels(project, policy, make_group):
    group = make_group(project)
    rankings.add(project, group, ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings())
    before = (project.folder / run.folder / "data.jsonl").read_bytes()
    rankings.add(project, group, ranks=[4, 3, 2, 1])
    assert (project.folder / run.folder / "data.jsonl").read_bytes() == before


def test_a_later_round_starts_from_the_adapter(project, policy, make_group):
    rankings.add(project, make_group(project), ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings())
    tuned = runs.adopt(project, run, "adapter")
    second = runs.create(project, tuned, TrainingSettings())
    settings = json.loads((project.folder / second.folder / "settings.json").read_text())
    assert settings["adapter"] == f"../{Path(run.folder).name}/adapter"
    assert (tuned.name, tuned.round, tuned.parent_id) == ("SmolLM2 + Run 1", 1, policy.id)
    assert runs.adopt(project, second, "adapter").name == "SmolLM2 + Run 2"


def test_a_whole_model_becomes_a_policy_that_moves_with_the_project(project, policy, make_group, folder):
    group = make_group(project)
    rankings.add(project, group, ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings(trains="full"))
    whole = runs.adopt(project, run, "model")
    assert (whole.base, whole.adapter, whole.round) == (f"{run.folder}/model", None, 1)
    assert (whole.name, whole.parent_id) == ("SmolLM2 + Run 1", policy.id)
    assert runs.adopt(project, run, "model") == whole
    # Another round on it, with an adapter, and a third on that.
    second = runs.create(project, whole, TrainingSettings())
    spec = json.loads((project.folder / second.folder / "settings.json").read_text())
    assert (project.folder / second.folder / spec["base"]).resolve() == project.folder.resolve() / run.folder / "model"
    third = runs.adopt(project, second, "adapter")
    assert (third.base, third.adapter) == (whole.base, f"{second.folder}/adapter")
    assert policies.original_base(project, third) == policies.original_base(project, whole) == "starter"

    project.close()
    moved = folder.rename(folder.with_name("moved"))
    with Project.open(moved) as opened:
        found = policies.get(opened, whole.id)
        assert Path(policies.model_reference(opened, found)) == opened.folder / run.folder / "model"
        made = requests.ask(opened, [one.id for one in prompts.all_prompts(opened)], found, SamplingSettings(k=2))
        (command,) = requests.commands_for(opened, completions.get_groups(opened, made))
        assert Path(command.base).is_relative_to(moved.resolve()) or Path(command.base).is_relative_to(moved)
        assert command.adapter is None


@pytest.mark.parametrize("base", ["starter", "owner/model", "runs/model", "/somewhere/runs/a/model", "./runs/a"])
def test_other_models_are_named_as_the_person_named_them(project, base):
    assert policies.model_reference(project, policies.add(project, base)) == base


def test_the_best_step_that_was_not_the_last_can_be_chosen_too(project, policy, make_group):
    rankings.add(project, make_group(project), ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings())
    (project.folder / run.folder / runs.BEST_ADAPTER).mkdir()
    last = runs.adopt(project, run, "adapter", best_step=12)
    assert runs.newest_policy(project) == last, "and not the best step beside it"
    assert runs.adopt(project, run, "adapter", best_step=12) == last
    assert runs.get(project, run.id).result_policy_id == last.id
    *_, best = policies.all_policies(project)
    assert (best.name, best.adapter) == ("SmolLM2 + Run 1 (best, step 12)", f"{run.folder}/adapter-best")
    assert (best.base, best.parent_id, best.round) == (policy.base, policy.id, 1)
    assert (best.name, best.id) in requests.known_policies(project)
    assert policy_named(project, model=None, run_name=best.name) == best
    # A later round from it carries its own name on, not the whole chain.
    second = runs.create(project, best, TrainingSettings())
    assert runs.adopt(project, second, "adapter").name == "SmolLM2 + Run 2"


def test_a_whole_model_is_kept_once_and_has_no_best_step_beside_it(project, policy, make_group):
    rankings.add(project, make_group(project), ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings(trains="full"))
    (project.folder / run.folder / runs.BEST_ADAPTER).mkdir()
    runs.adopt(project, run, "model", best_step=12)
    assert len(policies.all_policies(project)) == 2


def test_adopting_twice_makes_one_policy(project, policy, make_group):
    rankings.add(project, make_group(project), ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings())
    assert runs.adopt(project, run, "adapter") == runs.adopt(project, run, "adapter")
    assert len(policies.all_policies(project)) == 2
    assert runs.get(project, run.id).result_policy_id == policies.all_policies(project)[1].id


def test_only_what_orders_something_is_trained_on(project, make_group):
    groups = [make_group(project, f"prompt {n}", answers=("a", "b")) for n in range(6)]
    rankings.add(project, groups[0], ranks=[1, 2])
    rankings.add(project, groups[1], ranks=[1, 1])
    rankings.add(project, groups[2], ranks=[1, None])
    rankings.add(project, groups[3], kind="skip")
    rankings.add(project, groups[4], kind="all_bad")
    rankings.add(project, groups[5], ranks=[2, 1])
    rankings.undo(project)
    data = runs.training_data(project)
    assert [group.id for group, _ in data.train] == [groups[0].id, groups[2].id]
    assert (data.held_out, data.all_tied, data.largest_k) == ((), 1, 2)


def no_run_was_made(project):
    return runs.all_runs(project) == [] and list((project.folder / "runs").iterdir()) == []


def test_no_labels_yet(project, policy, make_group):
    rankings.add(project, make_group(project), kind="skip")
    with pytest.raises(UserError, match="no rankings yet") as caught:
        runs.create(project, policy, TrainingSettings())
    assert caught.value.hint == "Rank some answers in Label first."
    assert no_run_was_made(project)


def test_all_ties(project, policy, make_group):
    for number in range(3):
        rankings.add(project, make_group(project, str(number)), ranks=[1, 1, 1, 1])
    with pytest.raises(UserError, match="All 3 rankings are complete ties"):
        runs.create(project, policy, TrainingSettings())
    assert no_run_was_made(project)


def test_everything_held_out(project, policy, make_group):
    rankings.add(project, make_group(project, held_out=True), ranks=[1, 2, 3, 4])
    with pytest.raises(UserError, match="on a held-out prompt"):
        runs.create(project, policy, TrainingSettings())


def test_settings_out_of_range_are_refused_first(project, policy):
    with pytest.raises(SettingsError, match="Beta is 0"):
        runs.create(project, policy, TrainingSettings(beta=0.0))


def test_a_folder_that_cannot_be_written_leaves_no_run(project, policy, make_group, monkeypatch):
    rankings.add(project, make_group(project), ranks=[1, 2, 3, 4])
    written = []

    def disk_full(path, text):
        if written:
            raise OSError(28, "No space left on device")
        written.append(path.write_text(text))

    monkeypatch.setattr(runs, "_write", disk_full)
    with pytest.raises(UserError, match="could not be written: No space left on device"):
        runs.create(project, policy, TrainingSettings())
    assert written and no_run_was_made(project)


def test_an_unknown_run_names_those_there_are(project, policy, make_group):
    with pytest.raises(UserError, match="The runs are: none yet"):
        runs.find(project, "Run 1")
    rankings.add(project, make_group(project), ranks=[1, 2, 3, 4])
    runs.create(project, policy, TrainingSettings(), name="first")
    with pytest.raises(UserError, match="The runs are: first"):
        runs.find(project, "Run 1")


def test_an_answer_written_after_the_ranking_is_not_in_it(project, make_group):
    group = make_group(project, answers=("a", "b"))
    rankings.add(project, group, ranks=[2, 1])
    completions.add(project, group.id, "c")
    ((group, ranking),) = rankings.labelled(project)
    assert rankings.ranks_of(group, ranking.ranks) == (2, 1), "unranked it would be worse than what was compared"


def test_ties_are_data_for_a_method_that_reads_ties(project, policy, make_group):
    groups = [make_group(project, f"prompt {n}", answers=("a", "b")) for n in range(4)]
    for group, ranks in zip(groups, ([1, 2], [1, 1], [2, 1], [1, 1]), strict=True):
        rankings.add(project, group, ranks=ranks)
    data = runs.training_data(project)
    assert (len(data.train) + len(data.held_out), data.all_tied) == (2, 2)
    with_ties = data.for_method("davidson")
    assert (len(with_ties.train) + len(with_ties.held_out), with_ties.all_tied) == (4, 0)
    assert data.for_method("dpo") == data
    for method, lines in (("dpo", 2), ("davidson", 4)):
        run = runs.create(project, policy, with_method(TrainingSettings(), method))
        text = (project.folder / run.folder / "data.jsonl").read_text()
        assert len(text.splitlines()) == lines


def test_a_method_that_can_learn_nothing_makes_no_run(project, policy, make_group):
    group = make_group(project, "the only prompt", answers=("a", "b"))
    rankings.add(project, group, ranks=[1, 2])
    with pytest.raises(UserError, match="2 different prompts"):
        runs.create(project, policy, with_method(TrainingSettings(), "kto"))
    rankings.add(project, group, ranks=[1, 1])
    with pytest.raises(UserError, match="every ranking is a complete tie"):
        runs.create(project, policy, with_method(TrainingSettings(), "davidson"))
    assert runs.all_runs(project) == []


@pytest.mark.parametrize("kept", ["adapter", ""])
def test_of_a_run_whose_numbers_ran_away_what_it_had_learnt_before_answers(project, policy, make_group, kept):
    rankings.add(project, make_group(project, "Train on me"), ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings())
    failed = events.Failed("Training stopped at step 6.", "Train again, slower.", diverged=True, kept=kept)
    (project.folder / run.folder / "events.jsonl").write_text(events.to_line(failed), encoding="utf-8")
    if kept:
        (project.folder / run.folder / kept).mkdir()
        found = policy_named(project, model=None, run_name=run.name)
        assert found.adapter == f"{run.folder}/{kept}"
    else:
        with pytest.raises(UserError, match="its numbers ran away") as caught:
            policy_named(project, model=None, run_name=run.name)
        assert caught.value.hint == "Train again, slower."


def test_a_run_that_made_no_step_has_left_no_model(project, policy, make_group):
    rankings.add(project, make_group(project, "Train on me"), ranks=[1, 2, 3, 4])
    run = runs.create(project, policy, TrainingSettings())
    done = events.RunDone("stopped", 0, 3.0, "")
    (project.folder / run.folder / "events.jsonl").write_text(events.to_line(done), encoding="utf-8")
    with pytest.raises(UserError, match="before its first step"):
        policy_named(project, model=None, run_name=run.name)

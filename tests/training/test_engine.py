"""The engine on a tiny real model: what it says, that it learns, that it stops, and what it refuses."""

from __future__ import annotations

import json
import math
import random

import pytest
import torch
from safetensors.torch import load_file

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.models.load import load
from dpo_studio.models.logprobs import token_logps
from dpo_studio.training import batches, engine, learner, loading
from dpo_studio.training.engine import train


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def of_kind(said, kind):
    return [event for event in said if isinstance(event, kind)]


def run_all(folder, **kwargs):
    return list(train(folder, **kwargs))


def test_a_whole_run(make_run, tiny_model):
    folder = make_run()
    said = run_all(folder)

    started = of_kind(said, events.RunStarted)[0]
    assert (started.groups, started.held_out_groups, started.steps) == (10, 4, 12)
    assert started.first_step == 0 and started.dtype == "float32" and started.trainable_parameters > 0
    steps = of_kind(said, events.StepDone)
    assert [step.step for step in steps] == list(range(1, 13))
    assert steps[2].epoch == 1.0 and steps[-1].epoch == 4.0
    assert [event.step for event in of_kind(said, events.Evaluated)] == [0, 3, 6, 9, 12]
    saved = [event.step for event in of_kind(said, events.CheckpointSaved)]
    assert set(saved) >= {2, 4, 6, 8, 10, 12} and saved == sorted(set(saved))
    answers = [event for event in of_kind(said, events.AnswerSampled) if event.phase in ("before", "after")]
    phases = [(event.phase, event.prompt) for event in answers]
    assert phases == [("before", 0), ("before", 1), ("after", 0), ("after", 1)]

    # Before the first step policy and reference are one: (log 3 + log 2) / 2 on strict orders of three.
    at_zero = (math.log(3) + math.log(2)) / 2
    assert steps[0].metrics["loss"] == pytest.approx(at_zero, abs=1e-4)
    assert of_kind(said, events.Evaluated)[0].metrics["loss"] == pytest.approx(at_zero, abs=1e-4)
    assert steps[0].metrics["margin"] == pytest.approx(0, abs=1e-3)
    assert steps[0].metrics["wrongness"] == pytest.approx(0.5, abs=1e-3)

    names = "loss reward_best reward_worst margin accuracy wrongness kendall_tau length_correlation"
    names += " logp_best logp_worst logratio_best logratio_worst grad_norm learning_rate tokens_per_s memory_gb"
    assert all(set(step.metrics) == set(names.split()) for step in steps)
    assert steps[-1].metrics["loss"] < 0.7 * at_zero
    assert steps[-1].metrics["accuracy"] > 0.85 and steps[-1].metrics["wrongness"] < 0.4
    last = of_kind(said, events.Evaluated)[-1].metrics
    assert set(last) == set(names.split()) - {"grad_norm", "learning_rate", "tokens_per_s", "memory_gb"}
    assert last["margin"] > 0.1 and last["accuracy"] > 0.6

    done = said[-1]
    assert isinstance(done, events.RunDone)
    assert (done.reason, done.steps, done.adapter) == ("finished", 12, "adapter")
    assert done.metrics == last
    assert len(list((folder / "checkpoints").iterdir())) in (2, 3)  # the last two, and the best


def test_the_saved_adapter_reproduces_the_log_probabilities_of_the_run(make_run, tiny_model):
    folder = make_run(max_steps=5)
    run_all(folder)
    logged = json.loads((folder / "final_logps.json").read_text())
    loaded = load(str(tiny_model), adapter=folder / "adapter", device="cpu", dtype="float32")
    data = batches.read(
        folder / "data.jsonl", loaded.chat, tokenizer_hash=loaded.tokenizer_hash, max_length=loaded.context_length
    )
    assert sorted(logged) == [example.group for example in data.held_out]
    plain = load(str(tiny_model), device="cpu", dtype="float32").model
    for example in data.held_out:
        with torch.no_grad():
            found = [token_logps(loaded.model, example.prompt, ids).sum().item() for ids in example.completions]
            base = [token_logps(plain, example.prompt, ids).sum().item() for ids in example.completions]
        assert found == pytest.approx(logged[example.group], abs=1e-3)
        assert max(abs(a - b) for a, b in zip(found, base, strict=True)) > 0.05


def losses_of(said):
    return [event.metrics["loss"] for event in of_kind(said, events.StepDone)]


def test_the_same_seed_gives_the_same_losses_and_another_does_not(make_run):
    first, again, other = (
        losses_of(run_all(make_run(name, max_steps=4, seed=seed, lora_dropout=0.2)))
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == again
    assert first != other


def test_packing_does_not_change_the_result(make_run, monkeypatch):
    """One group at a time, every metric is that of the whole effective batch still, not of its last part."""
    packed = run_all(make_run("packed", max_steps=5))
    monkeypatch.setitem(loading.TOKEN_BUDGET, "cpu", 1)
    alone = run_all(make_run("alone", max_steps=5))
    of_the_machine = {"tokens_per_s", "memory_gb"}
    for kind in (events.StepDone, events.Evaluated):
        pairs = list(zip(of_kind(packed, kind), of_kind(alone, kind), strict=True))
        assert len(pairs) >= 3
        for one, other in pairs:
            assert set(one.metrics) == set(other.metrics)
            for name in set(one.metrics) - of_the_machine:
                # At the start all rewards are rounding alone, and so is how they are ordered.
                if one.step > 1 or name in ("loss", "logp_best", "logp_worst", "grad_norm"):
                    assert one.metrics[name] == pytest.approx(other.metrics[name], rel=2e-3, abs=2e-3), (one.step, name)


def test_the_gradient_of_a_step_is_that_of_the_mean_loss_over_its_batch(make_run, tiny_model):
    """One step of the engine against the same step written out: naive forward, Plackett-Luce by hand, AdamW."""
    folder = make_run(max_steps=1, warmup_ratio=0.0, max_grad_norm=1e6, batch_groups=10, learning_rate=1e-2)
    said = run_all(folder)
    from dpo_studio.core.settings import TrainingSettings
    from dpo_studio.training import adapter

    loaded = load(str(tiny_model), device="cpu", dtype="float32")
    settings = TrainingSettings(lora_rank=4, lora_alpha=8)
    model, _ = adapter.attach(loaded.model, settings)
    data = batches.read(
        folder / "data.jsonl", loaded.chat, tokenizer_hash=loaded.tokenizer_hash, max_length=loaded.context_length
    )
    total = 0.0
    for example in data.train:
        policy = torch.stack([token_logps(model, example.prompt, ids).sum() for ids in example.completions])
        scores = 0.1 * (policy - policy.detach())
        best_first = scores[torch.tensor(sorted(range(3), key=lambda i: example.ranks[i]))]
        total = total - (best_first[0] - best_first.logsumexp(0) + best_first[1] - best_first[1:].logsumexp(0)) / 2
    (total / 10).backward()
    norm = torch.stack([p.grad.norm() for _, p in adapter.trainable(model)]).norm().item()
    assert of_kind(said, events.StepDone)[0].metrics["grad_norm"] == pytest.approx(norm, rel=1e-3)


def test_stop_keeps_the_adapter_and_says_so(make_run):
    folder, said, pauses = make_run(), [], iter(["pause", "pause"])

    def control() -> str:
        return "run" if len(of_kind(said, events.StepDone)) < 3 else next(pauses, "stop")

    for event in train(folder, control=control):
        said.append(event)
    assert not list(pauses)
    assert isinstance(said[-1], events.RunDone)
    assert (said[-1].reason, said[-1].steps) == ("stopped", 3)
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    assert [event.step for event in of_kind(said, events.Evaluated)] == [0, 3]
    assert any(event.phase == "after" for event in of_kind(said, events.AnswerSampled))


def test_a_later_round_goes_on_from_the_adapter_and_refers_to_it(make_run, tiny_model):
    first = make_run("first", max_steps=6)
    run_all(first)
    second = make_run("second", max_steps=2, adapter=str(first / "adapter"), lora_rank=8)
    said = run_all(second)
    notices = {notice.code for notice in of_kind(said, events.Notice)}
    assert "adapter_shape_kept" in notices
    at_zero = (math.log(3) + math.log(2)) / 2
    assert losses_of(said)[0] == pytest.approx(at_zero, abs=1e-4)
    ended, begun = (
        of_kind(list(events_), events.Evaluated) for events_ in (run_all(make_run("again", max_steps=6)), said)
    )
    assert begun[0].metrics["logp_best"] == pytest.approx(ended[-1].metrics["logp_best"], abs=1e-3)
    assert json.loads((second / "adapter" / "adapter_config.json").read_text())["r"] == 4


def test_dpo_on_rankings_starts_at_log_two(make_run):
    said = run_all(make_run(method="dpo", max_steps=1))
    assert losses_of(said)[0] == pytest.approx(math.log(2), abs=1e-4)


def test_without_held_out_groups(make_run):
    rng = random.Random(1)
    folder = make_run(groups=[make_run.group(rng, n) for n in range(5)], epochs=1)
    said = run_all(folder)
    assert not of_kind(said, events.Evaluated)
    assert len(of_kind(said, events.StepDone)) == 2  # 4 groups, then the one that is left
    assert "nothing_held_out" in {notice.code for notice in of_kind(said, events.Notice)}
    assert len(json.loads((folder / "final_logps.json").read_text())) == 5


def test_what_cannot_be_used_is_left_out_and_told(make_run):
    rng = random.Random(1)
    same = {"text": "w5 w6", "token_ids": None, "tokenizer_hash": None, "finish_reason": "stop"}
    long = {**same, "text": " ".join(["w7"] * 200)}
    groups = [
        *(make_run.group(rng, n) for n in range(4)),
        make_run.group(rng, 4, completions=[same, same, same]),
        make_run.group(rng, 5, ranks=[1, 1, 1]),
        make_run.group(rng, 6, completions=[same], ranks=[1]),
        make_run.group(rng, 7, completions=[same, long, same]),
    ]
    said = run_all(make_run(groups=groups, max_steps=1))
    assert of_kind(said, events.RunStarted)[0].groups == 4
    codes = {notice.code for notice in of_kind(said, events.Notice)}
    assert {"left_out_identical", "left_out_nothing_ordered", "left_out_too_few", "left_out_too_long"} <= codes


@pytest.mark.parametrize("ranks", [[1, 1, 1], [None, None, None]])
def test_nothing_to_train_on(make_run, ranks):
    groups = [make_run.group(random.Random(1), n, ranks=ranks) for n in range(3)]
    with pytest.raises(UserError, match="no group to train on"):
        run_all(make_run(groups=groups))


def test_settings_are_checked_again(make_run):
    with pytest.raises(UserError, match="Beta"):
        run_all(make_run(beta=-1.0))


@pytest.mark.parametrize(("last", "kept"), [(4, 3), (1, 0)])
def test_weights_that_a_step_has_ruined_are_not_kept(make_run, monkeypatch, last, kept):
    """The checkpoint of that very step has them too; its loss was that of the weights before."""
    monkeypatch.setattr(engine, "learning_rate", lambda step, **_: 1e-3 if step + 1 < last else 1e36)
    folder = make_run(evaluate_every=0, checkpoint_every=1)
    said = []
    with pytest.raises(UserError, match="not finite any more") as caught:
        for event in train(folder):
            said.append(event)
    assert [event.step for event in of_kind(said, events.CheckpointSaved)] == list(range(1, last + 1))
    adapter = folder / "adapter" / "adapter_model.safetensors"
    if kept:
        assert caught.value.message.startswith(f"Training stopped at step {last + 2}:")
        assert f"What it had learnt by step {kept} is kept." in caught.value.message
        assert (
            adapter.read_bytes()
            == (folder / "checkpoints" / f"step-{kept:06d}" / "adapter" / adapter.name).read_bytes()
        )
    else:
        assert "nothing is kept" in caught.value.message and not adapter.exists() and not caught.value.kept


def test_numbers_that_are_not_finite_stop_the_run_at_the_last_good_checkpoint(make_run, monkeypatch):
    folder = make_run(evaluate_every=0)
    real, calls = learner.Learner._losses, []

    def spoiled(self, part):
        scored = real(self, part)
        if torch.is_grad_enabled():
            calls.append(1)
            if len(calls) in (2, 6):
                return scored._replace(losses=scored.losses * float("nan"))
        return scored

    monkeypatch.setattr(learner.Learner, "_losses", spoiled)
    said = []
    with pytest.raises(UserError, match="not finite any more") as caught:
        for event in train(folder):
            said.append(event)
    assert "learning rate" in caught.value.hint and caught.value.kept == "adapter"
    assert "not_finite" in {notice.code for notice in of_kind(said, events.Notice)}
    assert [event.step for event in of_kind(said, events.CheckpointSaved)] == [4]  # none at a step passed over
    kept = (folder / "adapter" / "adapter_model.safetensors").read_bytes()
    assert kept == (folder / "checkpoints" / "step-000004" / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("method", ["dpo", "ld_dpo"])
def test_stop_while_the_starting_model_is_asked_ends_the_run_there(make_run, monkeypatch, method):
    """On much data that takes long, and whoever asks to stop does not wait for it."""
    monkeypatch.setitem(loading.TOKEN_BUDGET, "cpu", 1)  # a row for each group
    folder = make_run(method=method, lora_dropout=0.1)  # so that all 14 groups are scored before the first step
    body = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**body, "reference_cache": "../cache"}))
    wishes = iter(["run"] * 4)
    said = run_all(folder, control=lambda: next(wishes, "stop"))
    assert [type(event).__name__ for event in said[-2:]] == ["ModelLoading", "RunDone"]
    assert (said[-1].reason, said[-1].steps, said[-1].kept_step, said[-1].adapter) == ("stopped", 0, 0, "")
    assert not (folder / "adapter").exists()  # it has learnt nothing
    (kept,) = (folder.parent / "cache").glob("*/*.safetensors")
    assert len([name for name in load_file(kept) if "/" not in name]) == 4  # what was computed is not computed again

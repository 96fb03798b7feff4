"""Every method through the engine on a tiny real model: where it starts, that it learns, what it refuses."""

from __future__ import annotations

import math
import random

import pytest

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.methods import METHODS
from dpo_studio.core.settings import TrainingSettings, with_method
from dpo_studio.training import loading
from dpo_studio.training.engine import train

#: The loss of any pair where policy and reference are one.
AT_THE_START = {
    "pl_dpo": (math.log(3) + math.log(2)) / 2,
    "dpo": math.log(2),
    "robust": math.log(2),
    "hinge": 1.0,
    "ipo": 25.0,
    "dpop": math.log(2),
    "ld_dpo": math.log(2),
    "rao_kupper": math.log(4),
    "davidson": math.log(4),
}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def settings(method: str, **changes) -> dict:
    return {**with_method(TrainingSettings(), method).to_json(), "lora_rank": 4, "lora_alpha": 8, **changes}


def metrics_of(said, name: str = "loss") -> list[float]:
    return [event.metrics[name] for event in said if isinstance(event, events.StepDone)]


def quick(method: str, **changes) -> dict:
    """A few steps on all groups at once, measured at the ends only."""
    few = {"epochs": 5, "batch_groups": 16, "evaluate_every": 0, "checkpoint_every": 100, "warmup_ratio": 0.0}
    return settings(method, **{"learning_rate": 1e-2, "dtype": "float32", **few, **changes})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_starts_where_it_should_and_learns(make_run, method):
    said = list(train(make_run(**quick(method))))
    losses = metrics_of(said)
    if method in AT_THE_START:
        assert losses[0] == pytest.approx(AT_THE_START[method], abs=1e-4)
    if method == "kto":
        # Both sides are σ(β·z0) or its mirror: between them one half, or a little to either side.
        assert losses[0] == pytest.approx(0.5, abs=1e-4)
    assert losses[-1] < losses[0] and all(math.isfinite(loss) for loss in losses)
    margins = metrics_of(said, "margin")
    assert margins[0] == pytest.approx(0.0, abs=1e-3)
    if method != "preferred_ft":  # which says nothing of the worse ones
        assert margins[-1] > 0.01
    assert isinstance(said[-1], events.RunDone)


@pytest.mark.parametrize("method", ["kto", "ld_dpo"])
def test_packing_does_not_change_what_needs_more_than_sums(make_run, monkeypatch, method):
    packed = list(train(make_run("packed", **quick(method))))
    monkeypatch.setitem(loading.TOKEN_BUDGET, "cpu", 1)
    alone = list(train(make_run("alone", **quick(method))))
    assert metrics_of(packed) == pytest.approx(metrics_of(alone), abs=1e-4)
    assert metrics_of(packed, "margin") == pytest.approx(metrics_of(alone, "margin"), abs=1e-4)


def test_a_tie_is_data_for_a_method_that_reads_ties_and_left_out_by_the_others(make_run):
    rng = random.Random(1)
    groups = [make_run.group(rng, n, k=2) for n in range(4)]
    groups += [make_run.group(rng, 4 + n, k=2, ranks=[1, 1]) for n in range(2)]
    for method, count in (("dpo", 4), ("rao_kupper", 6)):
        said = list(train(make_run(method, groups=groups, **quick(method, max_steps=1))))
        assert next(event.groups for event in said if isinstance(event, events.RunStarted)) == count
        left_out = [event.message for event in said if isinstance(event, events.Notice) and "left out" in event.message]
        assert [message[:6] for message in left_out] == (["2 grou"] if count == 4 else [])


def test_data_a_method_cannot_use_is_refused_before_the_model_is_trained(make_run):
    rng = random.Random(1)
    ties = [make_run.group(rng, n, k=2, ranks=[1, 1]) for n in range(3)]
    with pytest.raises(UserError, match="every ranking is a complete tie"):
        list(train(make_run("ties", groups=ties, **quick("davidson"))))
    one_prompt = [make_run.group(rng, n, k=2, prompt=[{"role": "user", "content": "w5"}]) for n in range(3)]
    said = []
    with pytest.raises(UserError, match="2 different prompts"):
        for event in train(make_run("kto", groups=one_prompt, **quick("kto"))):
            said.append(event)
    assert not [event for event in said if isinstance(event, (events.StepDone, events.RunStarted))]


def test_options_reach_the_loss(make_run):
    rng = random.Random(1)
    groups = [make_run.group(rng, n, strength=1 + n % 2) for n in range(4)]
    plain, weighed, likely, margin = (
        metrics_of(train(make_run(name, groups=groups, **quick("dpo", max_steps=1, **options))))[0]
        for name, options in (
            ("plain", {}),
            ("weighed", {"strength_use": "weight"}),
            ("likely", {"nll_weight": 1.0}),
            ("margin", {"strength_use": "margin"}),
        )
    )
    assert plain == pytest.approx(math.log(2), abs=1e-4)
    assert weighed == pytest.approx(1.5 * math.log(2), abs=1e-4)
    assert likely > plain + 0.5
    # −log σ(−log(1 + strength)) is log(2 + strength).
    assert margin == pytest.approx((math.log(3) + math.log(4)) / 2, abs=1e-4)

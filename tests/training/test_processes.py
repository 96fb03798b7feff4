"""Several processes at one run: the numbers of one, agreement on everything, and no process left waiting."""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.jobs import training as jobs
from dpo_studio.training import learner, processes, worker
from dpo_studio.training.engine import train
from tests.training.several_processes import in_processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the processes of these tests are forks")
ROOT = Path(__file__).parents[2]


def whole_run(rank: int, folder: Path) -> list[events.Event]:
    return list(train(folder))


def of_kind(said, kind):
    return [event for event in said if isinstance(event, kind)]


def measured(said) -> list[dict]:
    """Everything measured at the steps and on held-out groups, but the clock and the memory.

    Before the first step all rewards are 0 up to rounding, so their order is of no meaning there.
    """
    return [
        {
            name: value
            for name, value in event.metrics.items()
            if value is not None
            and name not in ("tokens_per_s", "memory_gb")
            and not (event.step == isinstance(event, events.StepDone) and name in ("accuracy", "kendall_tau"))
        }
        for event in said
        if isinstance(event, (events.StepDone, events.Evaluated))
    ]


def assert_same(one: list[dict], other: list[dict], *, tolerance: float = 1e-5) -> None:
    assert len(one) == len(other) > 0
    for mine, theirs in zip(one, other, strict=True):
        assert mine == pytest.approx(theirs, abs=tolerance, rel=tolerance)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize(
    "asked", [{"method": "kto"}, {"method": "ld_dpo"}, {"trains": "full", "learning_rate": 1e-3}], ids=str
)
def test_whatever_is_trained_two_processes_give_the_numbers_of_one(make_run, asked):
    """KTO's zero point is a mean over the batch; LD-DPO's reference is kept token by token."""
    changes = {"groups": uneven_groups(make_run), "epochs": 1, **asked}
    expected = list(train(make_run("alone", **changes)))
    first, second = in_processes(2, whole_run, make_run("together", **changes))
    assert_same(measured(first), measured(expected))
    assert measured(second) == measured(first)


def uneven_groups(make_run) -> list[dict]:
    """Nine groups to train on, in batches of 4, 4 and 1, and three held out; of two to four answers."""
    rng = random.Random(11)
    return [make_run.group(rng, n, k=2 + n % 3, held_out=n >= 9) for n in range(12)]


def test_two_processes_give_the_numbers_of_one(make_run):
    groups = uneven_groups(make_run)
    alone, together = (
        make_run(name, groups=groups, epochs=2, fresh_samples=1, fresh_tokens=8) for name in ("alone", "together")
    )
    expected = list(train(alone))
    first, second = in_processes(2, whole_run, together)

    assert [step.step for step in of_kind(first, events.StepDone)] == list(range(1, 7))
    assert of_kind(first, events.RunStarted)[0].device == "cpu"
    assert_same(measured(first), measured(expected))
    assert measured(second) == measured(first)  # both know the whole batch
    mine, theirs = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (alone, together))
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], atol=1e-4, rtol=1e-3)
    assert not of_kind(second, events.AnswerSampled) and not of_kind(second, events.Sampled)  # the first answers
    for kind in (events.AnswerSampled, events.Sampled):
        assert len(of_kind(first, kind)) == len(of_kind(expected, kind)) > 0
    reference = [load_file(folder / "reference.safetensors") for folder in (alone, together)]
    assert reference[0].keys() == reference[1].keys() and len(reference[0]) == 12


def test_two_processes_end_at_the_same_step_where_the_bound_is_passed(make_run):
    folder = make_run(groups=uneven_groups(make_run), evaluate_every=2, max_kl=1e-4, fresh_samples=4)
    first, second = in_processes(2, whole_run, folder)
    for said in (first, second):  # only the first draws answers; both know what it found
        assert (said[-1].reason, said[-1].steps, said[-1].kept_step) == ("drifted", 2, 2)
    assert of_kind(first, events.Sampled)[-1].metrics["kl"] > 1e-4


# -- agreement --------------------------------------------------------------------------------------


def spoil_losses(rank: int, spoil) -> None:
    """Hand the losses of this process's micro-batches, in training, to `spoil(losses, groups, call)`."""
    real, calls = learner.Learner._losses, []

    def spoiled(self, part):
        found = real(self, part)
        if rank == 1 and torch.is_grad_enabled():
            calls.append(1)
            found = found._replace(losses=spoil(found.losses, part, len(calls)))
        return found

    learner.Learner._losses = spoiled


def short_of_memory(rank: int, folder: Path) -> list[events.Event]:
    def spoil(losses, part, call):
        if len(part) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return losses

    spoil_losses(rank, spoil)
    return list(train(folder))


def test_memory_that_runs_out_in_one_process_makes_the_rows_of_all_smaller(make_run):
    groups = uneven_groups(make_run)
    expected = list(train(make_run("roomy", groups=groups, epochs=1)))
    first, second = in_processes(2, short_of_memory, make_run("short", groups=groups, epochs=1))
    notices = [event.message for event in of_kind(first, events.Notice) if event.code == "less_memory"]
    assert notices and notices == [e.message for e in of_kind(second, events.Notice) if e.code == "less_memory"]
    assert_same(measured(first), measured(expected))


def short_while_clipping(rank: int, folder: Path) -> list[events.Event]:
    real, calls = learner.Learner._clip, []

    def clip(self):
        calls.append(1)
        if rank == 1 and len(calls) == 2:
            raise torch.OutOfMemoryError("out of memory")
        return real(self)

    learner.Learner._clip = clip
    return list(train(folder))


def test_memory_that_runs_out_while_gradients_are_clipped_has_all_repeat_the_step(make_run):
    groups = uneven_groups(make_run)
    expected = list(train(make_run("roomy", groups=groups, epochs=1)))
    found = in_processes(2, short_while_clipping, make_run("short", groups=groups, epochs=1))
    for said in found:
        assert [event.code for event in of_kind(said, events.Notice)] == ["less_memory"]
        assert_same(measured(said), measured(expected))


def short_while_changing(rank: int, folder: Path) -> int:
    real, calls = torch.optim.AdamW.step, []

    def step(self, *arguments):
        calls.append(1)
        if rank == 1 and len(calls) == 3:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, *arguments)

    torch.optim.AdamW.step = step
    return worker.main(folder)


def test_memory_that_runs_out_while_one_process_changes_the_weights_ends_all(make_run):
    """Its weights are no longer those of the others, so nobody goes on from them."""
    folder = make_run(evaluate_every=0)
    assert in_processes(2, short_while_changing, folder) == [worker.EXIT_FAILED] * 2
    said = jobs.EventTail(folder).read()
    assert isinstance(said[-1], events.Failed)
    assert "Memory ran out while the adapter was being changed" in said[-1].message
    assert "last checkpoint" in said[-1].hint
    assert [event.step for event in of_kind(said, events.CheckpointSaved)] == [2]


def test_more_processes_than_groups(make_run):
    """One of them has nothing to do in any step, and nothing to measure."""
    rng = random.Random(2)
    groups = [make_run.group(rng, n, held_out=n == 1) for n in range(2)]
    expected = list(train(make_run("alone", groups=groups)))
    first, second = in_processes(2, whole_run, make_run("together", groups=groups))
    assert of_kind(first, events.RunStarted)[0].groups == 1
    assert_same(measured(first), measured(expected))
    assert measured(second) == measured(first)


def one_bad_number(rank: int, folder: Path) -> list[events.Event]:
    spoil_losses(rank, lambda losses, part, call: losses * float("nan") if call == 1 else losses)
    return list(train(folder))


def test_a_number_that_is_not_finite_in_one_process_passes_the_step_over_in_all(make_run):
    first, second = in_processes(2, one_bad_number, make_run(max_steps=3))
    for said in (first, second):
        assert [notice.code for notice in of_kind(said, events.Notice)] == ["not_finite"]
        assert [step.step for step in of_kind(said, events.StepDone)] == [1, 2, 3]
    assert measured(first)[1:] != [] and all(m["loss"] == m["loss"] for m in measured(first)[2:])


def fails_in_second(rank: int, folder: Path) -> int:
    spoil_losses(rank, lambda losses, part, call: 1 // 0)
    return worker.main(folder)


def test_the_workers_of_a_run_that_fails_leave_its_reason(make_run):
    folder = make_run()
    assert in_processes(2, fails_in_second, folder) == [worker.EXIT_FAILED] * 2
    last = jobs.EventTail(folder).read()[-1]
    assert isinstance(last, events.Failed)
    assert "Process 1 failed" in last.details and "ZeroDivisionError" in last.details
    assert not jobs.is_alive(folder)


def a_mistake(rank: int, folder: Path) -> list[events.Event]:
    spoil_losses(rank, lambda losses, part, call: 1 // 0)
    return list(train(folder))


def test_a_mistake_in_one_process_ends_all_with_its_reason(make_run):
    first, second = in_processes(2, a_mistake, make_run())
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(first, RuntimeError)
    assert "Process 1 failed" in str(first) and "ZeroDivisionError" in str(first)


def dies(rank: int, folder: Path) -> list[events.Event]:
    spoil_losses(rank, lambda losses, part, call: os._exit(9) if call == 2 else losses)
    return list(train(folder))


def test_a_process_that_dies_ends_the_run_and_no_process_waits(make_run):
    began = time.monotonic()
    first, second = in_processes(2, dies, make_run())
    assert second == 9
    assert isinstance(first, UserError) and "Another process" in first.message and "Resume" in first.hint
    assert time.monotonic() - began < 60


def sleeps(rank: int, folder: Path) -> list[events.Event]:
    processes.PATIENCE = timedelta(seconds=2)
    spoil_losses(rank, lambda losses, part, call: time.sleep(3600))
    return list(train(folder))


def test_a_process_that_is_not_heard_of_ends_the_run(make_run):
    (first,) = in_processes(2, sleeps, make_run(), wait_for=1)
    assert isinstance(first, UserError) and "not heard of for too long" in first.message


def stopped(rank: int, folder: Path) -> list[events.Event]:
    said: list[events.Event] = []
    pauses = iter(["pause"])

    def control() -> str:
        steps = len(of_kind(said, events.StepDone))
        return next(pauses, "run") if steps == 2 else "stop" if steps == 3 and rank == 0 else "run"

    for event in train(folder, control=control):
        said.append(event)
    return said


def test_the_wish_to_stop_that_the_first_process_reads_stops_all(make_run):
    for said in in_processes(2, stopped, make_run()):
        assert (said[-1].reason, said[-1].steps) == ("stopped", 3)


def interrupted(rank: int, folder: Path) -> list[events.Event]:
    said = []
    for event in train(folder):
        said.append(event)
        if isinstance(event, events.StepDone) and event.step == 5:
            break
    return said


def test_a_run_of_two_processes_goes_on_with_the_same_numbers(make_run):
    """With dropout, so that every process needs the stream of random numbers that it had."""
    whole, broken = (make_run(name, max_steps=8, lora_dropout=0.3) for name in ("whole", "broken"))
    expected, _ = in_processes(2, whole_run, whole)
    in_processes(2, interrupted, broken)
    resumed, _ = in_processes(2, whole_run, broken)
    assert of_kind(resumed, events.RunStarted)[0].first_step == 4
    after_four = [event for event in expected if getattr(event, "step", 0) > 4]
    assert measured(resumed) == measured(after_four)
    assert (whole / "adapter/adapter_model.safetensors").read_bytes() == (
        broken / "adapter/adapter_model.safetensors"
    ).read_bytes()


def stopped_early(rank: int, folder: Path) -> list[events.Event]:
    return list(train(folder, control=lambda: "stop" if rank == 0 else "run"))


def test_a_wish_to_stop_before_the_first_step_stops_all(make_run):
    for said in in_processes(2, stopped_early, make_run()):
        assert (said[-1].reason, said[-1].steps) == ("stopped", 0)


# -- the launch -------------------------------------------------------------------------------------


def test_the_launch_line_of_the_readme_trains_with_two_processes(make_run):
    folder = make_run(max_steps=2)
    (line,) = re.findall(r"^ +(accelerate launch .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    program, *arguments = shlex.split(line.replace("RUN_FOLDER", str(folder)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = jobs.EventTail(folder).read()
    assert [event.step for event in of_kind(said, events.StepDone)] == [1, 2]
    assert len(of_kind(said, events.RunStarted)) == len(of_kind(said, events.RunDone)) == 1  # one of them writes

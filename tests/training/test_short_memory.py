"""Memory that runs out at chosen moments: the rows get shorter, it is told, and the numbers stay the same."""

from __future__ import annotations

import pytest
import torch

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.training import samples
from dpo_studio.training.engine import train
from dpo_studio.training.forward import Scorer
from dpo_studio.training.loading import TOKEN_BUDGET
from dpo_studio.training.memory import is_out_of_memory


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def of_kind(said, kind):
    return [event for event in said if isinstance(event, kind)]


def measured(said) -> list[dict]:
    """The step-by-step and held-out numbers but the clock, the memory, and the order of rewards that are all 0."""
    return [
        {
            name: value
            for name, value in event.metrics.items()
            if name not in ("tokens_per_s", "memory_gb")
            and not (event.step <= 1 and name in ("accuracy", "kendall_tau", "length_correlation"))
        }
        for event in said
        if isinstance(event, (events.StepDone, events.Evaluated))
    ]


def close(one: list[dict], other: list[dict]) -> bool:
    def same(a: dict, b: dict) -> bool:
        known = {name for name, value in a.items() if isinstance(value, float)}
        return a.keys() == b.keys() and all(a[name] == pytest.approx(b[name], abs=2e-4) for name in known)

    return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))


class Memory:
    """A scorer's memory that is too short for more than `most` groups in a row, on the chosen calls."""

    def __init__(self, monkeypatch, *, most: int, when) -> None:
        self.refused: list[str] = []
        self.phase = "reference"
        for name in ("logps", "token_logps"):
            real = getattr(Scorer, name, None)
            if real is not None:
                monkeypatch.setattr(Scorer, name, self._short(real, most, when))

    def _short(self, real, most, when):
        def score(scorer, examples, *args, **kwargs):
            if len(examples) > most and when(self.phase):
                self.refused.append(self.phase)
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return real(scorer, examples, *args, **kwargs)

        return score

    def follow(self, folder) -> list:
        """Run, and know at each event which chapter of the run comes next."""
        said = []
        for event in train(folder):
            said.append(event)
            match event:
                case events.AnswerSampled(phase="before") | events.Evaluated(step=0):
                    self.phase = "first look" if isinstance(event, events.AnswerSampled) else "step"
                case events.StepDone(step=step):
                    self.phase = "finish" if step == 4 else "evaluation" if step == 2 else "step"
                case events.Evaluated():
                    self.phase = "step"
        return said


@pytest.mark.parametrize("chapter", ["reference", "first look", "step", "evaluation", "finish"])
def test_short_memory_shortens_the_rows_and_changes_no_number(make_run, monkeypatch, chapter):
    settings = {"max_steps": 4, "evaluate_every": 2 if chapter == "evaluation" else 0}
    expected = list(train(make_run("roomy", **settings)))
    memory = Memory(monkeypatch, most=2, when=lambda phase: phase == chapter)
    said = memory.follow(make_run("short", **settings))

    assert set(memory.refused) == {chapter}
    notices = [notice for notice in of_kind(said, events.Notice) if notice.code == "less_memory"]
    assert len(notices) == len(memory.refused)
    budgets = [TOKEN_BUDGET["cpu"] // 2 ** (n + 1) for n in range(len(notices))]
    assert all(f"with {budget} tokens" in notice.message for budget, notice in zip(budgets, notices, strict=True))
    assert close(measured(said), measured(expected))
    assert said[-1].reason == "finished"


def test_a_group_that_alone_is_too_much_ends_the_run_with_a_sentence(make_run, monkeypatch):
    memory = Memory(monkeypatch, most=0, when=lambda phase: phase == "step")
    with pytest.raises(UserError, match="not enough memory") as caught:
        memory.follow(make_run(max_steps=4))
    assert "max_length" in caught.value.hint
    assert isinstance(caught.value.__cause__, MemoryError)


@pytest.mark.parametrize(
    "said",
    [
        "[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "MPS backend out of memory (MPS allocated: 9 GB)",
    ],
)
def test_every_way_of_saying_it_is_known(said):
    assert is_out_of_memory(RuntimeError(said)) and not is_out_of_memory(ValueError(said))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_another_error_of_the_scorer_is_not_taken_for_short_memory(make_run, monkeypatch):
    def broken(scorer, examples):
        raise RuntimeError("shapes do not fit")

    for name in ("logps", "token_logps"):
        if hasattr(Scorer, name):
            monkeypatch.setattr(Scorer, name, broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(train(make_run(max_steps=1)))


def test_memory_that_runs_out_inside_the_update_is_not_tried_again(make_run, monkeypatch):
    """Half of the weights may be new by then: only a checkpoint is whole."""
    folder, calls, real = make_run(max_steps=4), [], torch.optim.AdamW.step

    def short(optimizer, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(optimizer, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", short)
        with pytest.raises(UserError, match="Memory ran out") as caught:
            list(train(folder))
    assert "resume" in caught.value.hint and len(calls) == 3
    steps = [event.step for event in list(train(folder)) if isinstance(event, events.StepDone)]
    assert steps == [3, 4]


def test_answers_are_given_one_by_one_where_all_at_once_are_too_many(make_run, monkeypatch):
    real, sizes = samples._decode, []

    def short(model, rows, chat, room, how):
        sizes.append(len(rows))
        if len(rows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(model, rows, chat, room, how)

    expected = of_kind(list(train(make_run("roomy", max_steps=1, fresh_samples=0))), events.AnswerSampled)
    monkeypatch.setattr(samples, "_decode", short)
    said = of_kind(list(train(make_run("short", max_steps=1, fresh_samples=0))), events.AnswerSampled)
    assert said == expected and len(said) == 4
    assert sizes == [2, 1, 1, 2, 1, 1]


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            True,
        ),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("could not create a primitive descriptor for the matmul primitive"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_what_says_that_memory_ran_out(error, is_memory):
    # oneDNN's words were met with a process's address space cut to 2.35 GB.
    assert is_out_of_memory(error) is is_memory

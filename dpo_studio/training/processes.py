"""One process or several at one run: who does what, and how they keep in step.

Groups are dealt out here, gradients are added up once an optimiser step, and everything that one process alone knows
(a wish to stop, an error, memory that ran out) is told to all before anybody acts on it. No wrapper around
the model is used: the engine calls inner modules, which passes the wrappers' hooks by, and processes with
different numbers of micro-batches would wait for each other for ever.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from dpo_studio.core.errors import UserError

from .memory import is_out_of_memory

#: A process that waits longer for another gives up. One that dies is noticed at once.
PATIENCE = timedelta(hours=1)

Result = TypeVar("Result")


class Sized(Protocol):
    """What is dealt out: something with a number of tokens."""

    @property
    def tokens(self) -> int: ...


Item = TypeVar("Item", bound=Sized)


class Alone:
    """The only process of a run: everything is its own, and nothing has to be agreed.

    Attributes:
        rank: this process's number, from 0. The first process writes the run's files.
        count: how many processes there are.
    """

    rank, count = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def device(self, asked: str) -> str:
        """The device this process computes on, where the settings ask for `asked`."""
        return asked

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items that are for this process: all get about as many tokens, some perhaps no item."""
        return items

    def gather(self, work: Callable[[], Result]) -> list[Result]:
        """Every process does its work; what each found, by rank, in all. An error in one is raised in all."""
        return [work()]

    def in_step(self, work: Callable[[], Result]) -> Result:
        """Every process does its work and gets its own result. An error in one is raised in all."""
        return work()

    def first(self, work: Callable[[], Result]) -> Result:
        """The first process alone does this; its result, or its error, in all."""
        return work()

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Add up the parameters' gradients over all processes."""

    def copy_weights(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Give every process the first one's values of these parameters."""

    def begin_step(self, seed: int, step: int) -> None:
        """Give each process a stream of random numbers of its own for this step; the first keeps the run's."""

    def leave(self) -> None:
        """The run is over in this process."""


class Several(Alone):
    """One of several processes of a run, started by `accelerate launch`."""

    def __init__(self, device: torch.device) -> None:
        """The process group is there already. `device`: what this process computes on."""
        import torch.distributed as dist

        self._dist, self._device = dist, device
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        # Objects go through CPU memory: after a GPU ran out of its own, telling so must need none.
        self._words = dist.new_group(backend="gloo", timeout=PATIENCE)

    def device(self, asked: str) -> str:
        return str(self._device) if self._device.type == "cuda" else self._device.type

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        return deal(items, self.count)[self.rank]

    def gather(self, work: Callable[[], Result]) -> list[Result]:
        mine = _attempt(work)
        outcomes: list[Any] = [None] * self.count
        with _lost_process():
            self._dist.all_gather_object(outcomes, mine.portable(self.rank), group=self._words)
        _raise_first(outcomes, mine)
        return [outcome.value for outcome in outcomes]

    def in_step(self, work: Callable[[], Result]) -> Result:
        mine = _attempt(work)
        outcomes: list[Any] = [None] * self.count
        told = _Outcome(None, mine.error).portable(self.rank)
        with _lost_process():
            self._dist.all_gather_object(outcomes, told, group=self._words)
        _raise_first(outcomes, mine)
        return mine.value

    def first(self, work: Callable[[], Result]) -> Result:
        mine = _attempt(work) if self.leads else _Outcome()
        told: list[Any] = [mine.portable(self.rank)]
        with _lost_process():
            self._dist.broadcast_object_list(told, src=0, group=self._words)
        _raise_first(told, mine)
        return mine.value if self.leads else told[0].value

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        # One all-reduce. A number a parameter says whether any process has a gradient for it: where none has,
        # it stays without one, since the optimiser would take zeros for news.
        flat = self.in_step(lambda: _flat_gradients(parameters, self._device))
        with _lost_process():
            self._dist.all_reduce(flat)
        *parts, known = flat.split([*(parameter.numel() for parameter in parameters), len(parameters)])
        for parameter, part, is_known in zip(parameters, parts, known.tolist(), strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if is_known else None

    def copy_weights(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        for parameter in parameters:
            with _lost_process():
                self._dist.broadcast(parameter.data, src=0)

    def begin_step(self, seed: int, step: int) -> None:
        # From the step's number alone, so that a resumed run needs no more than its checkpoint.
        if not self.leads:
            torch.manual_seed(hash((seed, step, self.rank)) % 2**63)

    def leave(self) -> None:
        self._dist.destroy_process_group()


def join(device: str) -> Alone:
    """Take this process's place among those that `accelerate launch` started; alone where it did not.

    Args:
        device: as the settings ask: "auto", "cpu", "cuda" or "mps".

    Raises:
        UserError: there are fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Alone()
    from accelerate import PartialState

    gpus, here = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    on_cpu = device == "cpu" or (device == "auto" and not gpus)
    if not on_cpu and (here > gpus or device == "mps"):
        raise UserError(
            f"{here} processes were started, and this machine has {gpus} CUDA GPU{'' if gpus == 1 else 's'}.",
            "Start as many processes as there are GPUs, or set the device to cpu.",
        )
    with _lost_process():
        state = PartialState(cpu=on_cpu, timeout=PATIENCE)
    return Several(state.device)


def deal(items: Sequence[Item], count: int) -> list[list[Item]]:
    """The items in `count` shares of about as many tokens: the longest first, each to the lightest share.

    Within a share the items keep their order. The same items give the same shares in every process.
    """
    weights = [0] * count
    shares: list[list[int]] = [[] for _ in range(count)]
    for place in sorted(range(len(items)), key=lambda place: -items[place].tokens):
        lightest = weights.index(min(weights))
        weights[lightest] += items[place].tokens
        shares[lightest].append(place)
    return [[items[place] for place in sorted(share)] for share in shares]


@dataclass(slots=True)
class _Outcome:
    """What came of a piece of work: a value or an error."""

    value: Any = None
    error: Exception | None = None

    def portable(self, rank: int) -> _Outcome:
        """The same for another process: tensors on the CPU, and errors of a kind that every process knows."""
        return _Outcome(on_cpu(self.value), None if self.error is None else _told(self.error, rank))


def _raise_first(told: Sequence[_Outcome], mine: _Outcome) -> None:
    """Raise the same error in every process: one that ends the run before one that only needs a smaller row."""
    errors = [(rank, outcome.error) for rank, outcome in enumerate(told) if outcome.error is not None]
    if not errors:
        return
    _, error = min(errors, key=lambda found: (is_out_of_memory(found[1]), found[0]))
    if mine.error is not None and is_out_of_memory(mine.error) == is_out_of_memory(error):
        raise mine.error  # the same, with its own traceback
    raise error


def _attempt(work: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(work())
    except Exception as error:
        # A new error: the traceback of the old one would keep alive the tensors that took the memory.
        return _Outcome(error=MemoryError(str(error)) if is_out_of_memory(error) else error)


def _told(error: Exception, rank: int) -> Exception:
    if isinstance(error, UserError):
        return UserError(error.message, error.hint)
    if is_out_of_memory(error):
        return MemoryError(f"Memory ran out in process {rank}.")
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror)
    trace = "".join(traceback.format_exception(error))
    return RuntimeError(f"Process {rank} failed.\n{trace}")


def on_cpu(value: Any) -> Any:
    """The value with every tensor in it, in lists, tuples and dictionaries, moved to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {key: on_cpu(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(on_cpu(item) for item in value))
    if type(value) in (list, tuple):
        return type(value)(on_cpu(item) for item in value)
    return value


def _flat_gradients(parameters: Sequence[torch.nn.Parameter], device: torch.device) -> Tensor:
    grads = [parameter.grad for parameter in parameters]
    rows = [
        torch.zeros(parameter.numel(), device=device) if grad is None else grad.detach().float().reshape(-1)
        for parameter, grad in zip(parameters, grads, strict=True)
    ]
    return torch.cat([*rows, torch.tensor([float(grad is not None) for grad in grads], device=device)])


@contextmanager
def _lost_process() -> Iterator[None]:
    """Say in words that another process is gone, where the transport only says that a connection broke."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "Another process of this training ended, or was not heard of for too long.",
            "Most often the machine ran out of memory. Resume goes on from the last checkpoint.",
        ) from error

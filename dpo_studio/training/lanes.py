"""Rows of a step computed beside one another, each on its own share of the threads.

A row of a small model is thousands of operations of some microseconds, which threads share badly: what one of them
computes while the others wait is lost. Whole rows are shared without loss. A row's numbers are those of its own
threads, so they do not depend on what is computed beside it, and results come in the order of the rows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch

from dpo_studio.core.settings import TrainingSettings

from .batches import Example, balanced, micro_batches
from .forward import Scorer

Result = TypeVar("Result")
Row = Sequence[Example]

#: Rows at once at most: Python, which a row needs for a tenth of its time, is for one of them at a time.
_MOST = 4
#: Rows that were computed already may wait for the one whose turn it is.
_AHEAD = 2


def lanes_for(settings: TrainingSettings, scorer: Scorer, threads: int) -> Lanes:
    """As many as waste the fewest threads; one where rows would meddle with one another.

    That is dropout, which draws from one stream; a model that is trained whole, whose gradients would be held for each
    row; and a forward that is not known to keep nothing between calls.
    """
    if not scorer.exact_in_company or settings.lora_dropout or settings.trains != "lora":
        return Lanes(1, threads)
    counts = range(2, min(threads, _MOST) + 1)
    return Lanes(max(counts, key=lambda count: (count * (threads // count), count), default=1), threads)


class Lanes:
    """Computes rows, several at once; with one lane, one after the other on the thread that asks.

    Attributes:
        count: how many at once.
        room: tokens of all rows under way at most; a longer row is computed alone. None for no limit.
    """

    def __init__(self, count: int, threads: int = 1) -> None:
        self.count = count
        self.room: int | None = None
        self._under_way, self._changed = 0, threading.Condition()
        self._pool = None if count == 1 else _pool(count, threads)

    def rows(self, examples: Sequence[Example], token_budget: int) -> list[list[Example]]:
        """The groups as they are laid in rows: with one lane in their order, else filled evenly."""
        if self.count == 1:
            return micro_batches(examples, token_budget)
        return balanced(examples, token_budget, lanes=self.count)

    def map(self, work: Callable[[Row], Result], rows: Sequence[Row]) -> Iterator[Result]:
        """What `work` gives of each row, in order, with gradients if the thread that asks has them on.

        After an error the rows under way are waited for, and no other is begun.
        """
        if self._pool is None:
            return map(work, rows)
        return self._in_lanes(self._pool, _with_gradients(work, torch.is_grad_enabled()), rows)

    def _in_lanes(
        self, pool: ThreadPoolExecutor, work: Callable[[Row], Result], rows: Sequence[Row]
    ) -> Iterator[Result]:
        pending: deque[Future[Result]] = deque()
        try:
            for row in rows:
                pending.append(pool.submit(self._in_room, work, row))
                if len(pending) == self.count + _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            wait(pending)

    def _in_room(self, work: Callable[[Row], Result], row: Row) -> Result:
        tokens = sum(example.tokens for example in row)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._under_way or self.room is None or self._under_way + tokens <= self.room
            )
            self._under_way += tokens
        try:
            return work(row)
        finally:
            with self._changed:
                self._under_way -= tokens
                self._changed.notify_all()


def _with_gradients(work: Callable[[Row], Result], on: bool) -> Callable[[Row], Result]:
    def with_gradients(row: Row) -> Result:
        with torch.set_grad_enabled(on):
            return work(row)

    return with_gradients


def _pool(count: int, threads: int) -> ThreadPoolExecutor:
    """Threads that compute with so many threads together, each with its share."""
    started = threading.Barrier(count + 1)

    def begin(*_: Any) -> None:
        torch.get_num_threads()  # the first time a thread asks, it takes over what was set last anywhere
        torch.set_num_threads(max(1, threads // count))
        started.wait()

    pool = ThreadPoolExecutor(count, "row", begin)
    for _ in range(count):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(threads)  # what threads begun from now on compute with was set as well
    return pool

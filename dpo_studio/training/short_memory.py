"""What is done when memory runs out: less at a time, told, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import torch

from dpo_studio.core.errors import UserError
from dpo_studio.core.events import Notice

from .batches import Example
from .learner import Learner
from .memory import is_out_of_memory

Result = TypeVar("Result")


def fitting(learner: Learner, groups: Sequence[Example], work: Callable[[], Result]) -> Generator[Notice, None, Result]:
    """What `work` gives. Where memory runs out the learner's token budget is halved, and it is done again.

    Where every group has a row of its own already, the layers are computed twice instead of kept.

    Args:
        groups: those that `work` is about; it lays them in rows of the learner's token budget.

    Raises:
        UserError: memory runs out all the same.
    """
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # A new error: the traceback of the old one would keep alive the tensors that took the memory.
            failure = MemoryError(str(error))
        yield _save(learner, groups, failure)


def _save(learner: Learner, groups: Sequence[Example], failure: MemoryError) -> Notice:
    learner.optimizer.zero_grad(set_to_none=True)
    learner.scorer.save_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if all(len(row) == 1 for row in learner.rows(groups)):
        if learner.lanes.count > 1 and learner.lanes.room:
            learner.lanes.room = 0
            return Notice("less_memory", "Memory ran out; going on with one group at a time.")
        if learner.scorer.recompute_above:
            learner.scorer.recompute_above = 0
            return Notice("less_memory", "Memory ran out; going on with every layer computed twice and none kept.")
        raise UserError(
            "There is not enough memory to train on a group of this length.",
            "Close other programs, then resume; or train again with shorter texts (max_length) or a smaller model.",
        ) from failure
    learner.token_budget //= 2
    return Notice("less_memory", f"Memory ran out; going on with {learner.token_budget} tokens at a time.")

"""What a run needs before it can begin: threads to compute with, the model, and how long its rows are."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import psutil
import torch

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.models import load as models

from . import batches
from .processes import Alone
from .saved import DATA_FILE, RunSpec

#: Tokens of a row, by device; on a CPU what keeps the starter model's training below 2 GB.
TOKEN_BUDGET = {"cpu": 640, "cuda": 8192, "mps": 2048}
_SIGN_OF_LIFE_S = 60.0


class Reads(Protocol):
    """The part of models.load.LoadedModel and of models.load.Reading that is used here."""

    @property
    def chat(self) -> batches.Chat: ...

    @property
    def tokenizer_hash(self) -> str: ...

    @property
    def context_length(self) -> int: ...


def load(spec: RunSpec, dtype: str, processes: Alone) -> Generator[events.Event, None, Any]:
    """Load the model in a thread, so that what it is doing can be told meanwhile.

    Of several processes the first goes first: a download or a conversion happens once, and the number format that it
    chose is everybody's.
    """
    if spec.settings.trains == "full":
        dtype = "float32"  # small steps vanish in the rounding of bfloat16 weights
    stages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    began = time.monotonic()

    def from_files(number_format: str) -> Any:
        return models.load(
            spec.base,
            adapter=spec.adapter,
            device=processes.device(spec.settings.device),
            dtype=number_format,
            on_stage=stages.put,
        )

    with ThreadPoolExecutor(1) as pool:
        job: Future[Any] = pool.submit(from_files, dtype) if processes.leads else Future()
        job.add_done_callback(lambda _: stages.put(None))
        while (stage := processes.first(lambda: _next(stages))) is not None:
            if stage:
                yield events.ModelLoading(spec.base, stage)
        chosen = processes.first(lambda: dtype_name(job.result().dtype))
    loaded = processes.in_step(job.result if processes.leads else lambda: from_files(chosen))
    yield events.ModelLoaded(
        base=spec.base,
        adapter=None if spec.adapter is None else str(spec.adapter),
        device=str(loaded.device),
        dtype=dtype_name(loaded.dtype),
        parameters=loaded.parameters,
        context_length=loaded.context_length,
        tokenizer_hash=loaded.tokenizer_hash,
        seconds=time.monotonic() - began,
    )
    return loaded


def _next(stages: queue.SimpleQueue[str | None]) -> str | None:
    """The next stage; an empty one as a sign of life where a stage takes long, and None at the end."""
    try:
        return stages.get(timeout=_SIGN_OF_LIFE_S)
    except queue.Empty:
        return ""


def read_data(run_folder: Path, settings: TrainingSettings, model: Reads) -> batches.Dataset:
    """The groups of a run's data as this model reads them.

    Raises:
        UserError: as `batches.read`.
    """
    return batches.read(
        run_folder / DATA_FILE,
        model.chat,
        tokenizer_hash=model.tokenizer_hash,
        max_length=min(model.context_length, settings.max_length or model.context_length),
        method=settings.method,
        shorten=settings.too_long == "shorten",
    )


def token_budget_of(loaded: Any, lanes: int = 1, *, exact_in_company: bool) -> int:
    """How many tokens of groups go into a row.

    With more than two rows at once each is shorter, so that all together take no more memory than two.

    In bf16 neighbours in a row can move a completion's sum by up to 2 nats, where attention adds up in other blocks.
    Unless the scorer keeps a group's numbers from its neighbours, every group has a row of its own on a CPU: then the
    policy and the reference round alike, and the first step's margins are exactly 0. A GPU is left idle by rows of one
    group.
    """
    alone = loaded.device.type == "cpu" and loaded.dtype != torch.float32 and not exact_in_company
    budget = TOKEN_BUDGET.get(loaded.device.type, 1024)
    return 1 if alone else budget * 2 // max(2, lanes)


def threads() -> int:
    """Threads to compute with: what the environment says, else the physical cores this process may use."""
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def use_threads(count: int) -> None:
    torch.set_num_threads(count)


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

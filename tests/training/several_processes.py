"""A run by several processes, without the seconds that each would take to import torch."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_context = multiprocessing.get_context("forkserver")
# Children are forks of a server that has imported torch and never computed: forks of a process that has cannot train.
_context.set_forkserver_preload(["dpo_studio.training.engine", "accelerate", "peft", "transformers.models.llama"])
LIMIT_S = 120


def in_processes(
    count: int, work: Callable[[int, Path], Any], folder: Path, *, wait_for: int | None = None
) -> list[Any]:
    """What `work(rank, folder)` returned in each process; the exception it raised, or the status it died with.

    Args:
        work: a function at the top of a module.
        wait_for: how many processes to hear, the first ones; the others are killed. All, unless it is given.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = []
    for rank in range(count):
        here, there = _context.Pipe(duplex=False)
        environment = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        process = _context.Process(target=_child, args=(there, environment, work, rank, folder))
        process.start()
        there.close()
        started.append((process, here))
    results: list[Any] = []
    for process, here in started[:wait_for]:
        try:
            results.append(here.recv() if here.poll(LIMIT_S) else "hung")
        except EOFError:
            process.join(LIMIT_S)
            results.append(process.exitcode)
    for number, (process, _) in enumerate(started):
        process.join(5 if number < len(results) else 0)
        if process.is_alive():
            process.kill()
    return results


def _child(pipe: Any, environment: dict[str, str], work: Callable[[int, Path], Any], rank: int, folder: Path) -> None:
    os.environ.update(environment)
    try:
        result = work(rank, folder)
    except Exception as error:
        traceback.print_exc()
        result = error
    pipe.send(result)
    pipe.close()
    os._exit(0)

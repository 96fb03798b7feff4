"""A run that dies twenty times, wherever it writes or computes, leaves what an undisturbed one leaves."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.kill_and_resume import differing, measured

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["dpo_studio.training.engine", "accelerate", "peft", "transformers.models.llama"])
#: Where a process dies, and up to which call of it the moment is drawn from.
MOMENTS = {"fsync": 10, "rename": 2, "half a file": 9, "scoring": 12, "half a line": 14}
LIMIT_S = 120


def dying_worker(folder: Path, where: str, call: int) -> None:
    """Train, and die by SIGKILL at this call; in a process of its own."""
    os.environ["OMP_NUM_THREADS"] = "1"
    from dpo_studio.training import disk, worker
    from dpo_studio.training.forward import Scorer

    calls = 0

    def deadly(real: Callable[..., Any], before: Callable[..., Any] = lambda *_: None) -> Callable[..., Any]:
        def replaced(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                before(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return replaced

    match where:
        case "fsync":
            os.fsync = deadly(os.fsync)
        case "rename":
            Path.rename = deadly(Path.rename)
        case "half a file":
            disk.write_bytes = deadly(disk.write_bytes, lambda path, content: path.write_bytes(content[:99]))
        case "scoring":
            Scorer.logps = deadly(Scorer.logps)
        case "half a line":

            def half(log: Any, event: Any) -> None:
                log._file.write(worker.events.to_line(event).encode()[:20])

            worker.EventLog.append = deadly(worker.EventLog.append, half)
    os._exit(worker.main(folder))


def run(folder: Path, where: str = "", call: int = 0) -> int | None:
    """How the process ended: 0, or minus the number of the signal."""
    process = _context.Process(target=dying_worker, args=(folder, where, call))
    process.start()
    process.join(LIMIT_S)
    if process.is_alive():
        process.kill()
        pytest.fail("it hung")
    return process.exitcode


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a Unix thing")
def test_dying_twenty_times_anywhere_changes_no_byte(make_run):
    settings = {"lora_dropout": 0.1, "epochs": 30, "checkpoint_every": 2, "evaluate_every": 9, "fresh_tokens": 4}
    whole, killed = (make_run(name, **settings) for name in ("whole", "killed"))
    assert run(whole) == 0
    rng, deaths, kinds = random.Random(1), 0, set()
    while deaths < 20:
        where = rng.choice(sorted(MOMENTS))
        ended = run(killed, where, rng.randint(1, MOMENTS[where]))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        deaths += 1
        kinds.add(where)
    assert run(killed) == 0
    assert deaths == 20 and kinds == set(MOMENTS)
    assert len(measured(whole)) > 25
    assert differing(whole, killed) == []
    modules = json.loads((killed / "adapter" / "adapter_config.json").read_text())["target_modules"]
    assert len(modules) > 1 and modules == sorted(modules)

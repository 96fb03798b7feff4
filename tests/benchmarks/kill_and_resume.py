"""Kill a training worker again and again, and compare what it leaves with an undisturbed run, byte by byte.

    python -m tests.benchmarks.kill_and_resume --times 20 [--threads 2 --dropout 0]

The starter model in fp32 on the CPU, with fresh answers: on one thread and with dropout, or without it on several,
whose rows are then computed beside one another. A kill is a SIGKILL: at a random moment after the worker's start, in
the pass over the reference, or in the middle of the writing of a checkpoint.
Prints one line a kill, and exits with 1 when a step, a measurement, an answer or a byte of the adapter differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dpo_studio.core import events
from dpo_studio.jobs import training as jobs

_CLOCK = {"tokens_per_s", "memory_gb", "time_share"}
_TOPICS = "the sea,good sleep,bread,rain,old maps,bees,a slow train,salt,winter,clocks,gardens".split(",")
_FILES = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json", "final_logps.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.1)
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    with tempfile.TemporaryDirectory() as place:
        whole, killed = (write_run(Path(place) / name, asked) for name in ("whole", "killed"))
        began = time.monotonic()
        process = start(whole)
        while process.poll() is None and not any(isinstance(event, events.RunStarted) for event in said(whole)):
            time.sleep(0.1)
        begun = time.monotonic() - began
        status = process.wait()
        seconds = time.monotonic() - began
        # A resumed run takes so long to begin, and is to get on by less than its share of the whole.
        limit = begun + 2 * (seconds - begun) / asked.times
        print(f"undisturbed: status {status}, {seconds:.0f} s, {len(measured(whole))} measurements", flush=True)
        if status:
            print((whole / "worker.log").read_text()[-2000:])
            return 1
        done = kill_again_and_again(killed, times=asked.times, limit=limit, rng=random.Random(asked.seed))
        differences = differing(whole, killed)
        print(f"{done} kills; " + ("differing: " + "; ".join(differences) if differences else "every byte the same"))
        return 1 if differences or done < asked.times else 0


def write_run(folder: Path, asked: argparse.Namespace) -> Path:
    """A run's folder: ten short groups of three answers to train on and four held out."""
    folder.mkdir()
    rng = random.Random(3)
    lines = []
    for number in range(14):
        topic = _TOPICS[number % len(_TOPICS)]
        texts = [
            f"{topic.capitalize()} is worth a thought{'; more than one,' * extra} and no more than that."
            for extra in range(3)
        ]
        ranks = [1, 2, 3]
        rng.shuffle(texts)
        lines.append(
            {
                "group": f"g{number}",
                "held_out": number >= 10,
                "prompt": [{"role": "user", "content": f"Tell me about {topic}, number {number}."}],
                "completions": [{"text": text, "token_ids": None, "finish_reason": "stop"} for text in texts],
                "ranks": ranks,
            }
        )
    training = {
        "dtype": "float32",
        "device": "cpu",
        "lora_dropout": asked.dropout,
        "batch_groups": 2,
        "epochs": asked.steps,
        "max_steps": asked.steps,
        "checkpoint_every": 2,
        "evaluate_every": 6,
        "fresh_samples": 2,
        "fresh_tokens": 12,
    }
    body = {"run": folder.name, "base": asked.model, "adapter": None, "training": training}
    (folder / "settings.json").write_text(json.dumps(body))
    (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    prompt = {"prompt": 1, "messages": [{"role": "user", "content": "Say yes."}]}
    (folder / "sample_prompts.jsonl").write_text(json.dumps(prompt) + "\n")
    return folder


def start(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dpo_studio", "worker", "train", str(folder)],
            stdout=log,
            stderr=log,
        )


def kill_again_and_again(folder: Path, *, times: int, limit: float, rng: random.Random) -> int:
    """Start the run and kill it, until it was killed so often; then let it end. How often it was killed."""
    for number in range(1, times + 1):
        plan, moment = _plan(folder, number, limit, rng)
        process = start(folder)
        while process.poll() is None and not moment():
            time.sleep(0.001)
        if process.poll() is not None:
            print(f"it ended (status {process.returncode}) before kill {number}", flush=True)
            return number - 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps = [event.step for event in said(folder) if isinstance(event, events.StepDone)]
        half = [path.name for path in (folder / "checkpoints").glob("*.partial")]
        print(f"kill {number:>2}: {plan}; the log ends after step {max(steps, default=0)} {half or ''}", flush=True)
    status = start(folder).wait()
    print(f"left alone: status {status}", flush=True)
    return times


def _plan(folder: Path, number: int, limit: float, rng: random.Random) -> tuple[str, Callable[[], bool]]:
    """When to kill: in words, and whether it is time."""
    if number <= 2:
        delay = rng.uniform(0, 1.5)
        seen: list[float] = []

        def scoring() -> bool:
            if not seen and any(isinstance(e, events.ModelLoading) and "scoring" in e.stage for e in said(folder)):
                seen.append(time.monotonic())
            return bool(seen) and time.monotonic() > seen[0] + delay

        return f"{delay:.2f} s into the reference pass", scoring
    if number % 3 == 0:
        stale, wanted = _states(folder), rng.randint(1, 6)
        states: set[tuple[str, int]] = set()

        def writing() -> bool:
            states.update(_states(folder) - stale)
            return len(states) >= wanted

        return "while a checkpoint is written", writing
    until = time.monotonic() + rng.uniform(0.2, 1.0) * limit
    return "at a random moment", lambda: time.monotonic() > until


def _states(folder: Path) -> set[tuple[str, int]]:
    """The half-written checkpoints, each with the time of its last change."""
    found = set()
    for path in (folder / "checkpoints").glob("*.partial"):
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def said(folder: Path) -> list[events.Event]:
    return jobs.EventTail(folder).read()


def measured(folder: Path) -> list[tuple[Any, ...]]:
    """Everything a run measured and answered, but the clock and the memory."""
    found: list[tuple[Any, ...]] = []
    for event in said(folder):
        if isinstance(event, (events.StepDone, events.Evaluated, events.Sampled)):
            numbers = {name: value for name, value in event.metrics.items() if name not in _CLOCK}
            found.append((type(event).__name__, event.step, numbers))
        elif isinstance(event, (events.AnswerSampled, events.CheckpointSaved)):
            found.append((type(event).__name__, event))
    return found


def differing(whole: Path, killed: Path) -> list[str]:
    """What differs between two runs, in words; nothing where they are the same."""
    found = [] if measured(killed) == measured(whole) else ["the events"]
    counts = [Counter(type(event).__name__ for event in said(folder)) for folder in (whole, killed)]
    found += [f"the number of {name}" for name in ("StepDone", "CheckpointSaved") if counts[0][name] != counts[1][name]]
    for name in _FILES:
        if not (killed / name).is_file() or (killed / name).read_bytes() != (whole / name).read_bytes():
            found.append(name)
    kept = [{path.name for path in (folder / "checkpoints").iterdir()} for folder in (whole, killed)]
    return [*found, *(f"{name} was left behind" for name in sorted(kept[1] - kept[0]))]


if __name__ == "__main__":
    raise SystemExit(main())

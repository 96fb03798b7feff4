"""A run of 320 steps on published pairs, and how many of 300 held-out pairs it then orders right.

    python -m tests.benchmarks.hh_run --data FILE [--steps 320] [--held-out 300]

The rule: pairs whose prompt and longer answer have at most 256 tokens together, shuffled once by a fixed seed; the
first of them are held out, the next are trained on, each once. One prompt text never stands on both sides.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dpo_studio.core import events
from dpo_studio.evaluation.intervals import wilson
from dpo_studio.jobs.worker import worker_environment
from tests.benchmarks import contenders, transcripts
from tests.benchmarks.transcripts import Group

MAX_TOKENS, BATCH = 256, 2
SETTINGS = {
    "method": "dpo",
    "beta": 0.1,
    "learning_rate": 2e-4,
    "batch_groups": BATCH,
    "epochs": 1,
    "fresh_samples": 0,
    "checkpoint_every": 100,
    "evaluate_every": 160,
}


def main() -> None:
    if (
        os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY") is None
    ):  # the environment of a worker, from the process's start
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.benchmarks.hh_run", *sys.argv[1:]], worker_environment()
        )
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--held-out", type=int, default=300)
    parser.add_argument("--model", type=Path, help="a model's folder; the starter model without it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = prepare(
            Path(scratch), arguments.data, steps=arguments.steps, held_out=arguments.held_out, model=arguments.model
        )
        train(run, held_out=arguments.held_out)


def prepare(scratch: Path, data: Path, *, steps: int, held_out: int, model: Path | None) -> Path:
    """The run's folder."""
    from dpo_studio.models import starter

    base = transcripts.raw_model(model or starter.ensure(), scratch / "model")
    pairs = transcripts.read_pairs(data)
    tokenizer = transcripts.tokenizer_of(base)
    short = [pair for pair in pairs if tokens(pair, tokenizer) <= MAX_TOKENS]
    unseen, seen = split(short, held_out=held_out, train=steps * BATCH)
    print(f"{len(short)} of {len(pairs)} pairs have at most {MAX_TOKENS} tokens; {len(seen)} to train on,", end=" ")
    print(f"{len(unseen)} held out; {SETTINGS}", flush=True)
    return transcripts.write_run(scratch / "run", base, seen, unseen, **SETTINGS)


def tokens(pair: Group, tokenizer: Any) -> int:
    """Of the prompt and the longer answer with its end token."""
    prompt, *answers = (
        len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (pair.prompt, *pair.answers)
    )
    return prompt + max(answers) + 1


def split(pairs: Sequence[Group], *, held_out: int, train: int) -> tuple[list[Group], list[Group]]:
    """Pairs to hold out and pairs to train on; those that share a prompt with a held-out one are not trained on."""
    shuffled = list(pairs)
    random.Random(0).shuffle(shuffled)
    unseen = shuffled[:held_out]
    prompts = {pair.prompt for pair in unseen}
    seen = [pair for pair in shuffled[held_out:] if pair.prompt not in prompts][:train]
    if len(seen) < train:
        raise SystemExit(f"Only {len(seen)} pairs are left to train on; {train} were asked for.")
    return unseen, seen


def train(run: Path, *, held_out: int) -> None:
    """Train and print what came of it."""
    from dpo_studio.training.engine import train as engine

    began = time.perf_counter()
    for event in engine(run):
        after = f"{time.perf_counter() - began:6.0f} s  "
        if isinstance(event, events.Evaluated):
            _print_accuracy(after, event, held_out)
        elif isinstance(event, events.StepDone) and event.step % 20 == 0:
            loss, speed = event.metrics["loss"], event.metrics["tokens_per_s"]
            print(f"{after}step {event.step}: loss {loss:.4f}, {speed:.0f} tokens/s", flush=True)
        elif isinstance(event, events.Notice):
            print(f"{after}{event.message}", flush=True)
        elif isinstance(event, events.RunDone):
            print(f"{after}{event.reason} after {event.steps} steps", flush=True)
    print(f"peak memory {contenders.peak_memory_gb():.2f} GB")


def _print_accuracy(after: str, event: events.Evaluated, held_out: int) -> None:
    accuracy, loss = event.metrics["accuracy"], event.metrics["loss"]
    assert accuracy is not None
    print(f"{after}held out after {event.step} steps: accuracy {wilson(accuracy * held_out, held_out)}", end="")
    print(f", lower bound {wilson(accuracy * held_out, held_out).low:.4f}, loss {loss:.4f}", flush=True)


if __name__ == "__main__":
    main()

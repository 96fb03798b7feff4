"""Do several processes give the numbers of one on a real model, and how fast is a step?

    python -m tests.benchmarks.several_processes [--processes 2] [--steps 4] [--batch 4] [--groups 16]

Trains on the sample's rankings in fp32, once in one process with all cores and once in several that share them, and
compares everything measured at each step. Needs a quiet machine for its times, none for its numbers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.jobs import training
from dpo_studio.store import policies, runs
from dpo_studio.store.sample import copy_sample

_OF_THE_MACHINE = ("tokens_per_s", "memory_gb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--groups", type=int, default=16)
    asked = parser.parse_args()
    settings = TrainingSettings(
        dtype="float32", max_steps=asked.steps, epochs=1000, batch_groups=asked.batch, evaluate_every=0, fresh_samples=0
    ).validate()
    with tempfile.TemporaryDirectory() as scratch, copy_sample(Path(scratch) / "project") as project:
        base = policies.all_policies(project)[0]
        measured = []
        for processes in (1, asked.processes):
            folder = project.folder / runs.create(project, base, settings).folder
            (folder / "sample_prompts.jsonl").unlink()  # nothing but the steps
            lines = (folder / "data.jsonl").read_text(encoding="utf-8").split("\n")[: asked.groups]
            (folder / "data.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            status = training.start(folder, processes=processes).wait()
            assert status == 0, training.outcome(folder)
            steps = [event.metrics for event in training.EventTail(folder).read() if isinstance(event, events.StepDone)]
            speeds, memory = ([step[name] or 0.0 for step in steps] for name in ("tokens_per_s", "memory_gb"))
            print(
                f"{processes} {'process' if processes == 1 else 'processes'}: {median(speeds):.0f} tokens/s,"
                f" at most {max(memory):.1f} GB in the first; losses "
                + " ".join(f"{step['loss']:.6f}" for step in steps),
                flush=True,
            )
            measured.append(steps)
        differences = {
            name: max(abs((one[name] or 0.0) - (other[name] or 0.0)) for one, other in zip(*measured, strict=True))
            for name in measured[0][0]
            if name not in _OF_THE_MACHINE
        }
        print("largest differences: " + ", ".join(f"{name} {value:.1e}" for name, value in differences.items()))


if __name__ == "__main__":
    main()

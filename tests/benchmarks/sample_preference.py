"""Does the sample's stated preference rise after training? Three seeds, with intervals.

    python -m tests.benchmarks.sample_preference [--seeds 3]

Trains on the sample's rankings with the default settings and counts the guideline on the prompts nobody
labelled, before and after. Takes some minutes a seed on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from dpo_studio import tour
from dpo_studio.core import events
from dpo_studio.store import policies, runs
from dpo_studio.store.sample import copy_sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch, copy_sample(Path(scratch) / "project") as project:
            began = time.monotonic()
            base = policies.all_policies(project)[0]
            run, said = tour.train(project, base, lambda _line: None, seed=seed)
            trained_s = time.monotonic() - began
            done = next(event for event in reversed(said) if isinstance(event, events.RunDone))
            last = [event for event in said if isinstance(event, events.StepDone)][-1]
            effect = tour.measure(project, runs.adopt(project, run, done.adapter), seed=seed + 1)
            assert effect is not None
            print(
                f"seed {seed}: {done.steps} steps in {trained_s:.0f} s; kept {effect.kept_before} before,"
                f" {effect.kept_after} after; after beats before {effect.wins};"
                f" last step: loss {last.metrics['loss']:.3f}, reward of the worst {last.metrics['reward_worst']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

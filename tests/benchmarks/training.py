"""Training against TRL and against the machine's limit, as ratios measured in one run.

    python -m tests.benchmarks.training --data FILE [--pairs 48] [--rankings 16] [--only ours,trl-fastest]

FILE holds preference transcripts ("chosen" and "rejected" as JSON lines, .gz or not). Every contender is a process of
its own with the same threads, environment, token ids, LoRA (rank 16 on all linear layers), effective batch and AdamW.
Run it on a quiet machine; with a CUDA GPU at hand everything runs there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dpo_studio.jobs.worker import worker_environment
from tests.benchmarks import contenders, report, transcripts
from tests.benchmarks.contenders import ALPHA, BATCH, BETA, RANK, RATE, Task

PARTS = ("limit", "agreement", "ours", "ours-again", "trl-fastest", "trl-bf16", "trl-fp32", "rankings")
SETTINGS = {
    "method": "dpo",
    "beta": BETA,
    "lora_rank": RANK,
    "lora_alpha": ALPHA,
    "learning_rate": RATE,
    "batch_groups": BATCH,
    "evaluate_every": 0,
    "fresh_samples": 0,
    "checkpoint_every": 1_000_000,
}
#: TRL as most people start it: batch 8 and its own defaults (gradient checkpointing is one).
AS_STARTED = {"per_device_train_batch_size": BATCH}
_FAST = {
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": BATCH,
    "bf16": True,
    "precompute_ref_log_probs": True,
    "gradient_checkpointing": False,
}
#: What was found to be fast somewhere. Each is tried on the first pairs, and the fastest there runs on all.
FAST: dict[str, dict[str, Any]] = {
    "batch 1, bf16 autocast": _FAST,
    "batch 1, bf16 weights": {**_FAST, "model_dtype": "bfloat16"},
    "batch 1, bf16 weights, reference by 4": {**_FAST, "model_dtype": "bfloat16", "precompute_ref_batch_size": 4},
    "batch 2, bf16 weights": {
        **_FAST,
        "model_dtype": "bfloat16",
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": BATCH // 2,
    },
    "batch 1, no bf16": {**_FAST, "bf16": False},
}
_WHOLE = {**_FAST, **AS_STARTED, "gradient_accumulation_steps": 1}
#: The same on a GPU, which wants large operations.
FAST_ON_GPU: dict[str, dict[str, Any]] = {
    "batch 8, bf16 weights": {**_WHOLE, "model_dtype": "bfloat16"},
    "batch 8, bf16 autocast": _WHOLE,
}


def main() -> None:
    arguments = _arguments()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), arguments)
        found = bench.run(arguments.only, gpu=device == "cuda")
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(report.table(found, device=device, threads=arguments.threads))


def _arguments() -> argparse.Namespace:
    from dpo_studio.training.loading import threads

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=48, help="the first pairs of the file")
    parser.add_argument("--rankings", type=int, default=16, help="prompts with four drawn answers each")
    parser.add_argument("--tuning-pairs", type=int, default=16, help="pairs on which TRL's fastest setting is found")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts with commas between: {', '.join(PARTS)}")
    parser.add_argument("--threads", type=int, default=threads())
    parser.add_argument("--model", type=Path, help="a model's folder; the starter model without it")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    arguments = parser.parse_args()
    arguments.only = [part.strip() for part in arguments.only.split(",")]
    unknown = set(arguments.only) - set(PARTS)
    if unknown:
        parser.error(f"--only takes {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    return arguments


class Bench:
    """The contenders' folders and processes."""

    def __init__(self, scratch: Path, arguments: argparse.Namespace) -> None:
        from dpo_studio.models import starter

        self._scratch, self._arguments = scratch, arguments
        self._base = transcripts.raw_model(arguments.model or starter.ensure(), scratch / "model")
        self._pairs = transcripts.read_pairs(arguments.data)[: arguments.pairs]
        self._count = 0
        self._fastest = ""

    def run(self, parts: list[str], *, gpu: bool) -> dict[str, Any]:
        """What each part measured, by name; progress goes to stderr."""
        found: dict[str, Any] = {}
        variants = FAST_ON_GPU if gpu else FAST
        # On a GPU the first pass is for compiling, recording and warming up, on both sides: the second one counts.
        passes = 2 if gpu else 1
        if "limit" in parts:
            from tests.benchmarks import limits

            examples = contenders.read_examples(self._new_run(self._pairs))
            found["limit"] = limits.measure(self._base, examples, rank=RANK, device="cuda" if gpu else "cpu")
        if "agreement" in parts:
            found["agreement"] = self._do("agreement", self._pairs)
        if "ours" in parts or "ours-again" in parts:
            found["ours"] = self._do("ours", self._pairs, epochs=2)
        if "ours-again" in parts:
            found["ours-again"] = self._do("ours", self._pairs, epochs=passes)
        if "trl-fastest" in parts or "rankings" in parts:
            found["tried"] = {
                name: self._do("trl", self._tuning(), epochs=passes, trl=given) for name, given in variants.items()
            }
            self._fastest = min(found["tried"], key=lambda name: report.seconds(found["tried"][name]))
        if "trl-fastest" in parts:
            found["trl-fastest"] = self._do("trl", self._pairs, epochs=passes, trl=variants[self._fastest])
            found["trl-fastest"]["setting"] = self._fastest
        if "rankings" in parts:
            groups = self._rankings()
            pairs = [pair for group in groups for pair in transcripts.pairs_of(group)]
            found["ours-rankings"] = self._do("ours", groups, epochs=passes, method="pl_dpo")
            found["trl-rankings"] = self._do("trl", pairs, epochs=passes, trl=variants[self._fastest])
        for name, bf16 in (("trl-bf16", True), ("trl-fp32", False)):
            if name in parts:
                found[name] = self._do("trl", self._pairs, epochs=passes, trl={**AS_STARTED, "bf16": bf16})
        return found

    def _tuning(self) -> list[transcripts.Group]:
        return self._pairs[: self._arguments.tuning_pairs]

    def _rankings(self) -> list[transcripts.Group]:
        prompts = list(dict.fromkeys(pair.prompt for pair in self._pairs))[: self._arguments.rankings]
        return transcripts.rankings(prompts, self._base)

    def _new_run(self, groups: list[transcripts.Group], **settings: Any) -> Path:
        self._count += 1
        folder = self._scratch / f"run-{self._count}"
        return transcripts.write_run(folder, self._base, groups, **{**SETTINGS, **settings})

    def _do(
        self,
        kind: str,
        groups: list[transcripts.Group],
        *,
        epochs: int = 1,
        trl: dict[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        run = self._new_run(groups, epochs=epochs, **settings)
        file = run / "task.json"
        file.write_text(json.dumps(asdict(Task(kind, str(run), epochs, trl or {}))), encoding="utf-8")
        print(f"{kind}: {len(groups)} groups {trl or settings or ''}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "tests.benchmarks.contenders", str(file)]
        environment = {
            **worker_environment(),
            "OMP_NUM_THREADS": str(self._arguments.threads),
            "HF_HUB_OFFLINE": "1",
            # A reference that an earlier benchmark left in the user's cache is no part of this one.
            "DPO_STUDIO_CACHE": str(self._scratch / "cache"),
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            print(f"  failed with status {done.returncode}: {last}", file=sys.stderr, flush=True)
            return {"failed": last, "status": done.returncode}
        found = dict(json.loads(done.stdout.strip().splitlines()[-1]))
        if "epochs_s" in found:
            print(f"  {report.rate(found):.3f} groups/s, {found['memory_gb']:.2f} GB", file=sys.stderr, flush=True)
        return found


if __name__ == "__main__":
    main()

"""What the training benchmark compares, each in a process of its own: `python -m tests.benchmarks.contenders TASK`.

TASK is a JSON file (see `Task`); the last line of the output is a JSON object with the measurements. Seconds are of
the work alone: on both sides, importing, loading the model, reading the data and attaching the adapter are not
counted. The reference pass is a number of its own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BATCH, RANK, ALPHA, BETA, RATE = 8, 16, 32, 0.1, 2e-4


@dataclass(frozen=True, slots=True)
class Task:
    """What one process is to do.

    Attributes:
        kind: "ours", "trl" or "agreement".
        run: a run folder with the groups.
        epochs: passes over them, each of which is timed.
        trl: settings of TRL's trainer that differ from `TRL`; "model_dtype" is of the weights it is given.
    """

    kind: str
    run: str
    epochs: int = 1
    trl: dict[str, Any] = field(default_factory=dict)


def do(task: Task) -> dict[str, Any]:
    """The measurements of a task."""
    examples = read_examples(Path(task.run))
    if task.kind == "agreement":
        return agreement(Path(task.run), examples)
    found = ours(Path(task.run)) if task.kind == "ours" else trl(Path(task.run), examples, task)
    shared = sum(example.tokens for example in examples)
    alone = sum(
        len(example.completions) * len(example.prompt) + sum(map(len, example.completions)) for example in examples
    )
    return {**found, "groups": len(examples), "tokens": shared, "tokens_alone": alone, "memory_gb": peak_memory_gb()}


def read_examples(run: Path) -> list[Any]:
    """The run's groups as the engine reads them, so that everybody trains on the same token ids."""
    from dpo_studio.models.chat import ChatFormat, tokenizer_hash
    from dpo_studio.training import batches
    from tests.benchmarks.transcripts import tokenizer_of

    tokenizer = tokenizer_of(_base(run))
    found = batches.read(
        run / "data.jsonl", ChatFormat(tokenizer), tokenizer_hash=tokenizer_hash(tokenizer), max_length=2**31
    )
    return [*found.train]


def _base(run: Path) -> Path:
    return Path(json.loads((run / "settings.json").read_text(encoding="utf-8"))["base"])


def peak_memory_gb() -> float:
    """The most memory this process held, 10⁹ bytes: on a GPU if there is one, else its resident set."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e9
    import psutil

    return psutil.Process().memory_info().rss / 1e9


# -- ours -------------------------------------------------------------------------------------------


def ours(run: Path) -> dict[str, Any]:
    """A whole run by the engine, timed by when its events come.

    The reference pass is from the event that announces it to the next; training is from the event before the first
    step to the last step.
    """
    from dpo_studio.core import events
    from dpo_studio.training.engine import train

    times = [(time.perf_counter(), event) for event in train(run)]
    steps = [(at, event) for at, event in times if isinstance(event, events.StepDone)]
    first = next(index for index, (_, event) in enumerate(times) if isinstance(event, events.StepDone))
    started = next(event for _, event in times if isinstance(event, events.RunStarted))
    reference_s = 0.0
    for (at, event), (later, _) in zip(times, times[1:], strict=False):
        if isinstance(event, events.ModelLoading) and "scoring" in event.stage:
            reference_s = later - at
    epochs = int(round(steps[-1][1].epoch))
    marks = [times[first - 1][0], *(next(at for at, e in steps if e.epoch > n - 1e-6) for n in range(1, epochs + 1))]
    return {
        "reference_s": reference_s,
        "epochs_s": [after - before for before, after in zip(marks, marks[1:], strict=False)],
        "dtype": started.dtype,
        "device": started.device,
        "notices": [event.message for _, event in times if isinstance(event, events.Notice)],
    }


# -- TRL --------------------------------------------------------------------------------------------


def trl(run: Path, examples: Sequence[Any], task: Task) -> dict[str, Any]:
    """DPOTrainer on the same token ids; its own tokenising, which it would do before, is passed over."""
    import torch
    from transformers import TrainerCallback

    given = dict(task.trl)
    model_dtype = given.pop("model_dtype", "float32")

    marks: list[float] = []

    class Clock(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            marks.append(time.perf_counter())

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    trainer = _trainer(run, examples, model_dtype, {"num_train_epochs": task.epochs, **given})
    trainer.add_callback(Clock())
    trainer.train()
    return {
        "reference_s": trainer.reference_s,
        "epochs_s": [after - before for before, after in zip(marks, marks[1:], strict=False)],
        "dtype": f"{model_dtype} weights, {'bf16 autocast' if trainer.args.bf16 else 'no autocast'}",
        "device": str(trainer.args.device),
        "notices": [],
    }


def _trainer(run: Path, examples: Sequence[Any], model_dtype: str, settings: dict[str, Any]) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    from tests.benchmarks.transcripts import tokenizer_of

    class OnTheseTokens(DPOTrainer):
        reference_s = 0.0

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            found = super()._precompute_ref_logps(*args, **kwargs)
            OnTheseTokens.reference_s += time.perf_counter() - began
            return found

    base = _base(run)
    arguments = DPOConfig(
        output_dir=str(run / "trl"),
        beta=BETA,
        learning_rate=RATE,
        max_length=None,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        **settings,
    )
    return OnTheseTokens(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, model_dtype), local_files_only=True),
        args=arguments,
        train_dataset=Dataset.from_list(list(_rows(examples))),
        processing_class=tokenizer_of(base),
        peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def _rows(examples: Sequence[Any]) -> Iterator[dict[str, list[int]]]:
    for example in examples:
        chosen, rejected = (list(ids) for ids in example.completions)
        yield {"prompt_ids": list(example.prompt), "chosen_ids": chosen, "rejected_ids": rejected}


# -- agreement --------------------------------------------------------------------------------------


def agreement(run: Path, examples: Sequence[Any], *, moved_by: float = 0.02) -> dict[str, Any]:
    """The loss of each batch by both, fp32, with the same adapter, which is moved away from the reference.

    Args:
        moved_by: standard deviation of what is added to the adapter's second matrices, which begin at 0.
    """
    import torch

    from dpo_studio.core.settings import TrainingSettings
    from dpo_studio.models.load import load
    from dpo_studio.training import adapter
    from dpo_studio.training.forward import choose_scorer
    from dpo_studio.training.learner import Learner
    from dpo_studio.training.processes import Alone
    from dpo_studio.training.reference import Reference

    plain = {"bf16": False, "per_device_train_batch_size": BATCH, "gradient_checkpointing": False}
    trainer = _trainer(run, examples, "float32", plain)
    generator = torch.Generator().manual_seed(3)
    moved = {}
    with torch.no_grad():
        for name, weight in adapter.trainable(trainer.model):
            if "lora_B" in name:
                weight.add_(moved_by * torch.randn(weight.shape, generator=generator).to(weight.device))
            moved[name] = weight.detach().clone()
    settings = TrainingSettings(
        method="dpo", beta=BETA, lora_rank=RANK, lora_alpha=ALPHA, batch_groups=BATCH, dtype="float32"
    )
    loaded = load(str(_base(run)), dtype="float32")
    model, _ = adapter.attach(loaded.model, settings)
    scorer, _ = choose_scorer(model, examples)
    reference = Reference(run / "agreement.safetensors", ("agreement",))
    learner = Learner(model, scorer, reference, settings, token_budget=1024)
    reference.compute(
        model, scorer, examples, token_budget=learner.token_budget, adapter_is_new=True, processes=Alone()
    )
    with torch.no_grad():
        for name, weight in adapter.trainable(model):
            weight.copy_(moved[name])
    trainer.model.eval()
    losses = []
    rows = list(_rows(examples))
    for start in range(0, len(examples), BATCH):
        batch = trainer._prepare_inputs(trainer.data_collator(rows[start : start + BATCH]))
        with torch.no_grad():
            theirs = trainer.compute_loss(trainer.model, batch).item()
        losses.append((learner.measure(examples[start : start + BATCH]).metrics["loss"], theirs))
    return {"losses": losses, "apart": max(abs(a - b) for a, b in losses)}


if __name__ == "__main__":
    task = Task(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps({"task": asdict(task), **do(task)}), flush=True)

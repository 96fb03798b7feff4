"""How long a run will take and how much memory it will hold, from one real step on some of its groups."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.ranking import is_trainable
from dpo_studio.core.settings import TrainingSettings

from .batches import Example, order_of, ranks_of, steps_per_epoch
from .saved import DATA_FILE, PROMPTS_FILE, SETTINGS_FILE, read_spec

_NEVER = 1_000_000
_BEFORE_A_LOOK_ENDS = (events.StepDone, events.Evaluated, events.AnswerSampled)


class Small(NamedTuple):
    """A small run: how many steps, the last of which counts, on how many groups at most."""

    steps: int
    groups: int


#: The first step touches new memory. A step on more groups takes longer in proportion.
_ON_CPU = Small(steps=2, groups=4)
#: Here it does not, and what a row's operations are recorded for is met three times before.
_ON_GPU = Small(steps=5, groups=32)


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured: seconds, and seconds a token of text.

    Attributes:
        setting_up: attaching the adapter and choosing how to compute.
        scoring, training: a token, without and with gradients.
        answers, fresh: one round of answers to the fixed prompts, and of fresh ones.
        starts_as_reference: whether the first look and the first step give the reference's numbers too.
    """

    setting_up: float
    scoring: float
    training: float
    answers: float
    fresh: float
    memory_gb: float
    starts_as_reference: bool = False


def estimate(settings: TrainingSettings, data: Path) -> events.Estimated:
    """Measure some steps of a run on a few of its groups, the longest among them, and reckon what all of it takes.

    The seconds are counted as `RunDone.seconds` are; checkpoints are left out. The last step counts. Fresh answers, if
    any, are drawn after it once more: what they take of memory comes on top of what the steps hold. The engine does it
    all, in a folder of its own that is thrown away: what is measured is what will run. Texts are weighed by their
    tokens; groups that the run leaves out are left out here.

    Args:
        settings: of the run.
        data: the run's folder, prepared; nothing in it is changed.

    Raises:
        UserError: as training would.
    """
    from dpo_studio.models.device import choose
    from dpo_studio.models.load import how_it_reads

    from .loading import read_data

    kept = read_data(data, settings, how_it_reads(read_spec(data).base))
    small = _ON_GPU if choose(settings.device).type == "cuda" else _ON_CPU
    count = min(max(2, settings.batch_groups), small.groups)
    picked = representative(kept.train, count=count)
    with tempfile.TemporaryDirectory(prefix="dpo-studio-estimate-") as scratch:
        folder = _small_run(Path(scratch), settings, data, picked, small.steps)
        tokens = sum(example.tokens for example in picked)
        costs = _measure(folder, tokens, small.steps, looks=bool(settings.fresh_samples))
    train, held_out = ([example.tokens for example in part] for part in (kept.train, kept.held_out))
    return predict(settings, costs, train=train, held_out=held_out)


def representative(examples: Sequence[Example], *, count: int) -> list[Example]:
    """The longest group, which decides about memory, and others from all over the range of lengths.

    One a prompt, and none that is a complete tie: so that they alone are data enough for any method.
    """
    ordered = sorted(examples, key=lambda example: example.tokens, reverse=True)
    of_prompt: dict[tuple[int, ...], Example] = {}
    for example in ordered:
        if is_trainable(order_of(example)):
            of_prompt.setdefault(example.prompt, example)
    apart = list(of_prompt.values())
    count = min(count, len(apart))
    return [apart[index * len(apart) // count] for index in range(count)]


def predict(
    settings: TrainingSettings, costs: Costs, *, train: Sequence[int], held_out: Sequence[int]
) -> events.Estimated:
    """What a run with groups of so many tokens takes at these costs."""
    per_epoch = steps_per_epoch(len(train), settings.batch_groups)
    steps = settings.steps_over(len(train))
    every = settings.evaluate_every
    looks = 1 + (steps // every if every else 0) + (1 if not every or steps % every else 0)
    step = costs.training * sum(train) / per_epoch
    scored: float = looks * sum(held_out) if held_out else sum(train)
    # The reference pass, which leaves out what the first look and the first step see before anything is learnt.
    scored += sum(train) * (per_epoch - 1) / per_epoch if costs.starts_as_reference else sum(train) + sum(held_out)
    seconds = costs.setting_up + costs.scoring * scored + steps * step + 2 * costs.answers + looks * costs.fresh
    return events.Estimated(seconds=seconds, memory_gb=costs.memory_gb, step_seconds=step, steps=steps)


def _small_run(folder: Path, settings: TrainingSettings, data: Path, picked: Sequence[Example], steps: int) -> Path:
    """A run of some steps on the same few groups, which are held out as well, so that scoring them is timed."""
    spec = read_spec(data)
    values = {
        **settings.to_json(),
        "batch_groups": len(picked),
        "epochs": steps,
        "max_steps": steps,
        "evaluate_every": steps if settings.fresh_samples else 0,
        "checkpoint_every": _NEVER,
    }
    body = {"base": spec.base, "adapter": None if spec.adapter is None else str(spec.adapter), "training": values}
    (folder / SETTINGS_FILE).write_text(json.dumps(body), encoding="utf-8")
    wanted = {(example.group, example.ranks) for example in picked}  # two people may have ranked one group
    lines = (data / DATA_FILE).read_text(encoding="utf-8").split("\n")
    rows = [row for row in map(json.loads, filter(str.strip, lines)) if (row["group"], ranks_of(row)) in wanted]
    copies = [{**row, "held_out": True, "group": f"{row['group']} again"} for row in rows]
    (folder / DATA_FILE).write_text("".join(json.dumps(row) + "\n" for row in [*rows, *copies]), "utf-8")
    prompts = data / PROMPTS_FILE
    if prompts.exists():
        (folder / PROMPTS_FILE).write_text(prompts.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def _measure(folder: Path, tokens: int, steps: int, *, looks: bool) -> Costs:
    """Train the small run up to its last step, and read the costs off the times of its events.

    Args:
        looks: a look follows that step, and is part of it.
    """
    from .engine import train
    from .memory import memory_gb

    times: list[tuple[float, events.Event]] = []
    stepped = False
    for event in train(folder):
        times.append((time.perf_counter(), event))
        stepped = stepped or (isinstance(event, events.StepDone) and event.step == steps)
        if stepped and not (looks and isinstance(event, _BEFORE_A_LOOK_ENDS)):
            break
    costs = read_costs(times, tokens)
    return replace(costs, memory_gb=max(costs.memory_gb, memory_gb()))


def read_costs(times: Sequence[tuple[float, events.Event]], tokens: int) -> Costs:
    """The costs, from when each event came, for steps on groups of so many tokens that are held out too."""
    kinds = [type(event) for _, event in times]
    loaded, started = (times[kinds.index(kind)][0] for kind in (events.ModelLoaded, events.RunStarted))
    evaluated = kinds.index(events.Evaluated)
    *_, before, last = (at for at, event in times if isinstance(event, events.StepDone))
    scoring = times[evaluated][0] - times[evaluated - 1][0]
    # The reference pass is over the groups twice, where there is one.
    passes = 2 if events.ModelLoading in kinds[kinds.index(events.RunStarted) :] else 0
    answers = 0.0
    if kinds[evaluated - 1] is events.AnswerSampled:
        answers = max(0.0, times[evaluated - 1][0] - started - passes * scoring)
    else:  # nothing came between the reference pass and the measurement
        scoring = (times[evaluated][0] - started) / (passes + 1)
    return Costs(
        setting_up=started - loaded,
        scoring=scoring / tokens,
        training=(last - before) / tokens,
        answers=answers,
        fresh=_last_of(times, events.Sampled) - _last_of(times, events.Evaluated) if events.Sampled in kinds else 0.0,
        starts_as_reference=not passes,
        memory_gb=max(event.metrics["memory_gb"] or 0.0 for _, event in times if isinstance(event, events.StepDone)),
    )


def _last_of(times: Sequence[tuple[float, events.Event]], kind: type[events.Event]) -> float:
    return max(at for at, event in times if isinstance(event, kind))


def main(run_folder: Path, *, tied: bool = False) -> int:
    """Say the estimate of a prepared run, or why there is none, as an event on stdout. Returns the exit status.

    Args:
        tied: end at once where stdin does: nobody waits for the answer any more.
    """
    if tied:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        found: events.Event = estimate(read_spec(run_folder).settings, run_folder)
    except UserError as error:
        found = events.Failed(error.message, error.hint)
    print(events.to_line(found), end="", flush=True)
    return int(isinstance(found, events.Failed))


def _end_with_stdin() -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock would be held when the process ends by itself
        pass
    os._exit(1)

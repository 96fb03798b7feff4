"""A training run from its folder to its adapter: a generator of events. It prints nothing and knows no database.

Where the folder holds a checkpoint the run goes on from it, with the same numbers as if it had never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dpo_studio.core import events
from dpo_studio.core.methods import METHODS
from dpo_studio.jobs.training import EVENTS_FILE

from . import adapter, batches, checkpoints, samples, whole
from .adapter import WithoutDropout
from .batches import Example
from .bound import DriftBound
from .disk import sync, write_file_whole
from .diverged import DivergedError
from .fingerprint import fingerprint
from .forward import Scorer, choose_scorer, not_shared
from .fresh import FreshAnswers
from .lanes import lanes_for
from .learner import Learner, Measurement, Metrics, NotFinite
from .loading import dtype_name, load, read_data, threads, token_budget_of, use_threads
from .mismatched import partners_of
from .processes import Alone, join
from .reference import CACHE_FILE, Reference, is_the_policy
from .saved import (
    ADAPTER_FOLDER,
    BEST_ADAPTER_FOLDER,
    CHECKPOINT_ADAPTER,
    FINAL_LOGPS_FILE,
    MODEL_FOLDER,
    PROMPTS_FILE,
    RunSpec,
    State,
    best_checkpoint,
    checkpoint_saved,
    latest_checkpoint,
    read_spec,
)
from .schedule import learning_rate
from .short_memory import fitting

Control = Callable[[], str]
_PAUSE_POLL_S = 0.2
#: Steps with a number that is not finite that are passed over before the run gives up.
_SKIPS_ALLOWED = 1


def train(run_folder: Path, *, control: Control = lambda: "run") -> Iterator[events.Event]:
    """Train as the folder's `settings.json` says, on its `data.jsonl`, from its last checkpoint if it has one.

    Args:
        control: asked between steps, and while the reference is computed: "run", "pause" or "stop"; a stopped run keeps
            its adapter.

    Raises:
        UserError: what a person can mend: settings, data, model, memory.
        OSError: the disk, most often full; checkpoints made before are whole.
    """
    spec = read_spec(run_folder)
    found = latest_checkpoint(run_folder)
    use_threads(found[1].threads if found else threads())
    processes = join(spec.settings.device)
    loaded = yield from load(spec, found[1].dtype if found else spec.settings.dtype, processes)
    run = _Run(run_folder, spec, loaded, control, processes)
    yield from run.prepare(found[1] if found else None)
    if found:
        checkpoints.restore(found[0], run.model, run.learner.optimizer)
    elif run.ready:
        yield from run.first_look()
    if run.ready:
        yield from run.steps()
    yield from run.finish()
    processes.leave()


class _Run:
    """A run under way. The methods are its chapters, in order; each yields what happens in it.

    Attributes:
        ready: whether all is known that a step needs; not where it was asked to stop before.
    """

    def __init__(self, folder: Path, spec: RunSpec, loaded: Any, control: Control, processes: Alone) -> None:
        self._folder, self._spec, self._loaded, self._control = folder, spec, loaded, control
        self._processes = processes
        self._settings = spec.settings
        self._began = time.monotonic()
        self._stopped = False
        self._measured: tuple[int, Measurement] | None = None
        self._metrics: Metrics = {}

    # -- before the first step --------------------------------------------------------------------

    def prepare(self, state: State | None) -> Iterator[events.Event]:
        """Read the data, attach the adapter, choose how to compute, and have the reference at hand."""
        self._step = state.step if state else 0
        self._skipped = state.skipped if state else 0
        self._sound = self._step - 1
        best = self._processes.first(lambda: best_checkpoint(self._folder))
        self._best_loss = best[2] if best else math.inf
        self._began -= state.seconds if state else 0.0
        self._data = read_data(self._folder, self._settings, self._loaded)
        self._notices = [*self._data.notices]
        self._start = fingerprint(self._loaded.model)
        self.model, notices = adapter.attach(self._loaded.model, self._settings)
        self._notices += notices
        if self._settings.trains == "full":
            whole.check_memory(self.model)
            if state is None:
                whole.check_disk(self._folder, self.model, checkpoints=checkpoints.KEEP)
        everything = [*self._data.train, *self._data.held_out]
        if self._loaded.device.type == "cuda":
            yield events.ModelLoading(self._spec.base, "preparing the GPU, which takes longer the first time")
        self._scorer, notices = choose_scorer(self.model, everything)
        everywhere = all(self._processes.gather(lambda: self._scorer.shared))
        if self._scorer.shared and (not everywhere or (state and not state.shared)):
            self._scorer = Scorer(self.model, shared=False)
            notices = [not_shared("another process of this run cannot share it")]
        self._notices += notices
        prompts = samples.read_prompts(self._folder / PROMPTS_FILE) if self._processes.leads else []
        self._prompts, notices = samples.answerable(prompts, self._loaded.chat, self._loaded.context_length)
        fresh = FreshAnswers(self.model, self._loaded, self._settings, self._prompts, together=self._scorer.shared)
        self._notices += [*notices, *fresh.notices]
        self._bound = DriftBound(fresh, self._settings, self._folder, self._processes)
        if state is not None:
            self._bound.resume()
        self._lanes = lanes_for(self._settings, self._scorer, torch.get_num_threads())
        budget = token_budget_of(self._loaded, self._lanes.count, exact_in_company=self._scorer.exact_in_company)
        budget = state.token_budget if state else budget
        self._left = MODEL_FOLDER if self._settings.trains == "full" else ADAPTER_FOLDER  # in the run's folder
        self._steps = self._settings.steps_over(len(self._data.train))
        trainable = sum(parameter.numel() for _, parameter in adapter.trainable(self.model))
        yield events.RunStarted(
            steps=self._steps,
            groups=len(self._data.train),
            held_out_groups=len(self._data.held_out),
            device=str(self._loaded.device),
            dtype=dtype_name(self._loaded.dtype),
            parameters=self._loaded.parameters,
            trainable_parameters=trainable,
            tokenizer_hash=self._loaded.tokenizer_hash,
            first_step=self._step,
            longer=batches.longer(self._data.train),
        )
        if state is None:
            yield from self._notices
        yield from self._make_reference(everything, budget, fresh=state is None)

    def first_look(self) -> Iterator[events.Event]:
        """Answers and held-out numbers before any training."""
        yield from self._answers("before")
        if self._data.held_out:
            yield (yield from self._evaluate())
        else:
            yield events.Notice(
                "nothing_held_out", "No labelled prompt is held out, so there is no curve on unseen groups."
            )
        yield from self._bound.look(0)

    def _make_reference(self, examples: Sequence[Example], token_budget: int, *, fresh: bool) -> Iterator[events.Event]:
        spec, loaded, method = self._spec, self._loaded, self._settings.method
        identity = (self._start, loaded.tokenizer_hash, loaded.dtype, loaded.device.type, self._scorer.path)
        reference = Reference(
            self._folder / CACHE_FILE,
            identity,
            keeps_tokens=METHODS[method].needs_tokens,
            cache=spec.cache,
            processes=self._processes,
        )
        partners = partners_of(self._data, seed=self._settings.seed) if method == "kto" else {}
        examples = [*examples, *partners.values()]
        is_policy = fresh and is_the_policy(self._settings, self._scorer, self._processes)
        self.learner = Learner(
            self.model,
            self._scorer,
            reference,
            self._settings,
            token_budget=token_budget,
            processes=self._processes,
            partners=partners,
            is_reference=is_policy,
            lanes=self._lanes,
        )
        # What the first look and the first step compute anyhow is left to them.
        met = {example.group for example in [*self._data.held_out, *self._batch(0)]} if is_policy else set()
        wanted = [example for example in examples if example.group not in met]
        if reference.missing(wanted):
            yield events.ModelLoading(spec.base, "scoring the answers with the starting model")
        while reference.missing(wanted) and not self._asked_to_stop():
            yield from fitting(
                self.learner,
                wanted,
                lambda: reference.compute(
                    self.model,
                    self._scorer,
                    wanted,
                    token_budget=self.learner.token_budget,
                    adapter_is_new=spec.adapter is None and spec.settings.trains == "lora",
                    processes=self._processes,
                    lanes=self._lanes,
                    stop=lambda: self._processes.leads and self._control() == "stop",
                ),
            )
        self.ready = not reference.missing(wanted)
        self._keep_reference = lambda: reference.keep(examples, self._processes)
        if self.ready and not is_policy:
            self._keep_reference()

    # -- the steps --------------------------------------------------------------------------------

    def steps(self) -> Iterator[events.Event]:
        """Every optimiser step that is left, with its measurements and checkpoints."""
        settings, data = self._settings, self._data
        peak, warmup_ratio = settings.learning_rate, settings.warmup_ratio
        per_epoch = batches.steps_per_epoch(len(data.train), settings.batch_groups)
        self._processes.copy_weights([parameter for _, parameter in adapter.trainable(self.model)])
        while self._step < self._steps and not self._bound.passed and not self._asked_to_stop():
            batch = self._batch(self._step)
            rate = learning_rate(self._step, steps=self._steps, peak=peak, warmup_ratio=warmup_ratio)
            self._processes.begin_step(settings.seed, self._step)
            try:
                self._metrics = yield from fitting(self.learner, batch, partial(self.learner.step, batch, rate))
                self._sound = self._step  # its weights gave numbers; those after this step have yet to
            except NotFinite as error:
                self._metrics = error.metrics
                yield self._skip()
            self._step += 1
            if self._step == 1:
                self._keep_reference()
            yield events.StepDone(self._step, self._step / per_epoch, self._metrics)
            if self._due(settings.evaluate_every) or self._bound.near(self._step):
                if data.held_out:
                    yield (yield from self._evaluate())
                yield from self._bound.look(self._step)
                if self._bound.passed:
                    break
            loss = self._held_out_loss()
            self._sound = self._sound if loss is None else self._step
            is_best = loss is not None and loss < self._best_loss
            due = is_best or self._bound.kl_at(self._step) is not None or self._due(settings.checkpoint_every)
            if due and self._sound >= self._step - 1:  # else passed over, and the weights may be what is wrong
                yield self._processes.first(self._checkpoint)
            self._best_loss = loss if loss is not None and is_best else self._best_loss

    def _batch(self, step: int) -> Sequence[Example]:
        settings = self._settings
        return batches.batch_of_step(self._data.train, step, batch_groups=settings.batch_groups, seed=settings.seed)

    def _due(self, every: int) -> bool:
        return bool(every) and self._step % every == 0

    def _asked_to_stop(self) -> bool:
        while (wish := self._processes.first(self._control)) == "pause":
            time.sleep(_PAUSE_POLL_S)
        self._stopped = self._stopped or wish == "stop"
        return self._stopped

    def _evaluate(self) -> Generator[events.Event, None, events.Evaluated]:
        if self._measured is None or self._measured[0] != self._step:
            groups = self._data.held_out or self._data.train
            found = yield from fitting(self.learner, groups, lambda: self.learner.measure(groups))
            self._measured = (self._step, found)
        return events.Evaluated(self._step, self._measured[1].metrics)

    def _held_out_loss(self) -> float | None:
        """The loss on the held-out groups, where it was measured at this step."""
        step, found = self._measured or (None, None)
        loss = found.metrics["loss"] if found and step == self._step and self._data.held_out else None
        return loss if loss is not None and math.isfinite(loss) else None

    def _checkpoint(self) -> events.CheckpointSaved:
        log = self._folder / EVENTS_FILE
        if log.exists():
            sync(log)  # a checkpoint never stands for more than the log says after a power cut
        state = State(
            step=self._step,
            events_bytes=log.stat().st_size if log.exists() else 0,
            dtype=dtype_name(self._loaded.dtype),
            threads=torch.get_num_threads(),
            shared=self._scorer.shared,
            token_budget=self.learner.token_budget,
            skipped=self._skipped,
            seconds=time.monotonic() - self._began,
            held_out_loss=self._held_out_loss(),
            fresh_kl=self._bound.kl_at(self._step),
        )
        folder = checkpoints.save(self._folder, state, self.model, self.learner.optimizer)
        return checkpoint_saved(self._folder, folder, state)

    def _skip(self) -> events.Notice:
        self._skipped += 1
        if self._skipped <= _SKIPS_ALLOWED:
            text = f"Step {self._step + 1} gave a number that is not finite and was passed over."
            return events.Notice("not_finite", text)
        found = self._processes.first(lambda: latest_checkpoint(self._folder, by_step=self._sound))
        if found:
            adapter.put_back(self.model, found[0] / CHECKPOINT_ADAPTER)
            self._save_adapter()
        raise DivergedError(self._step + 1, kept_step=found[1].step if found else 0, folder=self._left)

    # -- after the last step ----------------------------------------------------------------------

    def finish(self) -> Iterator[events.Event]:
        """Save the adapter, measure it, answer the fixed prompts again, and say how it ended."""
        if self._step:
            self._save_adapter()
        if not (self._step and self.ready):
            reason, seconds = "drifted" if self._bound.passed else "stopped", time.monotonic() - self._began
            learnt = self._left if self._step else ""
            yield events.RunDone(reason, self._step, seconds, learnt, kept_step=self._step)
            return
        evaluated = yield from self._evaluate()
        if self._step and not self._due(self._settings.evaluate_every) and self._bound.kl_at(self._step) is None:
            if self._data.held_out:
                yield evaluated
            yield from self._bound.look(self._step)
        kept_step, best_step = yield from self._choose()
        if self._data.held_out:
            self._metrics = dict((yield from self._evaluate()).metrics)
        assert self._measured is not None
        logps = json.dumps(self._measured[1].logps, indent=1).encode()
        self._processes.first(lambda: write_file_whole(self._folder / FINAL_LOGPS_FILE, logps))
        if self._step:
            yield from self._answers("after")
        yield events.RunDone(
            reason="drifted" if self._bound.passed else "stopped" if self._stopped else "finished",
            steps=self._step,
            seconds=time.monotonic() - self._began,
            adapter=self._left,
            metrics=self._metrics,
            kept_step=kept_step,
            best_step=best_step,
        )

    def _choose(self) -> Generator[events.Event, None, tuple[int, int]]:
        """Keep the adapter of the best step, or lay it beside the last one's; the steps kept and best (0: unknown).

        The last one is that of the last measurement within the bound, where the run has drifted past it.
        """
        kept, last = self._step, self._held_out_loss()
        within = self._bound.fall_back() if self._bound.passed else None
        if within:
            kept, last = within[1].step, within[1].held_out_loss
            yield from self._go_back_to(within[0])
        if not self._data.held_out:
            return kept, 0
        best = self._processes.first(lambda: best_checkpoint(self._folder))
        if best is None or (last is not None and last <= best[2]):
            return kept, kept
        folder, state, _ = best
        if self._settings.keep == "last":
            target = self._folder / BEST_ADAPTER_FOLDER
            if self._settings.trains != "full":  # a whole model is too large to have twice
                self._processes.first(lambda: checkpoints.copy_adapter(folder, target))
            return kept, state.step
        yield from self._go_back_to(folder)
        return state.step, state.step

    def _go_back_to(self, checkpoint: Path) -> Iterator[events.Event]:
        """Keep a checkpoint's adapter instead of the last one, and measure it."""
        adapter.put_back(self.model, checkpoint / CHECKPOINT_ADAPTER)
        self._save_adapter()
        self._measured = None
        yield from self._evaluate()

    def _save_adapter(self) -> None:
        if self._settings.trains == "full":
            self._processes.first(lambda: whole.save(self.model, self._loaded.tokenizer, self._folder / MODEL_FOLDER))
        else:
            self._processes.first(lambda: adapter.save(self.model, self._folder / ADAPTER_FOLDER))

    def _answers(self, phase: str) -> Iterator[events.Event]:
        with WithoutDropout(self.model):
            for found in samples.answer(
                self.model,
                self._loaded.chat,
                self._prompts,
                context_length=self._loaded.context_length,
                together=self._scorer.shared,
            ):
                yield events.AnswerSampled(phase, found.prompt, found.text, found.finish_reason)

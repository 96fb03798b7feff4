"""What a worker process says: typed messages that travel as JSON lines.

A line is `{"v": PROTOCOL, "event": NAME, ...fields}`. Generation workers write them to a stdout that
is reserved for them; training workers append them to `events.jsonl` in the run's folder.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import UserError
from .surrogates import joined

PROTOCOL = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all messages."""


# -- any worker ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something worth telling that stops nothing; `code` names it for tests and for filtering."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The job (or the worker, when job is empty) could not go on.

    Attributes:
        message, hint: as in UserError.
        details: a traceback when it is a bug, else empty.
        diverged: a run's numbers are not finite any more, which going on with it would not mend.
        kept: the folder, relative to that run's, of what it had learnt before; empty where there is nothing.
    """

    message: str
    hint: str = ""
    details: str = ""
    job: str = ""
    diverged: bool = False
    kept: str = ""


# -- generation ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelLoading(Event):
    """A model is being found or loaded; `stage` is a phrase such as "converting the starter model"."""

    base: str
    stage: str


@dataclass(frozen=True, slots=True)
class ModelLoaded(Event):
    """A model can answer. One behind a server has the device "server"; its size and context are 0, unknown.

    `plain_template`: its tokenizer has no chat template, so that prompts are written in a plain one of our own.
    """

    base: str
    adapter: str | None
    device: str
    dtype: str
    parameters: int
    context_length: int
    tokenizer_hash: str
    seconds: float
    plain_template: bool = False


@dataclass(frozen=True, slots=True)
class TokensDecoded(Event):
    """Newly decoded text of one candidate; texts concatenate to the completion so far."""

    job: str
    group: int
    candidate: int
    text: str


@dataclass(frozen=True, slots=True)
class CompletionFinished(Event):
    """One candidate is done. `token_ids` are the sampled ones; `logp` is their summed log-probability.

    A server tells neither: its answers have no ids, an empty `tokenizer_hash`, and None for `logp`.
    Where a stop string cut a token in two, `token_ids` are those of the text, and `logp` is None.
    """

    job: str
    group: int
    candidate: int
    text: str
    token_ids: tuple[int, ...]
    tokenizer_hash: str
    logp: float | None
    finish_reason: str
    seed: int


@dataclass(frozen=True, slots=True)
class GroupFinished(Event):
    job: str
    group: int
    seconds: float
    tokens: int


@dataclass(frozen=True, slots=True)
class GroupRefused(Event):
    """One prompt could not be answered (too long, say); the job goes on with the next."""

    job: str
    group: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """All of a generation job is done, or it was cancelled; `reason` is "done" or "cancelled"."""

    job: str
    reason: str


# -- judging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupJudged(Event):
    """A judge has looked at one group.

    Attributes:
        ranks: one per answer, in the order in which they were sent; empty where it has no opinion, for in each of its
            pairs the two orders named different answers.
        note: why, in a sentence.
        confidence: how sure it is of the order, a half to 1; None where that is not known.
        pairs: pairs of answers that a model compared, each in both orders.
        disagreements: those of them in which the two orders named different answers.
        first_shown: answers to a question that named the one shown first.
        asked, unanswered: questions, and those whose answer was no answer.
    """

    job: str
    group: int
    ranks: tuple[int, ...]
    note: str
    seconds: float
    confidence: float | None = None
    pairs: int = 0
    disagreements: int = 0
    first_shown: int = 0
    asked: int = 0
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class GroupNotJudged(Event):
    """A judge could not rank one group; the job goes on with the next. Numbers as in GroupJudged."""

    job: str
    group: int
    message: str
    hint: str = ""
    asked: int = 0
    unanswered: int = 0


# -- training -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The model is loaded and the data is in order; `first_step` is above 0 after a resume.

    `longer`: of the rankings that train, in how many the best answer is longer than the worst, and in how many the two
    differ in length; by tokens.
    """

    steps: int
    groups: int
    held_out_groups: int
    device: str
    dtype: str
    parameters: int
    trainable_parameters: int
    tokenizer_hash: str = ""
    first_step: int = 0
    longer: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    """One optimiser step, measured over its whole effective batch.

    `metrics` holds loss, reward_best, reward_worst, margin, accuracy, wrongness (σ(−d) over the pairs), kendall_tau,
    length_correlation, logp_best, logp_worst, logratio_best, logratio_worst, grad_norm, learning_rate, tokens_per_s,
    memory_gb.
    """

    step: int
    epoch: float
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Evaluated(Event):
    """The held-out groups measured after `step` optimiser steps; names as in StepDone."""

    step: int
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Sampled(Event):
    """Fresh answers of the policy after `step` optimiser steps, measured.

    `metrics` holds kl (KL(π_θ ‖ π_ref) in nats a response, None without a reference at hand), kl_per_token, mean_length
    (tokens), distinct_1, distinct_2, finished (share that ended by themselves), time_share (of the run so far).
    """

    step: int
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class AnswerSampled(Event):
    """An answer to one of the run's fixed prompts.

    `phase` is "before" or "after" for the most probable answer, "step 12" for one drawn after 12 optimiser steps.
    """

    phase: str
    prompt: int
    text: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Estimated(Event):
    """What a run is expected to take, by a measured step: seconds from the loaded model to the end, and memory."""

    seconds: float
    memory_gb: float
    step_seconds: float
    steps: int


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    step: int
    folder: str


@dataclass(frozen=True, slots=True)
class RunDone(Event):
    """The adapter is saved in `adapter` (relative to the run); `reason` is "finished", "stopped" or "drifted".

    `adapter` is empty where no step was made, so that nothing was learnt.

    A run has "drifted" when its fresh answers passed the bound that was set on their KL.

    Attributes:
        metrics: of the adapter that is kept, on the held-out groups; of the last step where there are none.
        kept_step: the step that the adapter is of.
        best_step: the step with the lowest held-out loss; 0 where that is unknown.
    """

    reason: str
    steps: int
    seconds: float
    adapter: str
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    kept_step: int = 0
    best_step: int = 0


_EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        Notice,
        Failed,
        ModelLoading,
        ModelLoaded,
        TokensDecoded,
        CompletionFinished,
        GroupFinished,
        GroupRefused,
        JobFinished,
        GroupJudged,
        GroupNotJudged,
        RunStarted,
        StepDone,
        Evaluated,
        Sampled,
        AnswerSampled,
        Estimated,
        CheckpointSaved,
        RunDone,
    )
}


def to_line(event: Event) -> str:
    """The event as one JSON line, newline included. Numbers that are not finite become null, half characters U+FFFD."""
    body = {"v": PROTOCOL, "event": type(event).__name__, **dataclasses.asdict(event)}
    return joined(json.dumps(_finite(body), ensure_ascii=False, allow_nan=False)) + "\n"


def from_line(line: str) -> Event | None:
    """The event of one line; None for one that this version does not know or that was cut short.

    Raises:
        UserError: the line speaks a newer protocol.
    """
    try:
        body = json.loads(line)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    version = body.pop("v", PROTOCOL)
    if not isinstance(version, int):
        return None
    if version > PROTOCOL:
        raise UserError("This run was made by a newer DPO Studio.", "Open it with that version, or update this one.")
    name = body.pop("event", "")
    cls = _EVENTS.get(name) if isinstance(name, str) else None
    if cls is None:
        return None
    known = cls.__dataclass_fields__
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in body.items() if name in known}
    try:
        return cls(**values)
    except TypeError:
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value

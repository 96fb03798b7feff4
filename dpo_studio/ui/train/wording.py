"""The sentences of the Train page: what will be trained, how long, how it ended. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.jobs.estimating import compare
from dpo_studio.jobs.training import Outcome

from .record import RunRecord

if TYPE_CHECKING:
    from dpo_studio.core.types import Policy
    from dpo_studio.store.runs import TrainingData

STARTER_NAME = "SmolLM2-135M (starter)"

#: What an empty page says, and the text and the page of its button.
EMPTY_NO_PROJECT = ("Open a project to train on its labels.", "", "")
NOTHING_YET = "There is nothing to train on yet: "
EMPTY_NO_LABELS = (f"{NOTHING_YET}rank some answers first.", "Go to Label", "label")
EMPTY_ALL_HELD_OUT = (
    "Every ranking so far is on a held-out prompt, which is kept for measuring: label a few more groups.",
    "Go to Label",
    "label",
)


def data_sentence(data: TrainingData) -> str:
    """What trains, what is held out, and what teaches nothing."""
    text = f"{_count(len(data.train), 'ranking')} {'trains' if len(data.train) == 1 else 'train'} it"
    if data.held_out:
        text += f", {len(data.held_out)} {'is' if len(data.held_out) == 1 else 'are'} held out to measure it"
    else:
        text += ", none is held out, so the curves show training only"
    if data.all_tied:
        text += f"; {_count(data.all_tied, 'complete tie')} {'teaches' if data.all_tied == 1 else 'teach'} nothing"
    return text + "."


def empty_state(
    data: TrainingData | None, no_labels: tuple[str, str, str] = EMPTY_NO_LABELS
) -> tuple[str, str, str] | None:
    """The sentence, the button's text and its page where there is nothing to train on; else None.

    Args:
        no_labels: the same for where nothing is ranked at all.
    """
    if data is None:
        return EMPTY_NO_PROJECT
    if data.train:
        return None
    if data.held_out:
        return EMPTY_ALL_HELD_OUT
    if data.all_tied:
        every = "The only ranking is a complete tie" if data.all_tied == 1 else f"All {data.all_tied} rankings are ties"
        return f"{every}, and a tie alone teaches nothing: rank one answer above another.", "Go to Label", "label"
    return no_labels


def steps_sentence(settings: TrainingSettings, groups: int) -> str:
    """How many optimiser steps these settings make of this many groups."""
    steps = settings.steps_over(groups)
    return f"{_count(settings.epochs, 'pass', 'passes')} over {_count(groups, 'ranking')}: {_count(steps, 'step')}"


def why_refused(data: TrainingData, method: str) -> str:
    """Why the method cannot use the rankings; nothing where it can."""
    try:
        data.check(method)
    except UserError as error:
        return f"{error.message} {error.hint}"
    return ""


def duration(seconds: float) -> str:
    """A time as a person says it: "40 s", "3 min", "1 h 5 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def ending(name: str, outcome: Outcome, record: RunRecord) -> str:
    """How a run stands, in a sentence."""
    done = record.done
    took = f" It took {duration(done.seconds)}." if done and done.seconds >= 1 else ""
    match outcome.state:
        case "finished":
            steps = done.steps if done else record.step
            took = _beside_the_estimate(record) or took
            return f"{name} is trained: {_count(steps, 'step')}.{took}{_measured(record)}{_best(record)}"
        case "stopped":
            steps = done.steps if done else record.step
            if done and done.reason == "drifted":
                learnt = (
                    f"{name} had drifted past its bound by step {steps}, so training ended there; what it had learnt"
                    f" by step {done.kept_step} is kept."
                )
                return f"{learnt}{took}{_measured(record)}{_best(record)}"
            learnt = f"{name} was stopped after {_count(steps, 'step')}; what it had learnt is kept."
            if not steps:
                learnt = f"{name} was stopped before its first step, so it has learnt nothing."
            return f"{learnt}{_measured(record)}{_best(record)}"
        case "new":
            return f"{name} is ready and was not started yet."
        case "running":
            return f"{name} is training."
        case "interrupted":
            return outcome.reason
        case _:
            return f"{name} could not go on. {outcome.reason}"


def policy_title(policy: Policy) -> str:
    """A policy's name for a list."""
    name = STARTER_NAME if policy.name == "starter" else policy.name
    name = name.replace("starter + ", f"{STARTER_NAME} + ")
    return f"{name} · round {policy.round}" if policy.round else name


def number(value: float | None, digits: int = 3) -> str:
    """A measured value for the eye; a dash where there is none."""
    if value is None:
        return "–"
    if value and abs(value) < 10 ** -(digits - 1):
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _beside_the_estimate(record: RunRecord) -> str:
    if record.expected is None or record.done is None:
        return ""
    return f" {compare(record.expected, seconds=record.done.seconds, memory_gb=record.memory_gb)}"


def _measured(record: RunRecord) -> str:
    """The held-out accuracy at the start and at the end, where both are known."""
    series, done = record.held_out.get("accuracy"), record.done
    if series is None or len(series) < 2 or series.last() is None:
        return ""
    first, groups = series.at(series.steps[0]), record.started.held_out_groups if record.started else 0
    if first is None or not groups:
        return ""
    now = series.at(done.kept_step) if done and done.kept_step else None
    few = " (few, so read the answers rather than the number)" if groups < 20 else ""
    return (
        f" On {_count(groups, 'held-out ranking')}{few} it now orders {percent(series.last() if now is None else now)}"
        f" of the pairs as you did; {percent(first)} at the start."
    )


def _best(record: RunRecord) -> str:
    """Which step was the best on the held-out rankings, where that is not the last."""
    done, losses = record.done, record.held_out.get("loss")
    if done is None or not done.best_step or done.best_step == done.steps:
        return ""
    drifted = done.reason == "drifted"
    if drifted and done.kept_step == done.best_step:  # which is kept was said, and the loss went on falling past it
        return ""
    best, last = (losses.at(done.best_step), losses.last()) if losses and not drifted else (None, None)
    compared = f" ({number(best)}; {number(last)} at the end)" if best is not None and last is not None else ""
    text = f" {'Within the bound their' if drifted else 'Their'} loss was lowest at step {done.best_step}{compared}"
    if done.kept_step == done.best_step:
        return f"{text}, and what it had learnt by then is kept."
    if done.adapter == "model":  # a whole model is too large to have twice
        return f"{text}: to keep that, train again with Keep set to the best step (under Advanced)."
    return f"{text}: that step is in Generate too, as a model of its own."


def _count(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"

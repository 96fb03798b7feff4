"""What the curves mean, in plain words, with what to do about it. Pure functions of the series.

Each reading belongs to a curve and a step, so that it can be shown beside what triggers it. They are rules of
thumb, not tests: they say what to look at, and never stop a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .record import Series

#: A change of a completion's summed log-probability (nats) below this is not worth a word.
SMALL_CHANGE_NATS = 0.5
DISPLACED_NATS = 1.0
FAR_NATS = 60.0
ALL_RIGHT = 0.995
#: KL of a fresh answer from the reference, in nats.
DRIFTED_NATS = 10.0
#: What is left of the variety or the length that fresh answers had, to be worth a word.
COLLAPSED, SHRUNK, RUN_AWAY = 0.75, 0.5, 2.0
#: Correlation between the rewards' gaps and the lengths' gaps, from where on length explains most of what is learnt.
MOSTLY_LENGTH = 0.8
_AGAINST_LENGTH = "If you did not mean to teach length: try LD-DPO or SimPO, and compare answers of like length."


@dataclass(frozen=True, slots=True)
class Reading:
    """One finding.

    Attributes:
        code: its name, for tests and for hiding it. curve: the key of the curve it belongs to.
        step: where on the curve. sentence: what is seen. offer: what to try.
    """

    code: str
    curve: str
    step: int
    sentence: str
    offer: str


@dataclass(frozen=True, slots=True)
class _Run:
    train: Mapping[str, Series]
    held_out: Mapping[str, Series]
    fresh: Mapping[str, Series]
    steps: int
    beta: float
    longer: tuple[int, int] = (0, 0)


def read(
    train: Mapping[str, Series],
    held_out: Mapping[str, Series],
    fresh: Mapping[str, Series],
    *,
    steps: int,
    beta: float,
    kept: int = 0,
    longer: tuple[int, int] = (0, 0),
) -> list[Reading]:
    """All findings on a run as it stands, the gravest first.

    Those of a run that kept an earlier step than its last speak of the model at that step; what was no number is told
    wherever it was.

    Args:
        train, held_out, fresh: series by metric name; the last are of fresh answers.
        steps: optimiser steps of the whole run; 0 when unknown.
        beta: the run's β, which turns rewards back into nats.
        kept: the step that was kept where it is not the last; else 0.
        longer: of the rankings that train, in how many the best answer is the longer one, and in how many one is.
    """
    run = _Run(train, held_out, fresh, steps, beta, longer)
    ruined = _not_finite(run)
    if kept:
        run = _Run(_until(train, kept), _until(held_out, kept), _until(fresh, kept), steps, beta, longer)
    rules: tuple[Callable[[_Run], Reading | None], ...] = (
        _drifted,
        _repeating,
        _length_runs,
        _length_is_learnt,
        _displacement,
        _memorising,
        _far_from_the_start,
        _nothing_moves,
    )
    return [reading for reading in (ruined, *(rule(run) for rule in rules)) if reading is not None]


def _until(metrics: Mapping[str, Series], step: int) -> dict[str, Series]:
    return {name: series.until(step) for name, series in metrics.items()}


def _not_finite(run: _Run) -> Reading | None:
    for name in ("loss", "grad_norm"):
        series = run.train.get(name)
        if series is None:
            continue
        for step, value in zip(series.steps, series.values, strict=True):
            if not math.isfinite(value):
                what = "loss" if name == "loss" else "gradient"
                return Reading(
                    "not_finite",
                    "loss",
                    step,
                    f"At step {step} the {what} was not a number, so that step could not be used.",
                    "Try a lower learning rate, or float32 weights.",
                )
    return None


def _drifted(run: _Run) -> Reading | None:
    kl = _finite(run.fresh.get("kl"))
    if not kl or kl[-1][1] <= DRIFTED_NATS:
        return None
    return Reading(
        "drifted",
        "kl",
        kl[-1][0],
        f"Its own answers are {kl[-1][1]:.0f} nats from where it began: it has drifted too far.",
        "Read the answers; try a higher beta, a lower learning rate or fewer passes.",
    )


def _repeating(run: _Run) -> Reading | None:
    """Fresh answers lose their variety: they repeat themselves."""
    variety = _finite(run.fresh.get("distinct_2"))
    if len(variety) < 2:
        return None
    (_, first), (step, last) = variety[0], variety[-1]
    if last >= COLLAPSED * first:
        return None
    return Reading(
        "repeating",
        "kl",
        step,
        f"Its fresh answers repeat themselves: {last:.0%} of their word pairs differ, {first:.0%} at the start.",
        "It has drifted too far: try a higher beta, a lower learning rate or fewer passes.",
    )


def _length_runs(run: _Run) -> Reading | None:
    """Fresh answers get much longer or shorter: length is being learnt."""
    length = _finite(run.fresh.get("mean_length"))
    if len(length) < 3:
        return None
    first, last = length[0][1], (length[-2][1] + length[-1][1]) / 2
    if not first or SHRUNK * first <= last <= RUN_AWAY * first:
        return None
    return Reading(
        "length_runs",
        "length",
        length[-1][0],
        f"Its answers are {'longer' if last > first else 'shorter'}: {last:.0f} tokens, {first:.0f} at the start.",
        f"{_length_in_the_labels(run)}{_AGAINST_LENGTH}",
    )


def _length_is_learnt(run: _Run) -> Reading | None:
    for series in (run.held_out, run.train):
        found = _finite(series.get("length_correlation"))
        if len(found) < 3:
            continue
        if abs(_end(found)) < MOSTLY_LENGTH:
            return None
        kind = "Longer" if _end(found) > 0 else "Shorter"
        return Reading(
            "length_learnt",
            "margin",
            found[-1][0],
            f"{kind} answers get the higher reward almost throughout (correlation {_end(found):+.2f}): it may be"
            " learning length.",
            f"{_length_in_the_labels(run)}{_AGAINST_LENGTH}",
        )
    return None


def _length_in_the_labels(run: _Run) -> str:
    """What the labels say of length, for the readings about it."""
    wins, told = run.longer
    if not told:
        return ""
    which, count = ("longer", wins) if 2 * wins >= told else ("shorter", told - wins)
    return f"In your rankings the best answer is the {which} one {count} times of {told}. "


def _displacement(run: _Run) -> Reading | None:
    """The best answers get less likely while the margin grows (arXiv 2410.08847)."""
    for series in (run.held_out, run.train):
        best, margin = _finite(series.get("logratio_best")), _finite(series.get("margin"))
        if len(best) < 3 or len(margin) < 3:
            continue
        fall, rise = _end(best) - _start(best), _end(margin) - _start(margin)
        if fall < -DISPLACED_NATS and rise > SMALL_CHANGE_NATS * run.beta and _end(best) < -DISPLACED_NATS:
            return Reading(
                "displacement",
                "rewards",
                best[-1][0],
                f"The best answers are becoming less likely too (by {-_end(best):.1f} nats): the model learns what to "
                "avoid faster than what to say.",
                "Try the method DPO-Positive, or set “imitate the best” to 1; fewer passes or a higher beta help too.",
            )
        return None
    return None


def _memorising(run: _Run) -> Reading | None:
    train, held_out = _finite(run.train.get("accuracy")), _finite(run.held_out.get("accuracy"))
    if len(train) < 6 or len(held_out) < 3:
        return None
    newest = train[-max(3, len(train) // 4) :]
    if sum(value for _, value in newest) / len(newest) < ALL_RIGHT:
        return None
    middle = held_out[len(held_out) // 2][1]
    last_step, last = held_out[-1]
    if last > middle or last >= ALL_RIGHT:
        return None
    return Reading(
        "memorising",
        "accuracy",
        last_step,
        f"It gets every training ranking right, and {last:.0%} of the held-out ones, which no longer rises: it is "
        "learning these answers by heart.",
        "Try fewer passes, a higher beta, or more labels.",
    )


def _far_from_the_start(run: _Run) -> Reading | None:
    for series in (run.held_out, run.train):
        worst = _finite(series.get("logratio_worst"))
        if worst and _end(worst) < -FAR_NATS:
            return Reading(
                "far",
                "rewards",
                worst[-1][0],
                f"The worst answers are {-_end(worst):.0f} nats less likely than before: the model has moved far from "
                "where it began.",
                "Read the answers before and after; if they have suffered, try a lower learning rate or a higher beta.",
            )
    return None


def _nothing_moves(run: _Run) -> Reading | None:
    margin = _finite(run.train.get("margin"))
    if not run.steps or not margin or margin[-1][0] < run.steps / 2:
        return None
    newest = margin[-max(3, len(margin) // 4) :]
    mean = sum(value for _, value in newest) / len(newest)
    if abs(mean) >= SMALL_CHANGE_NATS * run.beta:
        return None
    return Reading(
        "nothing_moves",
        "margin",
        margin[-1][0],
        f"After {margin[-1][0]} of {run.steps} steps the model likes the best answers hardly more than the worst.",
        "Try a learning rate three times as high, more passes, or more labels.",
    )


def _finite(series: Series | None) -> list[tuple[int, float]]:
    if series is None:
        return []
    return [(s, v) for s, v in zip(series.steps, series.values, strict=True) if math.isfinite(v)]


def _start(points: list[tuple[int, float]]) -> float:
    """The mean of the first fifth."""
    head = points[: max(1, len(points) // 5)]
    return sum(value for _, value in head) / len(head)


def _end(points: list[tuple[int, float]]) -> float:
    """The mean of the last fifth."""
    tail = points[-max(1, len(points) // 5) :]
    return sum(value for _, value in tail) / len(tail)

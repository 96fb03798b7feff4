"""The numbers of the report, each with its interval and the groups behind it. A number with too few data is None."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from dpo_studio.core import label_bias
from dpo_studio.core.types import GroupId, Ranking
from dpo_studio.evaluation.intervals import wilson

from . import agreement, cycles
from .agreement import Figure, Kappa, Ranks, Verdict
from .labels import Comparison, Labels

#: Fewer than this, and a share or an agreement is not given.
ENOUGH = label_bias.ENOUGH_LABELS
#: That many labels may be fast: some answers are seen to be wrong before they are read to their end.
HASTY_SHARE = 0.2
#: Agreement up to this is "fair" at most (Landis and Koch 1977).
LOW_AGREEMENT = 0.4
#: Labels in the picture of lengths, evenly over all of them.
POINTS = 2000


def share(part: int, whole: int) -> dict[str, Any]:
    """A count with its share and the Wilson interval of it."""
    if whole < ENOUGH:
        return {"count": part, "of": whole, "share": None, "interval": None}
    found = wilson(part, whole)
    return {"count": part, "of": whole, "share": found.value, "interval": [found.low, found.high]}


def position(ranked: Labels) -> dict[str, Any]:
    """How often the best was shown before the worst, in the order that was recorded when the label was given.

    Under fair shuffling each label is an even bet, so `p` is the exact binomial test. `groups` and `rankings` are those
    that lean the way most do. `places` counts where the one best answer stood, by the number of answers shown.
    """
    told = [(group.id, label.id, int(later < 0)) for group, label in ranked if (later := _later(label))]
    values = _leaning([(key, win) for key, _, win in told])
    values["rankings"] = [label for _, label, win in told if win == _side(values["count"], values["of"])]
    counts: dict[int, list[int]] = {}
    for _, label in ranked:
        best = [key for key, rank in label.ranks.items() if rank == 1]
        if len(best) == 1 and set(label.ranks) == set(label.presented):
            row = counts.setdefault(len(label.presented), [0] * len(label.presented))
            row[label.presented.index(best[0])] += 1
    return {**values, "places": [{"size": size, "counts": row} for size, row in sorted(counts.items())]}


def _later(label: Ranking) -> float | None:
    """How many places after the worst the best was shown; None where that was not recorded or nothing is ordered."""
    place = {key: float(number) for number, key in enumerate(label.presented)}
    return label_bias.best_minus_worst(label.ranks, place) if label.ranks.keys() <= place.keys() else None


def length(ranked: Labels) -> dict[str, Any]:
    """How often the best is longer than the worst, and by how many characters on average.

    One label a group, the earliest: several annotators of one group are no independent trials of its lengths. `p` is
    the exact binomial test, `mean_gap_interval` Student's. `points` are [group, characters of the best, of the worst].
    """
    one: dict[GroupId, tuple[Comparison, Ranking]] = {}
    for group, label in sorted(ranked, key=lambda item: item[1].id):
        one.setdefault(group.id, (group, label))
    points = [
        (group.id, *ends) for group, label in one.values() if (ends := _ends(label.ranks, group.lengths)) is not None
    ]
    gaps = [(key, best - worst) for key, best, worst in points]
    gaps.sort(key=lambda item: -abs(item[1]))
    values = _leaning([(key, int(gap > 0)) for key, gap in gaps if gap])
    some = points[:: max(1, -(-len(points) // POINTS))]
    values["points"] = [[key, round(best, 1), round(worst, 1)] for key, best, worst in some]
    if len(gaps) < ENOUGH:
        return {**values, "mean_gap": None, "mean_gap_interval": None}
    told = [gap for _, gap in gaps]
    mean = float(np.mean(told))
    half = float(stats.t.ppf(0.975, len(told) - 1) * np.std(told, ddof=1) / math.sqrt(len(told)))
    return {**values, "mean_gap": mean, "mean_gap_interval": [mean - half, mean + half]}


def hasty(labels: Labels) -> dict[str, Any]:
    """Rankings that took less time than their answers take to read (see `reading`), the fastest first.

    `p` is the one-sided exact binomial test against `HASTY_SHARE`.
    """
    timed = [
        (label.seconds, group, label)
        for group, label in labels
        if label.seconds is not None and label.kind == "ranking"
    ]
    fast = [(seconds / group.reading_s, group, label) for seconds, group, label in timed if seconds < group.reading_s]
    fast.sort(key=lambda item: item[0])
    enough = len(timed) >= ENOUGH
    p = float(stats.binomtest(len(fast), len(timed), HASTY_SHARE, alternative="greater").pvalue) if enough else None
    return {
        **share(len(fast), len(timed)),
        "p": p,
        "median_s": statistics.median([seconds for seconds, _, _ in timed]) if timed else None,
        "rankings": [label.id for _, _, label in fast],
        "groups": _different(group.id for _, group, _ in fast),
    }


def with_oneself(labels: Labels) -> dict[str, Any]:
    """Pairs of the repeated groups on which the same annotator said the same; re-labels are no repeats.

    `groups` are the repeats that were answered otherwise.
    """
    by_key = {(group.id, label.annotator): label for group, label in labels if label.kind == "ranking"}
    said: dict[tuple[GroupId, str], list[Verdict]] = {}
    for group, label in labels:
        before = by_key.get((group.repeat_of, label.annotator)) if group.repeat_of is not None else None
        if before is not None and label.kind == "ranking":
            said[group.id, label.annotator] = agreement.verdicts(before.ranks, label.ranks)
    pairs = [pair for found in said.values() for pair in found]
    otherwise = {key: found for (key, _), found in said.items() if any(a != b for a, b in found)}
    return {
        **share(sum(a == b for a, b in pairs), len(pairs)),
        **_kappa_fields(agreement.kappa_of(said.values()) if len(pairs) >= ENOUGH else None),
        "groups": list(otherwise),
    }


def between(ranked: Labels) -> dict[str, Any]:
    """How annotators agree on the groups that several of them ranked.

    `groups` is how many those are, `disagreeing` which of them are not ranked alike, the most different first; of each
    two annotators the kappa on pairs, and of all the ordinal alpha and the mean of Kendall's W with their intervals;
    `chance_w` is the mean that annotators have who rank by chance.
    """
    by_group: dict[GroupId, dict[str, Ranks[Any]]] = defaultdict(dict)
    for group, label in ranked:
        by_group[group.id][label.annotator] = label.ranks
    shared = {key: by for key, by in by_group.items() if len(by) > 1}
    said: dict[tuple[str, str], dict[GroupId, list[Verdict]]] = defaultdict(dict)
    for key, by in shared.items():
        for a, b in combinations(sorted(by), 2):
            said[a, b][key] = agreement.verdicts(by[a], by[b])
    enough = len(shared) >= ENOUGH
    rankings = [list(by.values()) for by in shared.values()] if enough else []
    alpha = agreement.alpha_of(rankings)
    mean_w = agreement.mean_concordance(one for one in rankings if len({frozenset(ranks) for ranks in one}) == 1)
    pairs = [pair for of_two in said.values() for pair in of_two.items()]
    return {
        "groups": len(shared),
        "annotators": len({name for by in shared.values() for name in by}),
        "kappas": [_of_two(names, found) for names, found in sorted(said.items())],
        **_figure_fields("alpha", alpha),
        **_figure_fields("mean_w", mean_w),
        "chance_w": _mean([1 / len(one) for one in rankings]),
        "disagreeing": _most_different(pairs),
    }


def circles(ranked: Labels) -> list[dict[str, Any]]:
    """Sets of answers that no order fits: {"completions": [id, …], "groups": [those in which two of them meet]}."""
    found = cycles.find(label.ranks for _, label in ranked)
    member = {key: number for number, keys in enumerate(found) for key in keys}
    groups: dict[int, dict[GroupId, None]] = defaultdict(dict)
    for group, _ in ranked if found else ():
        inside = [member[key] for key in group.lengths if key in member]
        for number in set(inside):
            if inside.count(number) > 1:
                groups[number][group.id] = None
    return [{"completions": keys, "groups": list(groups[number])} for number, keys in enumerate(found)]


def _of_two(names: Sequence[str], by_group: Mapping[GroupId, Sequence[Verdict]]) -> dict[str, Any]:
    pairs = sum(len(found) for found in by_group.values())
    same = sum(a == b for found in by_group.values() for a, b in found)
    return {
        "annotators": list(names),
        "pairs": pairs,
        "same": same,
        **_kappa_fields(agreement.kappa_of(by_group.values()) if pairs >= ENOUGH else None),
        "groups": _most_different(by_group.items()),
    }


def _figure_fields(name: str, figure: Figure | None) -> dict[str, Any]:
    told = None if figure is None or figure.interval is None else list(figure.interval)
    return {name: None if figure is None else figure.value, f"{name}_interval": told}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _kappa_fields(kappa: Kappa | None) -> dict[str, Any]:
    return {
        "kappa": None if kappa is None else kappa.value,
        "kappa_interval": None if kappa is None else [kappa.low, kappa.high],
        "p": None if kappa is None else kappa.p_below(LOW_AGREEMENT),
    }


def _most_different(pairs: Iterable[tuple[GroupId, Sequence[Verdict]]]) -> list[GroupId]:
    """The groups with pairs that two annotators see differently, those with the most (opposite counts double) first."""
    apart: dict[GroupId, int] = defaultdict(int)
    for key, found in pairs:
        apart[key] += sum(abs(a - b) for a, b in found)
    return [key for key, much in sorted(apart.items(), key=lambda item: (-item[1], item[0])) if much]


def _leaning(trials: Sequence[tuple[GroupId, int]]) -> dict[str, Any]:
    """A share of wins, its exact two-sided test, and the groups on the side of the most."""
    lean = label_bias.Lean(sum(win for _, win in trials), len(trials))
    side = _side(lean.wins, lean.total)
    return {
        **share(lean.wins, lean.total),
        "p": lean.p_value if lean.total >= ENOUGH else None,
        "groups": _different(key for key, win in trials if win == side),
    }


def _side(wins: int, total: int) -> int:
    """What most trials are: won, or not."""
    return int(wins * 2 > total)


def _ends(ranks: Ranks[Any], lengths: Mapping[Any, int]) -> tuple[float, float] | None:
    """Mean length of the best and of the last bucket; None when nothing is ordered."""
    placed = agreement.places(ranks)
    if not placed or min(placed.values()) == max(placed.values()):
        return None
    first, last = min(placed.values()), max(placed.values())
    best = [lengths[key] for key, place in placed.items() if place == first]
    worst = [lengths[key] for key, place in placed.items() if place == last]
    return sum(best) / len(best), sum(worst) / len(worst)


def _different(ids: Iterable[GroupId]) -> list[GroupId]:
    return list(dict.fromkeys(ids))

"""The whole report on a project's labels: numbers for a script, sentences for a person.

Judges are kept apart from people. A number with too few data behind it is None.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from dpo_studio.core import label_bias
from dpo_studio.core.types import Group, Ranking
from dpo_studio.evaluation.intervals import wilson
from dpo_studio.store import Project, completions, prompts, rankings

from . import agreement, cycles
from .reading import seconds_to_read

#: Fewer than this, and a share or an agreement is not given.
ENOUGH = label_bias.ENOUGH_LABELS
HASTY_SHARE = 0.2
LOW_AGREEMENT = 0.4

Labels = Sequence[tuple[Group, Ranking]]


def make(project: Project) -> dict[str, Any]:
    """Everything that can be said: {"people": …, "judges": …, "duplicates": …, "findings": [sentence, …]}."""
    found = rankings.all_current(project, annotator_kind=None)
    groups = {g.id: g for g in completions.get_groups(project, {r.group_id: None for r in found})}
    people = [(groups[r.group_id], r) for r in found if r.annotator_kind == "person"]
    judges = [(groups[r.group_id], r) for r in found if r.annotator_kind == "judge"]
    values: dict[str, Any] = {
        "people": of_labels(people),
        "judges": of_labels(judges),
        "duplicates": _duplicates(project, list(groups.values())),
    }
    values["findings"] = _findings(values)
    return values


def of_labels(labels: Labels) -> dict[str, Any]:
    """The numbers of one kind of annotator."""
    first = [(group, label) for group, label in labels if group.repeat_of is None]
    ranked = [(group, label) for group, label in first if label.kind == "ranking"]
    tied = sum(_has_tie(label) for _, label in ranked)
    return {
        "labels": len(first),
        "repeats": len(labels) - len(first),
        "kinds": dict(Counter(label.kind for _, label in first)),
        "ties": _share(tied, len(ranked)),
        "skips": _share(sum(label.kind == "skip" for _, label in first), len(first)),
        "a_day": dict(sorted(Counter(label.created[:10] for _, label in first).items())),
        "length": _length(ranked),
        "position": _lean(label_bias.earlier_shown([(label.ranks, label.presented) for _, label in ranked])),
        "hasty": _hasty(first),
        "with_oneself": _with_oneself(labels),
        "between": _between(ranked),
        "cycles": cycles.find(label.ranks for _, label in ranked),
    }


def _share(part: int, whole: int) -> dict[str, Any]:
    if whole < ENOUGH:
        return {"count": part, "of": whole, "share": None, "interval": None}
    share = wilson(part, whole)
    return {"count": part, "of": whole, "share": share.value, "interval": [share.low, share.high]}


def _lean(lean: label_bias.Lean) -> dict[str, Any]:
    enough = lean.total >= ENOUGH
    return {**_share(lean.wins, lean.total), "p": lean.p_value if enough else None}


def _length(ranked: Labels) -> dict[str, Any]:
    """One label a group, the earliest: several annotators of one group are no independent trials of its lengths."""
    one: dict[int, tuple[Group, Ranking]] = {}
    for group, label in sorted(ranked, key=lambda item: item[1].id):
        one.setdefault(group.id, (group, label))
    trials = [(label.ranks, {c.id: float(len(c.text)) for c in group.completions}) for group, label in one.values()]
    told = [gap for ranks, lengths in trials if (gap := label_bias.best_minus_worst(ranks, lengths)) is not None]
    values = _lean(label_bias.longer(trials))
    if len(told) < ENOUGH:
        return {**values, "mean_gap": None, "mean_gap_interval": None}
    mean = float(np.mean(told))
    half = float(stats.t.ppf(0.975, len(told) - 1) * np.std(told, ddof=1) / math.sqrt(len(told)))
    return {**values, "mean_gap": mean, "mean_gap_interval": [mean - half, mean + half]}


def _hasty(labels: Labels) -> dict[str, Any]:
    timed = [(g, label) for g, label in labels if label.seconds is not None and label.kind == "ranking"]
    fast = [
        label.id for g, label in timed if (label.seconds or 0.0) < sum(seconds_to_read(c.text) for c in g.completions)
    ]
    return {**_share(len(fast), len(timed)), "rankings": fast}


def _with_oneself(labels: Labels) -> dict[str, Any]:
    """Pairs of the repeated groups on which the same annotator said the same; re-labels are no repeats."""
    by_key = {(group.id, label.annotator): label for group, label in labels if label.kind == "ranking"}
    pairs = []
    for group, label in labels:
        before = by_key.get((group.repeat_of, label.annotator)) if group.repeat_of is not None else None
        if before is not None and label.kind == "ranking":
            pairs += agreement.verdicts(before.ranks, label.ranks)
    kappa = agreement.cohen_kappa(pairs) if len(pairs) >= ENOUGH else None
    return {**_share(sum(a == b for a, b in pairs), len(pairs)), "kappa": kappa}


def _between(ranked: Labels) -> dict[str, Any]:
    by_group: dict[int, dict[str, Mapping[Any, int | None]]] = defaultdict(dict)
    for group, label in ranked:
        by_group[group.id][label.annotator] = label.ranks
    shared = {key: by for key, by in by_group.items() if len(by) > 1}
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    rows: dict[str, dict[tuple[int, int], int]] = defaultdict(dict)
    concordances = []
    for key, by in shared.items():
        for a, b in combinations(sorted(by), 2):
            pairs[a, b] += agreement.verdicts(by[a], by[b])
        for name, ranks in by.items():
            rows[name] |= {(key, c): place for c, place in agreement.places(ranks).items()}
        if len({frozenset(ranks) for ranks in by.values()}) == 1:
            concordances.append(agreement.kendall_w(list(by.values())))
    known = [w for w in concordances if w is not None]
    enough = len(shared) >= ENOUGH
    return {
        "groups": len(shared),
        "kappas": [
            {
                "annotators": list(names),
                "pairs": len(said),
                "kappa": agreement.cohen_kappa(said) if len(said) >= ENOUGH else None,
            }
            for names, said in sorted(pairs.items())
        ],
        "alpha": agreement.krippendorff_alpha(list(rows.values())) if enough else None,
        "mean_w": float(np.mean(known)) if enough and known else None,
    }


def _duplicates(project: Project, groups: Sequence[Group]) -> dict[str, Any]:
    """Texts that are the same but for case and white space: prompts, and answers within one labelled group."""
    said = Counter(_plain("\n".join(m.content for m in p.messages)) for p in prompts.all_prompts(project))
    same = [g.id for g in groups if len({_plain(c.text) for c in g.completions}) < len(g.completions)]
    return {"prompts": sum(times - 1 for times in said.values()), "groups_with_equal_answers": same}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _has_tie(label: Ranking) -> bool:
    placed = list(agreement.places(label.ranks).values())
    return len(set(placed)) < len(placed)


def _findings(values: Mapping[str, Any]) -> list[str]:
    found = []
    for who, said in (("", values["people"]), ("Judges: ", values["judges"])):
        position = label_bias.Lean(said["position"]["count"], said["position"]["of"])
        length = label_bias.Lean(said["length"]["count"], said["length"]["of"])
        found += [
            who + text for text in (label_bias.position_warning(position), label_bias.length_warning(length)) if text
        ]
        hasty = said["hasty"]
        if hasty["share"] is not None and hasty["interval"][0] > HASTY_SHARE:
            found.append(
                f"{who}{hasty['count']} of {hasty['of']} labels were made faster than their answers can be read:"
                " look at them again."
            )
        for pair in said["between"]["kappas"]:
            if pair["kappa"] is not None and pair["kappa"] < LOW_AGREEMENT:
                found.append(
                    f"{who}{' and '.join(pair['annotators'])} agree little beyond chance (kappa {pair['kappa']:.2f}):"
                    " talk about the guideline."
                )
        own = said["with_oneself"]["kappa"]
        if own is not None and own < LOW_AGREEMENT:
            found.append(f"{who}Comparisons asked twice are often answered differently (kappa {own:.2f}): slow down.")
        if said["cycles"]:
            found.append(f"{who}{len(said['cycles'])} sets of answers go round in a circle: no order fits them all.")
    if values["duplicates"]["groups_with_equal_answers"]:
        number = len(values["duplicates"]["groups_with_equal_answers"])
        found.append(f"Groups that hold the same answer twice: {number}. A preference between equals teaches nothing.")
    return found

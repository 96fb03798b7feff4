"""The report as lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import with_judges


def text(values: Mapping[str, Any]) -> str:
    """What stands out first, then every number; where there are too few data it says so."""
    lines = [finding["sentence"] for finding in values["findings"]] or ["Nothing stands out."]
    for title, key in (("People", "people"), ("Judges", "judges")):
        if values[key]["labels"]:
            lines += ["", title, *_of(values[key])]
    lines += with_judges.lines(values["each_judge"])
    prompts, answers = values["prompts"], values["answers"]
    return "\n".join(
        [
            *lines,
            "",
            f"Prompts that repeat another but for case and spaces: {_more(prompts['same'])};"
            f" nearly: {_more(prompts['near'])}",
            f"Sets of such prompts on both sides of the held-out split: {len(prompts['across'])}",
            f"Labelled groups that hold the same answer twice: {len(answers['same'])}; nearly: {len(answers['near'])}",
            f"Answers of a line or more that several prompts got word for word: {len(answers['stock'])}",
        ]
    )


def _of(said: Mapping[str, Any]) -> list[str]:
    kinds = ", ".join(f"{kind.replace('_', ' ')} {number}" for kind, number in sorted(said["kinds"].items()))
    lines = [
        f"  Labels: {said['labels']} ({kinds}), and {said['repeats']} asked once more; days: {len(said['a_day'])}",
        f"  With a tie: {_share(said['ties'])}",
        f"  Skipped: {_share(said['skips'])}",
        f"  The longer answer won: {_share(said['length'])}",
        f"  Best minus worst, characters: {_gap(said['length'])}",
        f"  The answer shown earlier won: {_share(said['position'])}",
        f"  Faster than can be read: {_share(said['hasty'])}",
        f"  Pairs judged alike when asked again: {_share(said['with_oneself'])}{_kappa(said['with_oneself'])}",
        f"  Groups with several annotators: {said['between']['groups']};"
        f" Krippendorff's alpha: {_figure(said['between'], 'alpha')};"
        f" mean Kendall's W: {_figure(said['between'], 'mean_w')}{_chance(said['between']['chance_w'])}",
    ]
    lines += [
        f"  {' and '.join(pair['annotators'])}: {pair['same']} of {pair['pairs']} pairs judged alike{_kappa(pair)}"
        for pair in said["between"]["kappas"]
    ]
    lines += [
        f"  {one['name']}: {one['labels']} labels; earlier shown won {_share(one['position'])}"
        for one in said["annotators"]
    ]
    return [*lines, f"  Sets of answers that go round in a circle: {len(said['cycles'])}"]


def _share(values: Mapping[str, Any]) -> str:
    if values["share"] is None:
        return f"{values['count']} of {values['of']} (too few data for a share)"
    low, high = values["interval"]
    return f"{values['count']} of {values['of']}, {values['share']:.0%} (95 % interval {low:.0%} to {high:.0%})"


def _gap(length: Mapping[str, Any]) -> str:
    if length["mean_gap"] is None:
        return "too few data"
    low, high = length["mean_gap_interval"]
    return f"{length['mean_gap']:+.1f} on average (95 % interval {low:+.1f} to {high:+.1f})"


def _kappa(values: Mapping[str, Any]) -> str:
    if values["kappa"] is None:
        return "; Cohen's kappa: too few data"
    low, high = values["kappa_interval"]
    return f"; Cohen's kappa: {values['kappa']:.2f} (95 % interval {low:.2f} to {high:.2f})"


def _figure(values: Mapping[str, Any], name: str) -> str:
    if values[name] is None:
        return "too few data"
    if values[f"{name}_interval"] is None:
        return f"{values[name]:.2f}"
    low, high = values[f"{name}_interval"]
    return f"{values[name]:.2f} (95 % interval {low:.2f} to {high:.2f})"


def _chance(w: float | None) -> str:
    return "" if w is None else f"; by chance {w:.2f}"


def _more(sets: list[list[int]]) -> int:
    return sum(len(ids) - 1 for ids in sets)

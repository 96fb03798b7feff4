"""The report as lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(values: Mapping[str, Any]) -> str:
    """What stands out first, then every number; where there are too few data it says so."""
    lines = [*values["findings"]] or ["Nothing stands out."]
    for title, key in (("People", "people"), ("Judges", "judges")):
        if values[key]["labels"]:
            lines += ["", title, *_of(values[key])]
    same = values["duplicates"]
    lines += ["", f"Prompts that repeat another but for case and spaces: {same['prompts']}"]
    return "\n".join([*lines, f"Groups that hold the same answer twice: {len(same['groups_with_equal_answers'])}"])


def _of(said: Mapping[str, Any]) -> list[str]:
    kinds = ", ".join(f"{kind.replace('_', ' ')} {number}" for kind, number in sorted(said["kinds"].items()))
    gap, between = said["length"]["mean_gap"], said["between"]
    lines = [
        f"  Labels: {said['labels']} ({kinds}), and {said['repeats']} asked once more; days: {len(said['a_day'])}",
        f"  With a tie: {_share(said['ties'])}",
        f"  Skipped: {_share(said['skips'])}",
        f"  The longer answer won: {_share(said['length'])}",
        f"  Best minus worst, characters: {'too few data' if gap is None else f'{gap:+.1f} on average'}",
        f"  The answer shown earlier won: {_share(said['position'])}",
        f"  Faster than can be read: {_share(said['hasty'])}",
        f"  Pairs judged alike when asked again: {_share(said['with_oneself'])}",
        f"  Groups with several annotators: {between['groups']};"
        f" Krippendorff's alpha: {_number(between['alpha'])}; mean Kendall's W: {_number(between['mean_w'])}",
    ]
    lines += [
        f"  Cohen's kappa of {' and '.join(pair['annotators'])}: {_number(pair['kappa'])} ({pair['pairs']} pairs)"
        for pair in between["kappas"]
    ]
    return [*lines, f"  Sets of answers that go round in a circle: {len(said['cycles'])}"]


def _share(values: Mapping[str, Any]) -> str:
    if values["share"] is None:
        return f"{values['count']} of {values['of']} (too few data for a share)"
    low, high = values["interval"]
    return f"{values['count']} of {values['of']}, {values['share']:.0%} (95 % interval {low:.0%} to {high:.0%})"


def _number(value: float | None) -> str:
    return "too few data" if value is None else f"{value:.2f}"

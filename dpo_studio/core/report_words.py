"""The numbers of the report as rows for a person: a name, the number with its interval, and what it means. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOO_FEW = "too few to tell"
CAUTION = (
    "A warning about how labels lean is given only where chance is a poor explanation: all that is tested is counted"
    " together, so that fair labels are warned about in one report of a hundred. Ranges in brackets are 95% intervals."
)
#: Alpha from the first on is good, below the second too little to rely on (Krippendorff 2004, "Content Analysis", 11).
GOOD_ALPHA, LEAST_ALPHA = 0.8, 2 / 3


@dataclass(frozen=True, slots=True)
class Row:
    """One number.

    Attributes:
        why: what it means, or what to make of it.
        groups: the labelled groups behind it, by id.
        rankings: which of their labels; empty for all.
        reading: the name of the reading in the report, where it tells annotators apart.
    """

    name: str
    value: str
    why: str
    groups: tuple[int, ...] = ()
    rankings: tuple[int, ...] = ()
    reading: str = ""


def headline(report: Mapping[str, Any]) -> str:
    """How many labels were looked at, and whose."""
    people, judges = report["people"]["labels"], report["judges"]["labels"]
    names = len(report["people"]["annotators"])
    parts = [_number(people, "label") + (f" by {names} people" if names else "")] if people or not judges else []
    parts += [f"{judges:,} by judges" if people else f"{_number(judges, 'label')} by judges"] if judges else []
    return " and ".join(parts)


def rows(said: Mapping[str, Any]) -> list[Row]:
    """The numbers of people or of judges, those that are known yet."""
    found = [
        Row("With a tie", share(said["ties"]), "Ties train little: a complete one nothing at all."),
        Row("Skipped", share(said["skips"]), "They train nothing."),
        *(_of_texts(said) if "length" in said else ()),
        Row(
            "The answer shown earlier won",
            share(said["position"]),
            "Half is even: answers are shuffled, so their place says nothing of their worth.",
            tuple(said["position"]["groups"]),
            tuple(said["position"]["rankings"]),
            "position",
        ),
        Row(
            "The same when asked again",
            share(said["with_oneself"]) + _kappa(said["with_oneself"]),
            "Pairs judged alike in comparisons that came back later. Kappa is agreement beyond chance: 0 none, 1 full.",
            tuple(said["with_oneself"]["groups"]),
        ),
    ]
    between = said["between"]
    if between["groups"]:
        found.append(
            Row(
                "Agreement of all",
                f"alpha {_figure(between, 'alpha')}, of {_number(between['groups'], 'comparison')} with several labels",
                f"Krippendorff's alpha: 0 is chance, 1 full agreement.{_how_good(between['alpha_interval'])}",
                tuple(between["disagreeing"]),
            )
        )
    if between["mean_w"] is not None:
        found.append(
            Row(
                "Rankings in concord",
                f"W {_figure(between, 'mean_w')}",
                f"Kendall's W, the mean over comparisons: 1 is full agreement, {between['chance_w']:.2f} is what chance"
                " gives among so many annotators.",
                tuple(between["disagreeing"]),
            )
        )
    found.append(
        Row(
            "Circles",
            _number(len(said["cycles"]), "set of answers", "sets of answers"),
            "A before B before C before A: no order fits all of those labels.",
            tuple(dict.fromkeys(key for circle in said["cycles"] for key in circle["groups"])),
        )
    )
    return found


def judge_rows(each_judge: Sequence[Mapping[str, Any]]) -> list[Row]:
    """How each judge agrees with each person, and whether it answers to the order of the answers."""
    found = []
    for entry in each_judge:
        if entry["disagreement"] is not None:
            low, high = entry["disagreement_interval"]
            found.append(
                Row(
                    f"{entry['judge']}: by the order",
                    f"{entry['disagreement']:.0%} ({low:.0%} to {high:.0%})",
                    "Pairs on which it names the other answer once the two change places: none is best.",
                )
            )
        for person in entry["people"]:
            if not person["groups"]:
                continue
            value = f"{_number(len(person['groups']), 'comparison')} in common ({TOO_FEW})"
            if person["share"] is not None:
                low, high = person["interval"]
                value = f"{person['share']:.0%} of pairs alike ({low:.0%} to {high:.0%})"
            found.append(
                Row(
                    f"{entry['judge']} and {person['annotator']}",
                    value,
                    "How far the judge ranks as this person does. Half is chance.",
                    tuple(person["groups"]),
                )
            )
    return found


def share(values: Mapping[str, Any]) -> str:
    """A count of how many, the share it is, and the interval of that; of too few only the count."""
    count = f"{values['count']:,} of {values['of']:,}"
    if values["share"] is None:
        return f"{count} ({TOO_FEW})" if values["of"] else "none yet"
    low, high = values["interval"]
    return f"{count}: {values['share']:.0%} ({low:.0%} to {high:.0%})"


def kappa_in_words(pair: Mapping[str, Any]) -> str:
    """Kappa of two annotators with its interval, or that there are too few."""
    if pair["kappa"] is None:
        return TOO_FEW
    low, high = pair["kappa_interval"]
    return f"{pair['kappa']:.2f} ({low:.2f} to {high:.2f})"


def days_sentence(days: Mapping[str, int]) -> str:
    """On how many days there were labels, and on which the most."""
    most = max(days.items(), key=lambda item: item[1], default=None)
    many = f"{len(days)} days with labels" if len(days) != 1 else "One day with labels"
    return f"{many}; the most, {most[1]:,}, on {most[0]}." if most else "No labels yet."


def places_sentence(places: Sequence[Mapping[str, Any]]) -> str:
    """Where the best answers stood, in words, for the most frequent number of answers."""
    if not places:
        return "No label yet has its shown order recorded and one best answer."
    row = max(places, key=lambda place: sum(place["counts"]))
    labels = _number(sum(row["counts"]), "label was", "labels were")
    return f"Where the best of {row['size']} stood when {labels} given; the line is even."


def _gap(length: Mapping[str, Any]) -> str:
    if length["mean_gap"] is None:
        return TOO_FEW
    low, high = length["mean_gap_interval"]
    words = f"{length['mean_gap']:+,.0f} characters ({low:+,.0f} to {high:+,.0f})"
    return words.replace("-", "−")


def _median(hasty: Mapping[str, Any]) -> str:
    return "" if hasty["median_s"] is None else f"; the middle label took {hasty['median_s']:.0f} s"


def _kappa(values: Mapping[str, Any]) -> str:
    if values["kappa"] is None:
        return ""
    low, high = values["kappa_interval"]
    return f"; kappa {values['kappa']:.2f} ({low:.2f} to {high:.2f})"


def _figure(values: Mapping[str, Any], name: str) -> str:
    if values[name] is None:
        return TOO_FEW
    if values[f"{name}_interval"] is None:
        return f"{values[name]:.2f}"
    low, high = values[f"{name}_interval"]
    return f"{values[name]:.2f} ({low:.2f} to {high:.2f})"


def _how_good(interval: Sequence[float] | None) -> str:
    """What to make of alpha, by where its interval lies."""
    if interval is None:
        return ""
    low, high = interval
    if low >= GOOD_ALPHA:
        return " These labels agree well."
    if high < LEAST_ALPHA:
        return " These labels agree too little to rely on: settle in the guideline what decides."
    return f" {GOOD_ALPHA} is called good, less than {LEAST_ALPHA:.2f} too little to rely on."


def _of_texts(said: Mapping[str, Any]) -> list[Row]:
    """What the texts of the answers tell."""
    length, hasty = said["length"], said["hasty"]
    return [
        Row(
            "The longer answer won",
            share(length),
            "Half is even. A model learns length with everything else, so lean only as far as you mean to.",
            tuple(length["groups"]),
        ),
        Row("Best against worst", _gap(length), "How much longer the best answer is than the worst."),
        Row(
            "Faster than can be read",
            share(hasty) + _median(hasty),
            "At 300 words a minute, which few readers pass, the answers could not be read to their end.",
            tuple(hasty["groups"]),
            tuple(hasty["rankings"]),
            "hasty",
        ),
    ]


def _number(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"

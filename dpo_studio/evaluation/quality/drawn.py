"""The report's pictures as SVG, which a page shows in its own colours, light or dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from dpo_studio.core import report_words

_WIDTH, _HEIGHT = 420, 260
_LEFT, _BOTTOM, _TOP, _RIGHT = 52, 34, 10, 12
_MOST_TICKS = 6
_HEADROOM = 1.05


def pictures(said: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A heading, a sentence and the picture, of each that there is something to show of."""
    points = said["length"]["points"]
    if points:
        sentence = "A dot is a comparison; above the line the longer answer won."
        yield "Length of the best against the worst", sentence, _lengths(points)
    if said["position"]["places"]:
        row = max(said["position"]["places"], key=lambda place: sum(place["counts"]))
        names = [str(n) for n in range(1, row["size"] + 1)]
        even = sum(row["counts"]) / row["size"]
        bars = _bars("Where the best answer stood", row["counts"], names, "place on screen", even=even)
        yield "Where the best answer stood", report_words.places_sentence(said["position"]["places"]), bars
    if len(said["a_day"]) > 1:
        yield "Labels a day", report_words.days_sentence(said["a_day"]), _days(said["a_day"])


def _lengths(points: Sequence[Sequence[float]]) -> str:
    top = _HEADROOM * (max(max(best, worst) for _, best, worst in points) or 1)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    dots = [
        f'<circle class="dot" cx="{_LEFT + width * x / top:.1f}" cy="{_TOP + height * (1 - y / top):.1f}" r="3"/>'
        for _, y, x in points
    ]
    even = f'<line class="even" x1="{_LEFT}" y1="{_TOP + height}" x2="{_LEFT + width}" y2="{_TOP}"/>'
    words = f'<text x="{_LEFT + width / 2}" y="{_HEIGHT - 4}" text-anchor="middle">characters, worst</text>'
    words += f'<text x="12" y="{_TOP + height / 2}" text-anchor="middle"'
    words += f' transform="rotate(-90 12 {_TOP + height / 2})">characters, best</text>'
    return _svg("Length of the best against the worst", [*_axes(top), *_ticks_below(top), even, *dots, words])


def _bars(title: str, counts: Sequence[int], names: Sequence[str], below: str = "", *, even: float = 0.0) -> str:
    top = _HEADROOM * max([1, *counts])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    each = width / max(1, len(counts))
    marks = []
    for number, (count, name) in enumerate(zip(counts, names, strict=True)):
        x, tall = _LEFT + each * number, height * count / top
        marks.append(
            f'<rect class="mark" x="{x + each * 0.15:.1f}" y="{_TOP + height - tall:.1f}" width="{each * 0.7:.1f}"'
            f' height="{tall:.1f}"><title>{name}: {count:,}</title></rect>'
        )
        if name:
            marks.append(
                f'<text x="{x + each / 2:.1f}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">{name}</text>'
            )
    if even:
        y = _TOP + height * (1 - even / top)
        marks.append(f'<line class="even" x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + width}" y2="{y:.1f}"/>')
    words = f'<text x="{_LEFT + width / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{below}</text>' if below else ""
    return _svg(title, [*_axes(top), *marks, words])


def _days(days: Mapping[str, int]) -> str:
    """Each day from the first to the last; a long time is gathered by as many days as one bar needs."""
    numbers = {date.fromisoformat(day).toordinal(): count for day, count in days.items()}
    first, last = min(numbers), max(numbers)
    step = -(-(last - first + 1) // 120)
    counts = [sum(numbers.get(day, 0) for day in range(start, start + step)) for start in range(first, last + 1, step)]
    every = -(-len(counts) // _MOST_TICKS)
    names = ["" if n % every else date.fromordinal(first + n * step).isoformat()[5:] for n in range(len(counts))]
    return _bars("Labels a day", counts, names)


def _axes(top: float) -> Iterator[str]:
    height = _HEIGHT - _TOP - _BOTTOM
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{_TOP + height}H{_WIDTH - _RIGHT}"/>'
    for value in _round_numbers(top):
        y = _TOP + height * (1 - value / top)
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>'


def _ticks_below(top: float) -> Iterator[str]:
    for value in _round_numbers(top):
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / top
        yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">{value:,}</text>'


def _round_numbers(top: float) -> list[int]:
    """Round numbers from 0 up to at most `top`, four or so."""
    step = 1
    while top / step > 5:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return list(range(0, int(top) + 1, step))


def _svg(title: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'

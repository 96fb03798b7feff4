"""The numbers of the Label page, read from the store: done, left, pace, ties, and what labels lean towards. No Qt."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from dpo_studio.core import label_bias
from dpo_studio.store import Project, rankings, recent_labels, repeats

_PACE_LABELS = 100
_BIAS_LABELS = 200
_ENOUGH_PAIRS = 10
_ENOUGH_PACES = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """Where one annotator stands.

    Attributes:
        median_s: median seconds of the last hundred labels, or None.
        given_here: how many of the last hundred were given on this page: those that came with a project have no time.
        tie_share: share of the last hundred rankings with a tie in them, or None.
        again: agreement with oneself on the comparisons that were asked again.
    """

    ready: int
    done: int
    left: int
    skipped: int
    median_s: float | None
    tie_share: float | None
    given_here: int
    again: repeats.SelfAgreement = repeats.SelfAgreement()

    def text(self) -> str:
        """On one line, for the head of the page."""
        parts = [f"{self.left:,} left", f"{self.done:,} done"]
        if self.median_s is not None:
            parts.append(f"{self.median_s:.{1 if self.median_s < 10 else 0}f} s a label")
        if self.median_s is not None and self.left and self.given_here >= _ENOUGH_PACES:
            parts[0] += f", about {_duration(self.left * self.median_s)} at your pace"
        if self.tie_share is not None:
            parts.append(f"{self.tie_share:.0%} with ties")
        if self.again.pairs >= _ENOUGH_PAIRS:
            parts.append(f"{self.again.same / self.again.pairs:.0%} as before when asked again")
        elif self.again.pairs:
            parts.append(f"{self.again.same} of {self.again.pairs} as before when asked again")
        return "  ·  ".join(parts)


def _duration(seconds: float) -> str:
    """Roughly how long: "1 min", "40 min", "1 h 20 min", "12 h"."""
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(5 * round(minutes / 5), 60)
    return f"{hours:,} h" + (f" {rest} min" if rest and hours < 10 else "")


def summary(project: Project) -> Summary:
    """The numbers of the project's annotator."""
    counts = rankings.counts(project)
    last = recent_labels.paces(project, project.annotator, _PACE_LABELS)
    times = [one.seconds for one in last if one.seconds is not None]
    tied = [one.tied for one in last if one.kind == "ranking"]
    return Summary(
        ready=counts.ready,
        done=counts.done,
        left=counts.left,
        skipped=counts.skips,
        median_s=statistics.median(times) if times else None,
        tie_share=sum(tied) / len(tied) if tied else None,
        given_here=len(times),
        again=repeats.agreement(project, project.annotator),
    )


def warnings(project: Project) -> list[str]:
    """Plain sentences about what the last labels lean towards, where chance does not explain it."""
    last = [r for r in rankings.recent(project, limit=_BIAS_LABELS) if r.kind == "ranking"]
    lengths = recent_labels.lengths(project, [ranking.group_id for ranking in last])
    position = label_bias.earlier_shown([(ranking.ranks, ranking.presented) for ranking in last if ranking.presented])
    length = label_bias.longer([(r.ranks, lengths[r.group_id]) for r in last if r.group_id in lengths])
    return [text for text in (label_bias.position_warning(position), label_bias.length_warning(length)) if text]

"""Confidence intervals for shares and win rates."""

from __future__ import annotations

from collections.abc import Sequence

from dpo_studio.core.intervals import Z_95, Share, wilson

__all__ = ["Z_95", "Share", "wilson", "win_rate"]


def win_rate(after: Sequence[float], before: Sequence[float]) -> Share:
    """How often `after` scores above `before`, pairwise; a tie counts as half a win.

    Args:
        after: one score for each unit (a prompt, say).
        before: the scores of the same units.
    """
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(after, before, strict=True))
    return wilson(wins, len(after))

"""Whole rankings as rows: what `label --from` and `import` read back without loss."""

from __future__ import annotations

from typing import Any

from dpo_studio.core.types import Group, Ranking
from dpo_studio.store import rankings

COLUMNS = (
    "group",
    "prompt",
    "completions",
    "ranks",
    "annotator",
    "annotator_kind",
    "strength",
    "note",
    "flags",
    "finish_reasons",
    "held_out",
    "confidence",
)


def row(group: Group, ranking: Ranking) -> dict[str, Any]:
    """One ranking: `ranks` are per completion, 1 is best, equal is tied, null is unranked."""
    return {
        "group": group.uuid,
        "prompt": [message.to_json() for message in group.prompt.messages],
        "completions": [completion.text for completion in group.completions],
        "ranks": list(rankings.ranks_of(group, ranking.ranks)),
        "annotator": ranking.annotator,
        "annotator_kind": ranking.annotator_kind,
        "strength": ranking.strength,
        "note": ranking.note,
        "flags": list(ranking.flags),
        "finish_reasons": [completion.finish_reason for completion in group.completions],
        "held_out": group.prompt.held_out,
        "confidence": ranking.confidence,
    }

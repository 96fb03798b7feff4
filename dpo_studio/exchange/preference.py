"""Preference pairs as TRL takes them: explicit prompt, conversational.

A row is `{"prompt": [messages], "chosen": [one assistant message], "rejected": [one assistant message]}`, and in
`annotator` and `annotator_kind` who ordered them, for a judge's pair must not pass for a person's; TRL leaves them.
Pairs are derived from rankings here and stored nowhere.
"""

from __future__ import annotations

from typing import Any, Literal

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.types import Group, Ranking
from dpo_studio.store import rankings

Which = Literal["all", "best_worst"]
COLUMNS = ("prompt", "chosen", "rejected", "annotator", "annotator_kind")


def rows(group: Group, ranking: Ranking, *, which: Which = "all") -> list[dict[str, Any]]:
    """The strictly ordered pairs of one ranking, best first; pairs of the same text are left out.

    Args:
        which: "all" pairs, or "best_worst": the first of the best against the first of the worst.
    """
    order = weak_orders.buckets(rankings.ranks_of(group, ranking.ranks))
    if which == "best_worst":
        pairs = [(order[0][0], order[-1][0])] if len(order) > 1 else []
    else:
        pairs = weak_orders.strict_pairs(rankings.ranks_of(group, ranking.ranks))
    prompt = [message.to_json() for message in group.prompt.messages]
    texts = [completion.text for completion in group.completions]
    return [
        {
            "prompt": prompt,
            "chosen": _answer(texts[better]),
            "rejected": _answer(texts[worse]),
            "annotator": ranking.annotator,
            "annotator_kind": ranking.annotator_kind,
        }
        for better, worse in pairs
        if texts[better] != texts[worse]
    ]


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]

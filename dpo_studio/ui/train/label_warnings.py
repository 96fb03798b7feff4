"""What the labels lean towards, said before a run: the two readings that are quick. The rest is on Quality. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpo_studio.core import label_bias

if TYPE_CHECKING:
    from dpo_studio.store.runs import TrainingData

#: The newest that are read, so that a large project waits for nothing.
MOST_LABELS = 5_000


def label_warnings(data: TrainingData) -> list[str]:
    """Sentences about the labels that would train, where chance does not explain them."""
    labels = data.train[-MOST_LABELS:]
    position = label_bias.earlier_shown([(ranking.ranks, ranking.presented) for _, ranking in labels])
    of_group = {group.id: (group, ranking) for group, ranking in reversed(labels)}
    length = label_bias.longer(
        [
            (ranking.ranks, {one.id: float(len(one.text)) for one in group.completions})
            for group, ranking in of_group.values()
        ]
    )
    return [text for text in (label_bias.position_warning(position), label_bias.length_warning(length)) if text]

"""Labels for the tests of the report, without a project."""

from __future__ import annotations

from dpo_studio.core.types import Ranking
from dpo_studio.evaluation.quality.labels import Comparison


def label(
    number, ranks, *, presented=None, annotator="ann", seconds=None, lengths=None, reading_s=10.0, repeat_of=None, new=0
):
    """One label of a group of its own, whose completions are 10 * number, 10 * number + 1, ….

    `ranks` and `lengths` are in the order of the completions, `presented` names places in it; `new` is another group
    with the same answers.
    """
    ids = tuple(10 * number + place for place in range(len(ranks)))
    lengths = lengths or (20,) * len(ranks)
    group = Comparison(
        id=new or number,
        prompt_id=number,
        lengths=dict(zip(ids, lengths, strict=True)),
        reading_s=reading_s,
        repeat_of=repeat_of,
    )
    return group, Ranking(
        id=new or number,
        uuid=f"r{new or number}{annotator}",
        group_id=group.id,
        kind="ranking",
        annotator=annotator,
        ranks=dict(zip(ids, ranks, strict=True)),
        presented=ids if presented is None else tuple(ids[place] for place in presented),
        seconds=seconds,
        created="2026-01-02T00:00:00Z",
    )

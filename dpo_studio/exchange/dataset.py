"""Data sets out of a project: which rows, which are left out and why, and the folder they become.

The folder holds `train` and, for held-out prompts, `test`, as JSONL or Parquet, and a README that
tells the Hugging Face tools where they are. `datasets.load_dataset(folder)` opens it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, rankings

from . import cards, preference, ranking
from .writing import destination

Kind = Literal["preference", "ranking"]
HeldOut = Literal["split", "leave-out", "together"]
Format = Literal["jsonl", "parquet"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How much is not exported, and what it is."""

    count: int
    what: str
    code: str

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "what": self.what, "code": self.code}


@dataclass(frozen=True, slots=True)
class Plan:
    """What an export would write.

    Attributes:
        splits: rows by split, "train" first; an empty split is not there.
        rankings: standing rankings that at least one row came from.
        by_judges: those of them that judges made, not people.
    """

    kind: Kind
    splits: Mapping[str, Sequence[Mapping[str, Any]]]
    rankings: int
    left_out: tuple[LeftOut, ...] = ()
    pairs: preference.Which = "all"
    by_judges: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return preference.COLUMNS if self.kind == "preference" else ranking.COLUMNS

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(rows) for split, rows in self.splits.items()}

    def first_rows(self, limit: int = 3) -> list[Mapping[str, Any]]:
        return [row for rows in self.splits.values() for row in rows][:limit]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "rows": self.counts,
            "rankings": self.rankings,
            "by_judges": self.by_judges,
            "left_out": [item.to_json() for item in self.left_out],
        }


@dataclass(slots=True)
class _Tally:
    """Counts by reason, in the order of the reasons."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, code: str, count: int = 1) -> None:
        self.counts[code] = self.counts.get(code, 0) + count

    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(self.counts[code], one if self.counts[code] == 1 else many, code)
            for code, (one, many) in _REASONS.items()
            if self.counts.get(code)
        )


_REASONS = {
    "skip": ("skip", "skips"),
    "all_bad": ("comparison whose answers are all bad", "comparisons whose answers are all bad"),
    "all_tied": ("complete tie", "complete ties"),
    "same_text": ("pair of identical answers", "pairs of identical answers"),
    "held_out": ("ranking of a held-out prompt", "rankings of held-out prompts"),
    "judge": ("judgement by a judge", "judgements by a judge"),
    "unlabelled": ("comparison nobody has judged", "comparisons nobody has judged"),
}


def plan(
    project: Project,
    kind: Kind,
    *,
    held_out: HeldOut = "split",
    pairs: preference.Which = "all",
    judges: str = "",
) -> Plan:
    """What an export of this kind would write, from the judgements as they stand.

    Args:
        held_out: what becomes of held-out prompts: a "test" split of their own, left out, or
            "together" with the rest in "train".
        pairs: which pairs of a ranking; for kind "preference".
        judges: whose rankings are taken beside people's, as of rankings.labelled.
    """
    tally = _Tally()
    splits: dict[str, list[Mapping[str, Any]]] = {"train": [], "test": []}
    used = by_judges = 0
    labels = rankings.labelled(project, judges=judges)
    for group, standing in labels:
        if group.prompt.held_out and held_out == "leave-out":
            tally.add("held_out")
            continue
        if kind == "ranking":
            rows: list[dict[str, Any]] = [ranking.row(group, standing)]
        else:
            ranks = rankings.ranks_of(group, standing.ranks)
            if not weak_orders.is_trainable(ranks):
                tally.add("all_tied")
                continue
            rows = preference.rows(group, standing, which=pairs)
            wanted = 1 if pairs == "best_worst" else len(weak_orders.strict_pairs(ranks))
            tally.add("same_text", wanted - len(rows))
        used += bool(rows)
        by_judges += bool(rows) and standing.annotator_kind == "judge"
        splits["test" if group.prompt.held_out and held_out == "split" else "train"].extend(rows)
    _count_the_rest(project, tally, taken={standing.id for _, standing in labels})
    full = {split: rows for split, rows in splits.items() if rows}
    return Plan(kind, full, used, tally.left_out(), pairs, by_judges)


def write(
    project: Project, planned: Plan, target: Path, *, file_format: Format = "jsonl", overwrite: bool = False
) -> Path:
    """Write a plan to a new folder, whole or not at all, and return the folder.

    Raises:
        UserError: there is nothing to write, or the folder holds something else.
    """
    if not planned.splits:
        why = ", ".join(f"{item.count} {item.what}" for item in planned.left_out)
        raise UserError(
            "There is nothing to export yet" + (f": the project holds {why}." if why else "."),
            "Rank some answers in Label first.",
        )
    with destination(target, overwrite=overwrite) as folder:
        for split, rows in planned.splits.items():
            path = folder / f"{split}.{file_format}"
            if file_format == "parquet":
                _write_parquet(path, rows)
            else:
                _write_jsonl(path, rows)
        card = cards.data_card(project, planned, file_format=file_format)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return target.expanduser().resolve()


def _count_the_rest(project: Project, tally: _Tally, *, taken: Collection[int]) -> None:
    judged_groups = set()
    for judgement in rankings.all_current(project, annotator_kind=None):
        judged_groups.add(judgement.group_id)
        if judgement.annotator_kind == "judge":
            tally.add("judge", int(judgement.id not in taken))
        elif judgement.kind in ("skip", "all_bad"):
            tally.add(judgement.kind)
    tally.add("unlabelled", rankings.counts(project).ready - len(judged_groups))


def _write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    text, integer = pyarrow.string(), pyarrow.int64()
    message = pyarrow.struct([("role", text), ("content", text)])
    types = {
        **dict.fromkeys(("prompt", "chosen", "rejected"), pyarrow.list_(message)),
        **dict.fromkeys(("completions", "flags", "finish_reasons"), pyarrow.list_(text)),
        "ranks": pyarrow.list_(integer),
        "strength": integer,
        "held_out": pyarrow.bool_(),
        "confidence": pyarrow.float64(),
    }
    schema = pyarrow.schema([(name, types.get(name, text)) for name in rows[0]])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for chunk in _chunks(rows, 1024):
            writer.write_table(pyarrow.Table.from_pylist(list(chunk), schema=schema))


def _chunks(rows: Sequence[Mapping[str, Any]], size: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))

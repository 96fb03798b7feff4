"""Rows that an import cannot take: where each stands and why, and the error that says so when nothing is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpo_studio.core.errors import UserError

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be taken, where it stands and why."""

    place: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"place": self.place, "reason": self.reason}


class ImportRefused(UserError):
    """Nothing was imported, because of these rows."""

    def __init__(self, refused: Sequence[Refused], *, total: int) -> None:
        first = f"{refused[0].place}: {refused[0].reason.removesuffix('.')}"
        what = f"The first is {first}." if len(refused) > 1 else f"It is {first}."
        super().__init__(
            f"Nothing was imported: {len(refused):,} of {total:,} rows cannot be used. {what}",
            "Mend them, or leave them out (in a terminal: --skip-bad).",
        )
        self.refused = tuple(refused)
        self.more = {"refused": [r.to_json() for r in refused]}


def listed(refused: Sequence[Refused], *, total: int | None = None) -> list[str]:
    """A line for each of the first rows, and one for how many more there are.

    Args:
        total: how many there are, where these are only the first.
    """
    shown = [f"  {one.place}: {one.reason.removesuffix('.')}." for one in refused[:SHOWN]]
    more = (len(refused) if total is None else total) - len(shown)
    return shown + ([f"  And {more:,} more."] if more else [])

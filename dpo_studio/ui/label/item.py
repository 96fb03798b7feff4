"""A group on screen, with what was said about it so far. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

from dpo_studio.core.types import Completion, Group, Ranking

from .drafts import Draft
from .order_entry import OrderEntry

#: What an annotator can say of a label before giving it, with the confidence that is recorded; None: not asked.
SURENESS: tuple[tuple[str, float | None], ...] = (
    ("How sure", None),
    ("Fairly sure", 0.8),
    ("A guess", 0.6),
    ("Sure", 1.0),
)


@dataclass(eq=False)
class Item:
    """A group on screen.

    Attributes:
        shown: its completions in the order in which they are shown.
        entry: the order so far, over positions in `shown`.
        written: the person's own answer, ranked above all, or "".
        unfinished: that answer while it is still being written, or "".
        cancelled: what was being written when that was cancelled last: where it was a slip, it can be gone on with.
        earlier: the standing judgement that is looked at again; None for one that waits in the queue.
        seconds: time it was on screen before it was put aside.
        confidence: how sure the person is, from a half to 1; None unless they said.
        out_of_turn: it was asked for, and need not wait in the queue.
        beside: what is written was kept with the earlier judgement, which did not take it in.
    """

    group: Group
    shown: tuple[Completion, ...]
    entry: OrderEntry
    note: str = ""
    flags: tuple[str, ...] = ()
    written: str = ""
    unfinished: str = ""
    cancelled: str = ""
    earlier: Ranking | None = None
    seconds: float = field(default=0.0)
    confidence: float | None = None
    out_of_turn: bool = False
    beside: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to save over the earlier judgement."""
        if self.earlier is None:
            return True
        same = (self.note, self.flags, self.confidence) == (
            self.earlier.note,
            self.earlier.flags,
            self.earlier.confidence,
        )
        return not (same and self.entry.is_earlier and not self.written)

    @property
    def begun(self) -> bool:
        """Whether anything was said about it that would be lost."""
        return bool(self.entry.buckets) or self.draft is not None or self.confidence is not None

    def next_sureness(self) -> None:
        """Go round what can be said about how sure the label is."""
        said = [confidence for _, confidence in SURENESS]
        place = said.index(self.confidence) if self.confidence in said else 0
        self.confidence = said[(place + 1) % len(said)]

    def write(self, text: str) -> None:
        """Set the person's own answer; an empty text takes it away. The order so far stays."""
        self.written, self.unfinished, self.cancelled = text.strip(), "", ""
        self.entry.written = bool(self.written)

    @property
    def draft(self) -> Draft | None:
        """What was written about it and is in no label yet; None when that is nothing."""
        before = ("", ()) if self.earlier is None else (self.earlier.note, self.earlier.flags)
        if (self.note, self.flags) == before and not self.written and not self.unfinished.strip():
            return None
        over = "" if self.earlier is None else self.earlier.uuid
        return Draft(over, self.note, self.flags, self.written, self.unfinished, beside=self.beside)

    def left_over(self, label: Ranking) -> Draft | None:
        """What was written and is not in the label given: kept over that one. None when that is nothing."""
        written = "" if label.kind == "ranking" else self.written
        if not written and not self.unfinished.strip():
            return None
        return Draft(label.uuid, label.note, label.flags, written, self.unfinished, beside=True)

    def take_up(self, draft: Draft | None) -> None:
        """Go on from a draft."""
        if draft is not None:
            self.note, self.flags = draft.note, draft.flags
            self.write(draft.written)
            self.unfinished, self.beside = draft.unfinished, draft.beside

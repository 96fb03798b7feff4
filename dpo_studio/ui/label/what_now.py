"""What was done and which keys matter now, for the bar under the answers. No Qt."""

from __future__ import annotations

from dpo_studio.core.types import Ranking

from .item import Item
from .session import Session, described


def what_now(item: Item | None, *, reviewing: bool) -> str:
    """A line about the item on screen; nothing without one.

    Args:
        reviewing: a list of labels is gone through.
    """
    if item is None:
        return ""
    if item.earlier is not None and item.entry.is_earlier:
        leave = "Enter shows the next" if reviewing else "Esc goes back to the queue"
        return f"An earlier label. A number begins a new order, {leave}."
    if item.entry.is_pair and not item.written:
        return "1, 2 or a click: the better one  ·  = tie  ·  X both bad  ·  Space skips"
    if not item.entry.unplaced:
        return "Enter saves this order  ·  Backspace takes the last step back"
    if item.entry.buckets or item.written:
        return "Enter: the rest are worse  ·  = ties the next  ·  Backspace takes back"
    if not item.entry.implies_last:
        return f"Every answer has to be placed now, or Enter ends it  ·  1 to {item.entry.size} from best to worst"
    return f"1 to {item.entry.size} from best to worst, or click, or drag  ·  X all bad  ·  Space skips"


def what_was_done(session: Session, saved: Ranking) -> str:
    """What the label that the session saved last says, and what became of what was there before or beside it."""
    over = session.overtaken
    place = "" if over is None else f", in place of {described(over)} from another window"
    kept = "; what you wrote is kept with it" if session.text_kept else ""
    return f"Saved {described(saved)}{', much better' * (saved.strength > 1)}{place}{kept} (Z takes it back)"

"""The day on which something was written down, for the person who sits here."""

from __future__ import annotations

from datetime import datetime


def local_day(moment: str) -> str:
    """The day, as "2026-11-26", that it was on this machine at a moment; as it is written where it has no zone.

    Args:
        moment: ISO 8601, as rows hold it (in UTC).
    """
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment[:10]
    return (found if found.tzinfo is None else found.astimezone()).date().isoformat()

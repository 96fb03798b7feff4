"""UUIDs that rise with time (version 7 of RFC 9562): an index over millions of them is written at its end alone, where
random ones would touch a page of it each.
"""

from __future__ import annotations

import itertools
import os
import time

_count = itertools.count()


def ordered_uuid() -> str:
    """A new UUID: 48 bits of milliseconds, 12 that count on within this process, 62 at random."""
    milliseconds = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    high = milliseconds << 16 | 0x7000 | next(_count) & 0xFFF
    low = 0x8000_0000_0000_0000 | int.from_bytes(os.urandom(8)) >> 2
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

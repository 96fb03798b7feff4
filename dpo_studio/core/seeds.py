"""Seeds of single candidates, worked out from what is asked for: the same is drawn when it is asked again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from .types import Message


def candidate_seed(seed: int, messages: Sequence[Message], candidate: int, attempt: int = 0) -> int:
    """The seed of one candidate's random stream: 48 bits that depend on nothing but these values.

    Args:
        attempt: above 0 for a candidate that is drawn again because it came out like another one.
    """
    rows = json.dumps([message.to_json() for message in messages], ensure_ascii=True)
    text = f"{seed}|{rows}|{candidate}" + (f"|{attempt}" if attempt else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

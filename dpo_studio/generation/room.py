"""How many rows, and how many tokens of prompts and answers, are decoded together."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch

from .row_attention import FEWEST

#: Rows that are decoded together: beyond them a step takes longer in proportion, and each answer comes more slowly.
MOST_ROWS = {"cpu": 64, "cuda": 64, "mps": 32}
#: The same until the first prompt's answers are whole, for these are waited for: on a CPU a step of 64 rows takes twice
#: as long as one of 16.
FIRST_ROWS = {"cpu": FEWEST}
#: The same where the model's own forward is used: on a CPU, more rows in one product may round differently.
THEIR_ROWS = {"cpu": FEWEST}
#: The share of the free memory that keys and values may take.
_SHARE = 0.25


@dataclass(slots=True)
class Room:
    """What is left for rows to join.

    Attributes:
        rows: that are decoded together at most.
        first_rows: the same for now, until `widen`.
        memory: bytes for keys and values.
        token_bytes: of a token's keys and values; 0 until the first prompt was read.
    """

    rows: int
    first_rows: int
    memory: float
    token_bytes: float = 0.0

    @classmethod
    def of(cls, device: torch.device, *, lean: bool) -> Room:
        """What this machine has now; lean: a forward of ours is used, which sees to it how products round."""
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
        rows = MOST_ROWS.get(device.type, FEWEST)
        if not lean:
            rows = min(rows, THEIR_ROWS.get(device.type, rows))
        return cls(rows, min(rows, FIRST_ROWS.get(device.type, rows)), free * _SHARE)

    def widen(self) -> None:
        """Told when the first prompt's answers are whole."""
        self.first_rows = self.rows

    def fits(self, rows: int, tokens: int) -> bool:
        """Whether so many rows with so many tokens, prompts counted once, can be decoded together."""
        return rows <= self.first_rows and tokens * self.token_bytes <= self.memory

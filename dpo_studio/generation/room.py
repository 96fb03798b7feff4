"""How many rows, and how many tokens of prompts and answers, are decoded together."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch

#: Rows that are decoded together: beyond them a step takes longer in proportion, and each answer comes more slowly.
MOST_ROWS = {"cpu": 16, "cuda": 64, "mps": 32}
#: The share of the free memory that keys and values may take.
_SHARE = 0.25


@dataclass(slots=True)
class Room:
    """What is left for rows to join.

    Attributes:
        rows: that are decoded together at most.
        memory: bytes for keys and values.
        token_bytes: of a token's keys and values; 0 until the first prompt was read.
    """

    rows: int
    memory: float
    token_bytes: float = 0.0

    @classmethod
    def of(cls, device: torch.device) -> Room:
        """What this machine has now."""
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
        return cls(MOST_ROWS.get(device.type, 16), free * _SHARE)

    def fits(self, rows: int, tokens: int) -> bool:
        """Whether so many rows with so many tokens, prompts counted once, can be decoded together."""
        return rows <= self.rows and tokens * self.token_bytes <= self.memory

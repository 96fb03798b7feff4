"""Objectives: pure functions of tensors. No model, no state, no files; a small module a family.

Every one takes `policy_logps` and `reference_logps` (batch, k), summed log-probabilities of whole
completions in nats, and `ranks` (batch, k), integers: 1 is best, equal ranks are ties, 0 is "shown but
unranked" (below everything ranked, order unknown), -1 is "no such completion". Losses are (batch,).
"""

from __future__ import annotations

from .all_pairs import all_pairs
from .dpo import dpo
from .plackett_luce import pl_dpo

__all__ = ["all_pairs", "dpo", "pl_dpo"]

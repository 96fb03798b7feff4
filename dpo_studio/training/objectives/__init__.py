"""Objectives: pure functions of tensors. No model, no state, no files; a small module a family.

Every one takes `policy_logps` and, unless it is reference-free, `reference_logps` (batch, k), summed log-probabilities
of whole completions in nats, and `ranks` (batch, k), integers: 1 is best, equal ranks are ties, 0 is "shown but
unranked" (below everything ranked, order unknown), -1 is "no such completion". Losses are (batch,). What some need
besides, such as lengths in tokens, are keyword tensors of the same shape.
"""

from __future__ import annotations

from .all_pairs import all_pairs
from .dpo import dpo, robust
from .hinge import hinge
from .ipo import ipo
from .plackett_luce import pl_dpo
from .ties import davidson, rao_kupper

__all__ = ["all_pairs", "davidson", "dpo", "hinge", "ipo", "pl_dpo", "rao_kupper", "robust"]

"""Objectives: pure functions of tensors. No model, no state, no files; a small module a family.

Every one takes `policy_logps` and, unless it is reference-free, `reference_logps` (batch, k), summed log-probabilities
of whole completions in nats, and `ranks` (batch, k), integers: 1 is best, equal ranks are ties, 0 is "shown but
unranked" (below everything ranked, order unknown), -1 is "no such completion". Losses are (batch,). What some need
besides, such as lengths in tokens, are keyword tensors of the same shape.
"""

from __future__ import annotations

from .all_pairs import all_pairs
from .best import preferred_ft
from .dpo import dpo, robust
from .hinge import hinge
from .ipo import ipo
from .kto import judged, kto
from .options import combined, margin_of_strength
from .penalised import dpop, ld_dpo, shared_logps
from .plackett_luce import pl_dpo
from .reference_free import orpo, simpo, unlikelihood
from .ties import davidson, rao_kupper

__all__ = [
    "all_pairs",
    "combined",
    "davidson",
    "dpo",
    "dpop",
    "hinge",
    "ipo",
    "judged",
    "kto",
    "ld_dpo",
    "margin_of_strength",
    "orpo",
    "pl_dpo",
    "preferred_ft",
    "rao_kupper",
    "robust",
    "shared_logps",
    "simpo",
    "unlikelihood",
]

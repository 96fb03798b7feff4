"""Whether an objective can use a set of rankings, asked before training starts."""

from __future__ import annotations

from torch import Tensor

from ...core.errors import UserError
from .orders import ABSENT, better_than

#: Pairs, strictly ordered.
_STRICT_PAIRS = frozenset(
    {"dpo", "robust", "hinge", "ipo", "dpop", "ld_dpo", "orpo", "simpo", "unlikelihood"},
)
#: Pairs in which a tie says something too.
_TIED_PAIRS = frozenset({"rao_kupper", "davidson"})
#: Groups of any size; one whose items are all tied is of no use and does no harm.
_GROUPS = frozenset({"pl_dpo", "all_pairs", "preferred_ft"})
#: Completions judged one by one, taken from groups.
_UNPAIRED = frozenset({"kto"})

NAMES = _STRICT_PAIRS | _TIED_PAIRS | _GROUPS | _UNPAIRED


def check_data(name: str, ranks: Tensor) -> None:
    """Refuses rankings that the objective cannot be trained on.

    Args:
        name: an objective of this package, such as "dpo".
        ranks: (groups, k), the whole set, a group a prompt; padded with -1 to the largest.

    Raises:
        UserError: it cannot use them, with what to do about it.
        KeyError: no objective has this name.
    """
    if name not in NAMES:
        raise KeyError(name)
    if ranks.shape[0] == 0:
        raise UserError("There is nothing to train on.", "Rank the answers to a few prompts first.")
    if name in _STRICT_PAIRS | _TIED_PAIRS:
        _check_sizes(name, ranks)
    ordered = better_than(ranks).any(dim=2).any(dim=1)
    if name in _STRICT_PAIRS and not bool(ordered.all()):
        raise UserError(
            f"{name} cannot use ties, and {_count(int((~ordered).sum()), 'pair is one', 'pairs are ties')}.",
            "Leave the ties out, or choose an objective that uses them, such as rao_kupper.",
        )
    if name in _TIED_PAIRS:
        unranked = ~(ranks > 0).any(dim=1)
        if bool(unranked.any()):
            raise UserError(
                f"{name} reads a tie as “equally good”, and {_count(int(unranked.sum()), 'pair was', 'pairs were')} "
                "not ranked at all.",
                "Rank them, or leave them out.",
            )
    if name in _GROUPS and not bool(ordered.any()):
        raise UserError(
            f"{name} learns from differences, and every group is a tie.",
            "Rank at least one answer above another.",
        )
    if name in _UNPAIRED and int(ordered.sum()) < 2:
        raise UserError(
            f"{name} compares answers with those to other prompts, so it needs at least two prompts with one answer "
            "ranked above another.",
            "Rank the answers to another prompt, or choose another objective.",
        )


def _check_sizes(name: str, ranks: Tensor) -> None:
    sizes = (ranks != ABSENT).sum(dim=1)
    wrong = sizes != 2
    if bool(wrong.any()):
        raise UserError(
            f"{name} takes pairs, and {_count(int(wrong.sum()), 'group is', 'groups are')} not of two answers.",
            "Choose an objective for rankings, such as pl_dpo, or train on pairs only.",
        )


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"

"""How far a person and a judge say the same of the same groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from . import ranking as weak_orders
from .intervals import Share, wilson

#: Fewer groups than this, and no share is told.
ENOUGH_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Agreement:
    """A person's and a judge's rankings of the same groups.

    Attributes:
        groups: groups that both ranked.
        pairs, same, opposite: pairs of answers in them; those said alike (better, worse or tied); those said the other
            way round. In the rest one of the two ties.
        share: the mean over groups of the share of pairs said alike, with its Wilson interval over groups: the pairs of
            one group are no independent trials.
        alike, against: groups in which more pairs are ordered alike than the other way round, and the reverse.
        tau: the mean of Kendall's tau-b over the groups in which both order something; None where there are none.
    """

    groups: int
    pairs: int
    same: int
    opposite: int
    alike: int
    against: int
    share: Share
    tau: float | None


def measure(both: Iterable[tuple[Sequence[int | None], Sequence[int | None]]]) -> Agreement:
    """The agreement over groups.

    Args:
        both: for each group the person's ranks and the judge's, in one order of the answers. What the judge has not
            ranked (it came later) is left out; what the person left unranked is last.
    """
    groups = pairs = same = opposite = 0
    total, taus = 0.0, []
    for person, judge in both:
        known = [place for place, rank in enumerate(judge) if rank is not None]
        said = [(_sign(person, i, j), _sign(judge, i, j)) for i, j in combinations(known, 2)]
        if not said:
            continue
        equal = sum(a == b for a, b in said)
        groups, pairs, same = groups + 1, pairs + len(said), same + equal
        opposite += sum(a * b < 0 for a, b in said)
        total += equal / len(said)
        tau = weak_orders.agreement([person[place] for place in known], [judge[place] for place in known])
        if tau is not None:
            taus.append(tau)
    return Agreement(
        groups=groups,
        pairs=pairs,
        same=same,
        opposite=opposite,
        alike=sum(tau > 0 for tau in taus),
        against=sum(tau < 0 for tau in taus),
        share=wilson(total, groups),
        tau=sum(taus) / len(taus) if taus else None,
    )


def _sign(ranks: Sequence[int | None], i: int, j: int) -> int:
    """1 where i is better than j, −1 where it is worse, 0 where they tie; the unranked are last."""
    last = len(ranks) + 1
    first, second = (last if ranks[place] is None else ranks[place] for place in (i, j))
    assert first is not None and second is not None
    return (first < second) - (first > second)

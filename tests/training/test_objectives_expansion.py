"""Rankings as pairs, against loops that say the same in words."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.training.objectives.expansion import pairs_of

RANKS = st.lists(st.lists(st.integers(-1, 3), min_size=4, max_size=4), min_size=1, max_size=4)


def above(first: int, second: int) -> bool:
    """Whether a rank is strictly better: unranked (0) is below every rank; absent (-1) is in no pair."""
    return first > 0 and (second == 0 or second > first)


def loop(rows: list[list[int]], *, ties: bool) -> list[tuple[int, int, int, int]]:
    """(group, better, worse, rank of the worse) by going over everything."""
    found = []
    for group, ranks in enumerate(rows):
        for i in range(4):
            for j in range(4):
                if above(ranks[i], ranks[j]):
                    found.append((group, i, j, 2))
                elif ties and i < j and ranks[i] == ranks[j] > 0:
                    found.append((group, i, j, 1))
    return found


@given(rows=RANKS, ties=st.booleans())
def test_the_pairs_are_those_of_the_loop(rows, ties):
    pairs = pairs_of(torch.tensor(rows), ties=ties)
    made = [
        (group, better - 4 * group, worse - 4 * group, ranks[1])
        for group, (better, worse), ranks in zip(
            pairs.group.tolist(), pairs.places.tolist(), pairs.ranks.tolist(), strict=True
        )
    ]
    assert sorted(made) == sorted(loop(rows, ties=ties))
    assert set(pairs.ranks[:, 0].tolist()) <= {1}
    assert pairs.sizes == tuple(sum(group == number for group, *_ in made) for number in range(len(rows)))


def test_values_follow_their_completions_and_groups_count_once():
    ranks = torch.tensor([[2, 1, 0], [1, 1, -1], [1, 2, -1]])
    pairs = pairs_of(ranks)
    values = torch.arange(9.0).view(3, 3)
    assert pairs.take(values).tolist() == [[0, 2], [1, 0], [1, 2], [6, 7]]
    assert pairs.take(torch.stack([values, -values], dim=2))[1].tolist() == [[1, -1], [0, 0]]
    assert pairs.mean(torch.tensor([1.0, 2.0, 6.0, 5.0])).tolist() == [3.0, 0.0, 5.0]


def test_groups_without_a_pair_have_no_gradient():
    values = torch.zeros(2, 2, requires_grad=True)
    pairs = pairs_of(torch.tensor([[1, 1], [0, 0]]))
    losses = pairs.mean(pairs.take(values).sum(dim=1))
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0] and values.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]

"""What is watched, by hand, and against the agreement of core.ranking, which counts pairs one by one."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import torch

from dpo_studio.core import ranking
from dpo_studio.training import diagnostics
from dpo_studio.training.schedule import learning_rate


def test_by_hand():
    policy = torch.tensor([[-10.0, -20.0, -30.0, 0.0], [-5.0, -6.0, -7.0, -8.0]])
    reference = torch.tensor([[-12.0, -19.0, -30.0, 0.0], [-5.0, -8.0, -6.0, -8.0]])
    # Ratios: 2, -1, 0 | 0, 2, -1, 0.  First group: 1 > 2 > unranked.  Second: {2, 3} above {1, 4}.
    ranks = torch.tensor([[1, 2, 0, -1], [2, 1, 1, 2]])
    found = diagnostics.measure(
        torch.tensor([1.0, 2.0]), policy, reference, ranks, lengths=torch.ones_like(ranks), beta=0.5
    )
    best, worst = (2 + (2 - 1) / 2) / 2, (0 + 0) / 2
    assert found["loss"] == 1.5
    assert found["logratio_best"] == pytest.approx(best) and found["logratio_worst"] == pytest.approx(worst)
    assert found["reward_best"] == pytest.approx(0.5 * best) and found["reward_worst"] == pytest.approx(0.5 * worst)
    assert found["margin"] == pytest.approx(0.5 * (best - worst))
    assert found["logp_best"] == pytest.approx((-10 - 6.5) / 2)
    assert found["logp_worst"] == pytest.approx((-30 - 6.5) / 2)
    # Pairs right: 1>2, 1>3 of three; then 2>1, 2>4 right, 3>1, 3>4 wrong.
    assert found["accuracy"] == pytest.approx(4 / 7)
    # Tau-b: (2 - 1) / sqrt(3 * 3), and (2 - 2) / sqrt(4 * 5).
    assert found["kendall_tau"] == pytest.approx((1 / 3 + 0) / 2)
    # σ(−d) of those seven pairs, where d is half of 3, 2, −1 and of 2, 2, −1, −1.
    weights = [1 / (1 + math.exp(d)) for d in (1.5, 1.0, -0.5, 1.0, 1.0, -0.5, -0.5)]
    assert found["wrongness"] == pytest.approx(sum(weights) / 7)


def test_equal_rewards_count_half_and_order_nothing():
    rewards, ranks = torch.zeros(2, 3), torch.tensor([[1, 2, 3], [1, 1, 2]])
    assert diagnostics.accuracy(rewards, ranks) == 0.5
    assert diagnostics.wrongness(rewards, ranks) == 0.5
    assert diagnostics.kendall_tau(rewards, ranks) is None
    assert diagnostics.accuracy(rewards, torch.ones(2, 3, dtype=torch.long)) is None
    assert diagnostics.wrongness(rewards, torch.ones(2, 3, dtype=torch.long)) is None


def test_what_is_not_a_number_orders_nothing():
    rewards, ranks = torch.tensor([[2.0, math.nan, 0.0], [3.0, 2.0, 1.0]]), torch.tensor([[1, 2, 3], [1, 2, 3]])
    for measure in (diagnostics.accuracy, diagnostics.wrongness, diagnostics.kendall_tau):
        assert measure(rewards, ranks) is None
    outside = torch.tensor([[1, -1, 2], [1, 2, 3]])  # no completion is there
    assert diagnostics.accuracy(rewards, outside) == 1.0


def test_tau_is_the_agreement_of_the_rankings():
    """Of the same rewards as ranks, by pairs counted one by one."""
    rng = random.Random(4)
    for _ in range(50):
        ranks = [rng.choice([1, 2, 3, None]) for _ in range(5)]
        if len(set(ranks)) < 2:
            continue
        rewards = [float(rng.randint(0, 3)) for _ in range(5)]
        by_reward = [4 - int(reward) for reward in rewards]
        expected = ranking.agreement(ranks, by_reward)
        found = diagnostics.kendall_tau(torch.tensor([rewards]), torch.tensor([[r or 0 for r in ranks]]))
        assert (found is None) == (expected is None)
        assert expected is None or found == pytest.approx(expected)


def test_accuracy_is_the_share_of_pairs():
    rng = random.Random(8)
    rows = [[rng.gauss(0, 1) for _ in range(5)] for _ in range(20)]
    ranks = [[rng.choice([1, 2, 3, 0]) for _ in range(5)] for _ in rows]
    right = total = 0
    for row, rank in zip(rows, ranks, strict=True):
        for i, j in itertools.permutations(range(5), 2):
            if (rank[i] or 9) < (rank[j] or 9):
                total += 1
                right += row[i] > row[j]
    assert diagnostics.accuracy(torch.tensor(rows), torch.tensor(ranks)) == pytest.approx(right / total)


def test_the_schedule():
    rates = [learning_rate(step, steps=20, peak=1.0, warmup_ratio=0.1) for step in range(20)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[11] == pytest.approx(0.5 * (1 + math.cos(math.pi * 9 / 18)))
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[2:]))
    assert rates[-1] > 0
    assert learning_rate(0, steps=1, peak=2.0, warmup_ratio=0.0) == 2.0


def test_length_correlation_against_numpy_over_the_pairs_written_out():
    rewards = torch.tensor([[0.3, -0.2, 0.9], [0.1, 0.4, 0.0]])
    ranks = torch.tensor([[2, 3, 1], [1, 0, -1]])
    lengths = torch.tensor([[10, 4, 25], [7, 9, 1]])
    pairs = [(0.9 - 0.3, 15), (0.9 + 0.2, 21), (0.3 + 0.2, 6), (0.1 - 0.4, -2)]
    expected = np.corrcoef(np.array(pairs).T)[0, 1]
    assert diagnostics.length_correlation(rewards, ranks, lengths) == pytest.approx(expected, abs=1e-6)


def test_no_length_correlation_where_there_is_none_to_speak_of():
    ranks, lengths = torch.tensor([[1, 2, 3]]), torch.tensor([[5, 6, 8]])
    assert diagnostics.length_correlation(torch.zeros(1, 3), ranks, lengths) is None
    assert diagnostics.length_correlation(torch.tensor([[3.0, 1.0, 0.0]]), ranks, torch.full((1, 3), 4)) is None
    assert diagnostics.length_correlation(torch.tensor([[1.0, 0.0]]), ranks[:, :2], lengths[:, :2]) is None

"""The objectives against TRL's own loss code, fed the same log-probabilities token by token."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch

from dpo_studio.training.objectives import (
    combined,
    dpo,
    hinge,
    ipo,
    ld_dpo,
    orpo,
    preferred_ft,
    robust,
    shared_logps,
    simpo,
)

pytest.importorskip("trl")

D = torch.float64
#: Tokens of the chosen and of the rejected completions of four pairs.
LENGTHS = torch.tensor([[3, 5], [6, 2], [4, 4], [1, 6]])
WINS = torch.tensor([[1, 2]] * 4)


@pytest.fixture
def tokens():
    """Token log-probabilities (policy and reference, pairs, 2, longest), nothing past each length."""
    values = -3 * torch.rand(2, 4, 2, 6, dtype=D, generator=torch.Generator().manual_seed(11))
    return values * (torch.arange(6) < LENGTHS.unsqueeze(2))


def trl_dpo(
    tokens, loss_types, *, beta=0.3, label_smoothing=0.0, ld_alpha=None, weights=None, lengths=LENGTHS
) -> float:
    """What DPOTrainer's loss says of these tokens: every row is one prompt token, then the completion."""
    from trl import DPOTrainer

    policy, reference = (torch.cat([each[:, 0], each[:, 1]]) for each in tokens)
    mask = torch.arange(policy.shape[1]) < torch.cat([lengths[:, 0], lengths[:, 1]]).unsqueeze(1)
    mask = torch.nn.functional.pad(mask.long(), (1, 0))

    def model_of(logps):
        rest = {name: torch.zeros_like(logps) for name in ("entropy", "mean_logits")}
        outputs = SimpleNamespace(log_probs=logps, is_top1=torch.zeros_like(logps).bool(), **rest)
        return MagicMock(return_value=outputs)

    trainer = MagicMock(
        aux_loss_enabled=False,
        ld_alpha=ld_alpha,
        precompute_ref_logps=False,
        f_divergence_type="reverse_kl",
        loss_types=loss_types,
        loss_weights=weights or [1.0] * len(loss_types),
        beta=beta,
        label_smoothing=label_smoothing,
        use_weighting=False,
        ref_model=model_of(reference),
    )
    trainer.args.gradient_checkpointing_kwargs = None
    trainer.accelerator.device = torch.device("cpu")
    trainer.accelerator.gather = trainer.accelerator.gather_for_metrics = lambda value: value
    trainer._tp_size, trainer._total_train_tokens = 1, 0
    inputs = {"input_ids": mask, "attention_mask": torch.ones_like(mask), "completion_mask": mask}
    return DPOTrainer._compute_loss(trainer, model_of(policy), inputs, False).item()


@pytest.mark.parametrize(
    ("loss_type", "ours", "options"),
    [
        ("sigmoid", dpo, {}),
        ("hinge", hinge, {}),
        ("robust", robust, {"label_smoothing": 0.2}),
        ("ipo", ipo, {"lengths": LENGTHS}),
    ],
)
def test_the_losses_of_dpo_trainer(tokens, loss_type, ours, options):
    policy, reference = tokens.sum(dim=3)
    theirs = trl_dpo(tokens, [loss_type], label_smoothing=options.get("label_smoothing", 0.0))
    found = ours(policy, reference, WINS, beta=0.3, **options)
    assert found.shape == (4,)
    assert found.mean().item() == pytest.approx(theirs, rel=1e-9)


def test_label_smoothing_is_that_of_cpo_trainer_on_log_ratios(tokens):
    from trl.experimental.cpo import CPOTrainer

    policy, reference = tokens.sum(dim=3)
    ratios = policy - reference
    trainer = MagicMock(alpha=0.0, loss_type="sigmoid", beta=0.3, label_smoothing=0.15)
    trainer.accelerator.device = torch.device("cpu")
    theirs, *_ = CPOTrainer.cpo_loss(trainer, ratios[:, 0], ratios[:, 1])
    ours = dpo(policy, reference, WINS, beta=0.3, label_smoothing=0.15)
    assert torch.allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_ld_dpo_from_tokens(tokens, alpha):
    policy, reference = tokens.sum(dim=3)
    shared = {
        "policy_shared_logps": shared_logps(tokens[0], LENGTHS),
        "reference_shared_logps": shared_logps(tokens[1], LENGTHS),
    }
    ours = ld_dpo(policy, reference, WINS, beta=0.3, alpha=alpha, **shared)
    assert ours.mean().item() == pytest.approx(trl_dpo(tokens, ["sigmoid"], ld_alpha=alpha), rel=1e-9)


def test_likelihood_of_the_best_one_group_at_a_time(tokens):
    """TRL averages over the tokens of a batch, we over those of a group: one group is the same."""
    for number in range(4):
        one = tokens[:, number : number + 1]
        lengths, win = LENGTHS[number : number + 1], WINS[:1]
        policy, reference = one.sum(dim=3)
        assert preferred_ft(policy, win, lengths=lengths).item() == pytest.approx(
            trl_dpo(one, ["sft"], lengths=lengths), rel=1e-9
        )
        losses = dpo(policy, reference, win, beta=0.3)
        ours = combined(losses, policy, win, lengths=lengths, weight=2.0, nll_weight=0.7)
        theirs = trl_dpo(one, ["sigmoid", "sft"], weights=[2.0, 0.7], lengths=lengths)
        assert ours.item() == pytest.approx(theirs, rel=1e-9)


def test_simpo_is_cpo_trainers(tokens):
    from trl.experimental.cpo import CPOTrainer

    policy = tokens[0].sum(dim=2)
    means = policy / LENGTHS
    trainer = MagicMock(alpha=0.0, loss_type="simpo", beta=2.5, simpo_gamma=0.75, label_smoothing=0.0)
    trainer.accelerator.device = torch.device("cpu")
    theirs, *_ = CPOTrainer.cpo_loss(trainer, means[:, 0], means[:, 1])
    ours = simpo(policy, WINS, lengths=LENGTHS, beta=2.5, gamma_beta_ratio=0.3)
    assert torch.allclose(ours, theirs, rtol=1e-9)


def test_orpo_is_orpo_trainers_odds_beside_the_likelihood(tokens):
    from trl.experimental.orpo import ORPOTrainer

    policy = tokens[0].sum(dim=2)
    means = policy / LENGTHS
    trainer = MagicMock(beta=0.4)
    trainer.accelerator.device = torch.device("cpu")
    odds, *_ = ORPOTrainer.odds_ratio_loss(trainer, means[:, 0], means[:, 1])  # in fp32 there
    ours = orpo(policy, WINS, lengths=LENGTHS, odds_weight=0.4)
    assert torch.allclose(ours, -means[:, 0] - odds.double(), rtol=1e-6)

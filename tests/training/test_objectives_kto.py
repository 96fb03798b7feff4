"""KTO by hand and against TRL's KTOTrainer on the same tensors."""

from __future__ import annotations

import math
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch

from dpo_studio.training.objectives import judged, kto

D = torch.float64


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def loss(policy, desirable, mismatched, **options):
    zeros = torch.zeros_like(mismatched)
    return kto(
        policy,
        torch.zeros_like(policy),
        desirable,
        mismatched_policy_logps=mismatched,
        mismatched_reference_logps=zeros,
        **options,
    )


def test_by_hand():
    policy, desirable = torch.tensor([3.0, -1.0], dtype=D), torch.tensor([True, False])
    above = loss(
        policy, desirable, torch.tensor([3.0, -1.0], dtype=D), beta=0.5, desirable_weight=2.0, undesirable_weight=3.0
    )
    assert above.tolist() == pytest.approx([2 * (1 - sigma(0.5 * 2.0)), 3 * (1 - sigma(0.5 * 2.0))])  # z₀ = 1
    below = loss(policy, desirable, torch.tensor([-3.0, -1.0], dtype=D), beta=0.5)
    assert below.tolist() == pytest.approx([1 - sigma(1.5), 1 - sigma(0.5)])  # z₀ = 0, not −2


def test_a_half_where_policy_is_reference():
    logps = torch.tensor([-30.0, -41.0])
    same = {"mismatched_policy_logps": logps, "mismatched_reference_logps": logps}
    assert kto(logps, logps, torch.tensor([True, False]), **same).tolist() == [0.5, 0.5]


def test_gradients_are_the_numerical_ones_and_none_passes_the_zero():
    policy = torch.randn(4, dtype=D, generator=torch.Generator().manual_seed(1), requires_grad=True)
    mismatched = torch.tensor([1.0, 2.0], dtype=D, requires_grad=True)
    desirable = torch.tensor([True, False, False, True])
    assert torch.autograd.gradcheck(lambda x: loss(x, desirable, mismatched.detach(), beta=0.7), (policy,))
    loss(policy, desirable, mismatched).sum().backward()
    assert mismatched.grad is None


def test_stable_far_out():
    policy = torch.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    losses = loss(policy, torch.tensor([True, True, False, False]), torch.tensor([-1e4, 2e4]), beta=1.0)
    losses.sum().backward()
    assert losses.tolist() == pytest.approx([0.0, 1.0, 1.0, 0.0])
    assert torch.isfinite(policy.grad).all()


def test_without_a_mismatched_completion_it_is_refused():
    with pytest.raises(ValueError, match="two prompts"):
        loss(torch.zeros(1), torch.tensor([True]), torch.zeros(0))


def test_the_best_are_desirable_the_last_undesirable_and_the_middle_unused():
    ranks = torch.tensor([[2, 1, 3, 1], [0, 1, 0, -1], [1, 1, 1, -1], [0, 2, 1, 0]])
    desirable, undesirable = judged(ranks)
    assert desirable.long().tolist() == [[0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert undesirable.long().tolist() == [[0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize("shift", [2.0, -2.0])
def test_the_loss_of_kto_trainer(shift):
    pytest.importorskip("trl")
    from trl import KTOTrainer

    generator = torch.Generator().manual_seed(7)
    policy, reference = -3 * torch.rand(2, 4, 5, dtype=D, generator=generator)
    theirs_policy, theirs_reference = -3 * torch.rand(2, 4, dtype=D, generator=generator) + torch.tensor([[shift], [0]])
    desirable = torch.tensor([True, False, False, True])

    def model_of(logps):
        rest = {name: torch.zeros_like(logps) for name in ("entropy", "mean_logits")}
        return MagicMock(return_value=SimpleNamespace(log_probs=logps, is_top1=torch.zeros_like(logps).bool(), **rest))

    model, ref_model = model_of(policy), model_of(reference)
    trainer = MagicMock(
        aux_loss_enabled=False,
        precompute_ref_logps=False,
        calculate_KL=True,
        loss_type="kto",
        beta=0.3,
        desirable_weight=1.5,
        undesirable_weight=0.8,
        ref_model=ref_model,
    )
    trainer.args.gradient_checkpointing_kwargs = None
    trainer.accelerator.device = torch.device("cpu")
    trainer.accelerator.gather = trainer.accelerator.gather_for_metrics = lambda value: value
    trainer._compute_kl_logps = lambda which, batch: theirs_policy if which is model else theirs_reference
    trainer._tp_size, trainer._total_train_tokens = 1, 0
    mask = torch.nn.functional.pad(torch.ones(4, 5, dtype=torch.long), (1, 0))
    inputs = {
        "input_ids": mask,
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "label": desirable,
    }
    theirs = KTOTrainer._compute_loss(trainer, model, inputs, False).item()
    ours = kto(
        policy.sum(dim=1),
        reference.sum(dim=1),
        desirable,
        mismatched_policy_logps=theirs_policy,
        mismatched_reference_logps=theirs_reference,
        beta=0.3,
        desirable_weight=1.5,
        undesirable_weight=0.8,
    )
    assert ours.mean().item() == pytest.approx(theirs, rel=1e-9)
    assert ((theirs_policy - theirs_reference).mean() > 0).item() == (shift > 0)

"""Our losses and gradients, forward pass and learner included, against TRL's DPOTrainer on the same tokens."""

from __future__ import annotations

import pytest
import torch

from dpo_studio.core.settings import TrainingSettings
from dpo_studio.training.batches import Example
from dpo_studio.training.forward import Scorer
from dpo_studio.training.learner import Learner
from dpo_studio.training.objectives import dpo, pl_dpo
from dpo_studio.training.processes import Alone
from dpo_studio.training.reference import Reference

pytest.importorskip("trl")


@pytest.fixture(scope="module")
def theirs(build_model, tiny_model, tmp_path_factory):
    """TRL's trainer on a policy that has left its reference, one batch of its data, and both models."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    policy, reference = build_model("llama"), build_model("llama")
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    rows = [
        {"prompt": "w5 w6 w7 ", "chosen": "w8 w9", "rejected": "w1 w2 w3 w4"},
        {"prompt": "w20 ", "chosen": "w21 w22 w23", "rejected": "w2"},
        {"prompt": "w30 w31 ", "chosen": "w1", "rejected": "w40 w41 w42"},
    ]
    arguments = DPOConfig(
        output_dir=str(tmp_path_factory.mktemp("trl")),
        per_device_train_batch_size=3,
        beta=0.3,
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
    )
    trainer = DPOTrainer(
        model=policy,
        ref_model=reference,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    policy.eval()
    return trainer, batch, policy, reference


def test_the_loss_of_a_batch_is_trls(theirs):
    trainer, batch, policy, reference = theirs
    with torch.no_grad():
        expected = trainer.compute_loss(trainer.model, dict(batch)).item()

    examples = _examples(batch)
    ranks = torch.tensor([example.ranks for example in examples])
    with torch.no_grad():
        ours, ref = (torch.stack(Scorer(model, shared=True).logps(examples)) for model in (policy, reference))
    assert dpo(ours, ref, ranks, beta=0.3).mean().item() == pytest.approx(expected, abs=1e-5)
    assert pl_dpo(ours, ref, ranks, beta=0.3).mean().item() == pytest.approx(expected, abs=1e-5)
    assert abs(expected - 0.6931) > 0.01


@pytest.mark.parametrize(
    ("method", "loss_type", "attributes", "settings"),
    [
        ("pl_dpo", "sigmoid", {}, {}),
        ("dpo", "sigmoid", {}, {}),
        ("hinge", "hinge", {}, {}),
        ("ipo", "ipo", {}, {}),
        ("robust", "robust", {"label_smoothing": 0.2}, {"label_smoothing": 0.2}),
        ("ld_dpo", "sigmoid", {"ld_alpha": 0.3}, {"ld_alpha": 0.3}),
    ],
)
def test_a_step_of_the_learner_has_trls_loss_and_gradient(
    theirs, tmp_path, monkeypatch, method, loss_type, attributes, settings
):
    trainer, batch, policy, reference = theirs
    monkeypatch.setattr(trainer, "loss_types", [loss_type])
    for name, value in attributes.items():
        monkeypatch.setattr(trainer, name, value)
    policy.zero_grad()
    expected = trainer.compute_loss(trainer.model, dict(batch))
    expected.backward()
    gradients = [parameter.grad.clone() for parameter in policy.parameters() if parameter.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()

    examples = _examples(batch)
    wanted = TrainingSettings(method=method, beta=0.3, max_grad_norm=1e6, **settings).validate()
    known = Reference(tmp_path / "reference", ["tiny"], keeps_tokens=method == "ld_dpo")
    scorer = Scorer(reference, shared=True)
    known.compute(reference, scorer, examples, token_budget=30, adapter_is_new=False, processes=Alone())
    learner = Learner(policy, Scorer(policy, shared=True), known, wanted, token_budget=30)
    metrics = learner.step(examples, 0.0)  # a rate of 0 leaves the weights as they are
    assert metrics["loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-3)
    assert norm > 0.01


def _examples(batch) -> list[Example]:
    """TRL's batch is the chosen rows, then the rejected ones, padded; its masks tell prompt from completion."""
    rows = []
    for ids, attended, completion in zip(
        batch["input_ids"], batch["attention_mask"], batch["completion_mask"], strict=True
    ):
        prompt = ids[attended.bool() & ~completion.bool()].tolist()
        rows.append((tuple(prompt), tuple(ids[completion.bool()].tolist())))
    half = len(rows) // 2
    pairs = zip(rows[:half], rows[half:], strict=True)
    return [
        Example(f"g{number}", False, chosen[0], (chosen[1], rejected[1]), (1, 2))
        for number, (chosen, rejected) in enumerate(pairs)
    ]

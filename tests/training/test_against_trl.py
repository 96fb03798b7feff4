"""Our DPO loss, forward pass included, against TRL's DPOTrainer on the same tokens."""

from __future__ import annotations

import pytest
import torch

from dpo_studio.training.batches import Example
from dpo_studio.training.forward import Scorer
from dpo_studio.training.objectives import dpo, pl_dpo

pytest.importorskip("trl")


def test_the_loss_of_a_batch_is_trls(build_model, tiny_model, tmp_path):
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
        output_dir=str(tmp_path),
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
    with torch.no_grad():
        theirs = trainer.compute_loss(trainer.model, dict(batch)).item()

    examples = _examples(batch)
    ranks = torch.tensor([example.ranks for example in examples])
    with torch.no_grad():
        ours, ref = (torch.stack(Scorer(model, shared=True).logps(examples)) for model in (policy, reference))
    assert dpo(ours, ref, ranks, beta=0.3).mean().item() == pytest.approx(theirs, abs=1e-5)
    assert pl_dpo(ours, ref, ranks, beta=0.3).mean().item() == pytest.approx(theirs, abs=1e-5)
    assert abs(theirs - 0.6931) > 0.01


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
    return [Example("g", False, chosen[0], (chosen[1], rejected[1]), (1, 2)) for chosen, rejected in pairs]

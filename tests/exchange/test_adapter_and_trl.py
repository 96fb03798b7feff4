"""An exported adapter loads with PEFT and changes the base as it did; TRL trains a step on exported pairs."""

from __future__ import annotations

import json

import pytest
import torch

from dpo_studio.core import events
from dpo_studio.core.errors import UserError
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.exchange import adapter, dataset
from dpo_studio.store import policies, runs
from tests.exchange import labelled_project


@pytest.fixture
def base(tiny_llama):
    return tiny_llama


@pytest.fixture
def project(tmp_path):
    with labelled_project.make(tmp_path / "project", held_out=(1,)) as opened:
        yield opened


def _run_with_adapter(project, base, *, reference):
    """A run as training leaves it: an adapter that changes the base, and the events that say so."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    run = runs.create(project, policies.add(project, reference), TrainingSettings(beta=0.25))
    folder = project.folder / run.folder
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False),
    )
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "optimizer.pt").write_bytes(b"pickle")
    said = [
        events.RunStarted(3, 2, 1, "cpu", "float32", 100, 10),
        events.Evaluated(0, {"accuracy": 0.5, "loss": 0.6931}),
        events.Evaluated(3, {"accuracy": 0.75, "loss": 0.5}),
        events.RunDone("stopped", 3, 4.2, "adapter", {"loss": 0.4, "accuracy": 1.0}),
    ]
    (folder / "events.jsonl").write_text("".join(map(events.to_line, said)), encoding="utf-8")
    return run, model.eval()


def test_an_exported_adapter_gives_the_trained_model_back(project, base, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run, trained = _run_with_adapter(project, base, reference=str(base))
    folder = adapter.write(project, run, tmp_path / "out")
    ids = torch.arange(8)[None] + 3
    plain = AutoModelForCausalLM.from_pretrained(base).eval()
    with torch.no_grad():
        without = plain(ids).logits
        again = PeftModel.from_pretrained(plain, folder).eval()(ids).logits
        expected = trained(ids).logits
    assert torch.equal(again, expected)
    assert not torch.allclose(without, expected, atol=1e-3)


def test_the_folder_names_the_base_for_others_and_holds_no_pickle(project, base, tmp_path):
    import yaml

    run, _ = _run_with_adapter(project, base, reference="starter")
    folder = adapter.write(project, run, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    card = (folder / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct" and header["library_name"] == "peft"
    # Two rankings order something and are trained on; one, of the held-out prompt, is measured on.
    assert "- Data: 2 rankings; 1 more" in card
    assert "3, until it was stopped, 4 s" in card
    assert "| accuracy | 1.000 | 0.500 | 0.750 |" in card
    assert "| beta | 0.25 |" in card and '> Warm: "kind" words' in card


def test_a_base_on_this_machine_is_not_offered_as_a_hub_model(project, base, tmp_path):
    import yaml

    run, _ = _run_with_adapter(project, base, reference=str(base))
    card = (adapter.write(project, run, tmp_path / "out") / "README.md").read_text(encoding="utf-8")
    assert "base_model" not in yaml.safe_load(card.split("---\n")[1])
    assert f"`{base}`" in card


def test_a_run_without_an_adapter_is_a_sentence(project, tmp_path):
    run = runs.create(project, policies.add(project, "starter"), TrainingSettings())
    with pytest.raises(UserError, match="Run 1 has left no adapter yet"):
        adapter.write(project, run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_trl_trains_a_step_on_exported_pairs(project, base, tmp_path, file_format):
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    folder = dataset.write(project, dataset.plan(project, "preference"), tmp_path / "out", file_format=file_format)
    data = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    model = AutoModelForCausalLM.from_pretrained(base)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(tmp_path / "trl"),
            max_steps=1,
            per_device_train_batch_size=4,
            learning_rate=1e-2,
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=data["train"],
        eval_dataset=data["test"],
        processing_class=AutoTokenizer.from_pretrained(base),
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "train_loss" in entry]
    assert trainer.state.global_step == 1
    # With the policy where the reference is, the loss of DPO is log 2.
    assert logged[0]["train_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())

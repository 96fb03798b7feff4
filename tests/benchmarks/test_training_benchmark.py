"""The parts of the training benchmark: what it counts, what it trains on, and that both sides compute the same loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks import contenders, hh_run, limits, report, transcripts
from tests.benchmarks.contenders import Task
from tests.benchmarks.training import SETTINGS
from tests.benchmarks.transcripts import Group

_PAIRS = [
    Group("\n\nHuman: hello there\n\nAssistant:", (" yes", " no way")),
    Group("\n\nHuman: and now?\n\nAssistant:", (" go on", " no")),
    Group("\n\nHuman: tell me more\n\nAssistant:", (" a b c", " d")),
]


@pytest.fixture
def raw_llama(tiny_llama, tmp_path):
    return transcripts.raw_model(tiny_llama, tmp_path / "raw")


def test_a_transcript_is_cut_after_the_last_assistant(tmp_path):
    before = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"
    rows = [
        {"chosen": before + " good", "rejected": before + " bad"},
        {"chosen": before + " good", "rejected": "\n\nHuman: another\n\nAssistant: bad"},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert transcripts.read_pairs(path) == [Group(before, (" good", " bad"))]


def test_four_answers_make_six_pairs_with_the_better_one_first():
    pairs = transcripts.pairs_of(Group("p", ("1", "2", "3", "4"), ((1,), (2,), (3,), (4,))))
    assert [pair.answers for pair in pairs] == [
        ("1", "2"), ("1", "3"), ("1", "4"), ("2", "3"), ("2", "4"), ("3", "4"),
    ]  # fmt: skip
    assert pairs[3].token_ids == ((2,), (3,))


def test_the_prompt_is_read_as_it_stands(raw_llama, tmp_path):
    run = transcripts.write_run(tmp_path / "run", raw_llama, _PAIRS, **SETTINGS)
    tokenizer = transcripts.tokenizer_of(raw_llama)
    for example, pair in zip(contenders.read_examples(run), _PAIRS, strict=True):
        assert list(example.prompt) == tokenizer(pair.prompt, add_special_tokens=False)["input_ids"]
        assert example.ranks == (1, 2)


def test_operations_are_those_a_counter_sees(raw_llama, tmp_path):
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModelForCausalLM

    from dpo_studio.training.forward import lay_row

    run = transcripts.write_run(tmp_path / "run", raw_llama, _PAIRS[:1], **SETTINGS)
    model = AutoModelForCausalLM.from_pretrained(raw_llama, dtype=torch.float32)
    example = contenders.read_examples(run)[0]
    row = lay_row([example], device=torch.device("cpu"), dtype=torch.float32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hidden = model.base_model(
            input_ids=row.tokens, position_ids=row.positions, attention_mask=row.mask, use_cache=False
        ).last_hidden_state[0]
        model.get_output_embeddings()(hidden[row.predicting])
    products = counter.get_flop_counts()["Global"][torch.ops.aten.mm]
    config = model.config
    seen = int((row.mask == 0).sum())
    attention = 4 * seen * config.num_attention_heads * config.head_dim * config.num_hidden_layers

    training, reference = limits.training_flops(model, [example], rank=0)
    assert reference == products + attention
    assert training == 2 * products + 3 * attention
    linear = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "layers" in name]
    adapter = sum(2 * 4 * (m.in_features + m.out_features) for m in linear) * row.tokens.shape[1]
    assert limits.training_flops(model, [example], rank=4)[0] == training + 3 * adapter


def test_both_sides_train_on_the_same_and_compute_the_same_loss(raw_llama, tmp_path):
    pytest.importorskip("trl")

    def run(name):
        return str(transcripts.write_run(tmp_path / name, raw_llama, _PAIRS, **SETTINGS, dtype="float32", epochs=2))

    ours = contenders.do(Task("ours", run("ours"), epochs=2))
    assert len(ours["epochs_s"]) == 2 and all(seconds > 0 for seconds in ours["epochs_s"])
    assert ours["reference_s"] == 0  # all groups are in the first step, which needs no pass of the reference
    given = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "bf16": False}
    theirs = contenders.do(Task("trl", run("trl"), trl={**given, "precompute_ref_log_probs": True}))
    assert theirs["reference_s"] > 0 and theirs["epochs_s"][0] > 0
    assert (ours["groups"], ours["tokens"]) == (theirs["groups"], theirs["tokens"])
    folder = Path(run("agreement"))
    agreement = contenders.agreement(folder, contenders.read_examples(folder), moved_by=0.3)
    assert agreement["apart"] < 1e-4
    assert abs(agreement["losses"][0][0] - 0.6931) > 1e-3  # the adapter was moved


def test_the_table_divides_rates_and_says_what_was_met():
    def measured(groups, reference, *epochs, device="cpu"):
        return {
            "groups": groups, "tokens": 100, "memory_gb": 1.0, "dtype": "x", "reference_s": reference,
            "epochs_s": list(epochs), "device": device,
        }  # fmt: skip

    text = report.table(
        {
            "ours": measured(10, 1.0, 4.0, 3.0),
            "trl-fastest": measured(10, 10.0, 15.0),
            "ours-rankings": measured(10, 0.0, 5.0),
            "trl-rankings": measured(60, 10.0, 50.0),
            "trl-fp32": {"failed": "no memory"},
        },
        device="cpu",
        threads=1,
    )
    lines = text.splitlines()

    def line(start):
        return next(line for line in lines if line.startswith(start))

    assert line("ours / TRL at its fastest").split()[-5:] == ["5", "target", "≥", "4:", "met"]
    assert line("  the same, no reference").split()[-1] == "3.75"
    assert line("ours / TRL, rankings").split()[-5:] == ["12", "target", "≥", "8:", "met"]
    assert line("TRL as started (batch 8), fp32").endswith("failed: no memory")
    # On a GPU the pass after the one that warms up.
    assert report.rate(measured(10, 1.0, 100.0, 4.0, device="cuda:0")) == 2.0
    assert report.rate(measured(10, 1.0, 4.0, 100.0)) == 2.0


def test_no_prompt_of_the_long_run_is_on_both_sides():
    pairs = [Group(f"prompt {n % 7}", (f" a{n}", f" b{n}")) for n in range(30)]
    unseen, seen = hh_run.split(pairs, held_out=3, train=10)
    assert (len(unseen), len(seen)) == (3, 10)
    assert not {pair.prompt for pair in unseen} & {pair.prompt for pair in seen}
    with pytest.raises(SystemExit, match="asked for"):
        hh_run.split(pairs, held_out=3, train=30)
